"""Speckle filters for radar power: refined Lee and Gamma-MAP, both by local mean and variance in a square window.

Speckle multiplies: of L looks it has mean 1 and standard deviation 1 / sqrt(L) (Goodman 1976, JOSA 66:1145-1150), so filters
work on linear power, never on dB. What a pixel becomes follows from its own window alone, summed in one order: parts of a grid
that are filtered with half a window of margin are those of the whole, bit for bit.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Power = NDArray[np.float32]
"""(y, x) linear power, NaN where there is none."""
Looks = float | NDArray[np.floating]
"""Equivalent number of looks of every pixel, or of each (y, x)."""
Filter = Callable[[Power, Looks, int], Power]

SMALLEST_WINDOW = 5
_SUBWINDOW_RADIUS = 1  # Lee's subwindows are 3 x 3
_EDGES = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps (down, right) across an edge: across one that runs down, one that runs right, and the two diagonals."""


def refined_lee(power: Power, looks: Looks, window: int = 7) -> Power:
    """Refined Lee filter: (y, x) float32 of the same unit (Lee 1981, Computer Graphics and Image Processing 15:380-389).

    The nine 3 x 3 means of a window tell whether an edge runs through it, along which of four directions, and on which side of
    it the pixel lies; only the half window on that side is used. A pixel z of a half window with mean m and variance v becomes
    m + k (z - m), k = var_x / v, var_x = (v - m^2 / L) / (1 + 1 / L), at least 0. NaN stays NaN, and is left out of its
    neighbours' windows. ValueError for a window that is not odd or below 5.
    """
    radius = _radius(window)
    padded, known = _padded(power, radius)
    noise = 1 / np.asarray(looks, np.float64)
    side = _sides(padded, known, radius)
    mean, variance = np.zeros(power.shape), np.zeros(power.shape)
    for number, footprint in enumerate(_half_windows(radius)):
        chosen = side == number
        if chosen.any():
            moments = _moments(padded, known, footprint)
            mean, variance = (np.where(chosen, new, old) for new, old in zip(moments, (mean, variance), strict=True))
    excess = np.maximum(variance - mean**2 * noise, 0) / (1 + noise)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(variance > 0, np.minimum(excess / variance, 1), 0)
    return (mean + share * (power - mean)).astype(np.float32)


def gamma_map(power: Power, looks: Looks, window: int = 7) -> Power:
    """Gamma-MAP filter: (y, x) float32 of the same unit (Lopes et al. 1990, IGARSS 3:2409-2412; 1993, IJRS 14:1735-1758).

    By the variation c^2 = variance / mean^2 of a window of n pixels: the mean up to that of speckle, 1 / L; the pixel itself from
    2 / L on, so that point targets stay; between them the most likely value of a gamma distributed scene. The c^2 of pure speckle
    scatters by sqrt(2 (1 + 1 / L) / n) / L (Oliver and Quegan 2004), which is granted to it: else half of all even
    ground would get the most likely value, which lies below the mean. NaN and ValueError as in `refined_lee`.
    """
    radius = _radius(window)
    padded, known = _padded(power, radius)
    mean, variance = _moments(padded, known, np.ones((window, window), bool))
    noise = 1 / np.asarray(looks, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        varied = variance / mean**2
        alpha = (1 + noise) / (varied - noise)
        b = alpha - 1 / noise - 1
        likely = (b * mean + np.sqrt(mean**2 * b**2 + 4 * alpha / noise * mean * power)) / (2 * alpha)
        even = varied <= noise * (1 + np.sqrt(2 * (1 + noise)) / window)
        found = np.select([even, varied >= 2 * noise], [mean, power], likely)
    return np.where(np.isfinite(power), found, np.nan).astype(np.float32)


def unfiltered(power: Power, looks: Looks, window: int = 1) -> Power:  # noqa: ARG001 - a filter like the others
    """The power itself."""
    return power


FILTERS: Mapping[str, Filter] = {"refined-lee": refined_lee, "gamma-map": gamma_map, "none": unfiltered}
"""By the name that recipes give them."""


def _radius(window: int) -> int:
    if window < SMALLEST_WINDOW or not window % 2:
        raise ValueError(
            f"A speckle filter's window of {window} pixels has no middle with subwindows. Use an odd number from 5 on."
        )
    return window // 2


def _padded(power: Power, radius: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power with a margin on each side, 0 where there is none, and where there is some: 1 or 0."""
    framed = np.pad(power.astype(np.float64), radius, constant_values=np.nan)
    known = np.isfinite(framed)
    return np.where(known, framed, 0), known.astype(np.float64)


def _window_sums(padded: NDArray[np.float64], footprint: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sums over a square footprint around each pixel, in one order whatever the grid; the margin is half its side or more."""
    side = footprint.shape[0]
    extra = padded.shape[0] - side + 1, padded.shape[1] - side + 1
    total = np.zeros(extra)
    for row, column in np.argwhere(footprint):
        total += padded[row : row + extra[0], column : column + extra[1]]
    return total


def _moments(
    padded: NDArray[np.float64], known: NDArray[np.float64], footprint: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of the known pixels in a footprint around each pixel; 0 and 0 where there are none."""
    counts = np.maximum(_window_sums(known, footprint), 1)
    mean = _window_sums(padded, footprint) / counts
    return mean, np.maximum(_window_sums(padded**2, footprint) / counts - mean**2, 0)


def _subwindow_means(
    padded: NDArray[np.float64], known: NDArray[np.float64], radius: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Means (3, 3, y, x) of the subwindows around each pixel, and whether they have any; that of the middle where not."""
    small = np.ones((3, 3), bool)
    total, counts = _window_sums(padded, small), _window_sums(known, small)
    means, step = total / np.maximum(counts, 1), radius - _SUBWINDOW_RADIUS
    height, width = (side - 2 * step for side in means.shape)
    parts = [[(slice(i * step, i * step + height), slice(j * step, j * step + width)) for j in range(3)] for i in range(3)]
    there = np.array([[counts[part] > 0 for part in row] for row in parts])
    found = np.array([[means[part] for part in row] for row in parts])
    return np.where(there, found, found[1, 1]), there


def _half_windows(radius: int) -> list[NDArray[np.bool_]]:
    """The whole window, then the two halves beside each edge of `_EDGES`; both hold the pixels on the edge's own line."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    halves = [sign * (across[0] * y + across[1] * x) >= 0 for across in _EDGES for sign in (-1, 1)]
    return [np.ones_like(halves[0]), *halves]


def _sides(padded: NDArray[np.float64], known: NDArray[np.float64], radius: int) -> NDArray[np.int8]:
    """Which of `_half_windows` each pixel is filtered with; the whole where nothing rises or falls."""
    means, there = _subwindow_means(padded, known, radius)
    away = np.where(there, np.abs(means - means[1, 1]), np.inf)
    steepest = np.zeros(means.shape[2:])
    side = np.zeros(means.shape[2:], np.int8)
    for number, (down, right) in enumerate(_EDGES):
        gradient = np.abs(_gradient(means, down, right))
        after = away[1 + down, 1 + right] < away[1 - down, 1 - right]
        side = np.where(gradient > steepest, 1 + 2 * number + after, side).astype(np.int8)
        steepest = np.maximum(gradient, steepest)
    return side


def _gradient(means: NDArray[np.float64], down: int, right: int) -> NDArray[np.float64]:
    """The three subwindows after an edge less the three before it."""
    places = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    after = [means[1 + i, 1 + j] for i, j in places if down * i + right * j > 0]
    before = [means[1 + i, 1 + j] for i, j in places if down * i + right * j < 0]
    return (after[0] + after[1] + after[2]) - (before[0] + before[1] + before[2])
