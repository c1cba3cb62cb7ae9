"""Middle lines of a settlement's roads: the trunk road and its ribs, from the frame in which they are drawn as pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mining_platform.simulation.noise import Floats

_FRAME_STEP = 4
"""Every so many pixels of the frame are enough: it bends over hundreds of pixels."""
_POINT_STEP_PX = 6.0
_TURNS = 25
"""Repetitions of the search for a point by its place in the frame; a turn halves the distance at least."""
_NEAR_PX = 0.2


@dataclass(frozen=True)
class Rib:
    """A side road across the trunk road."""

    u_px: float
    """Where it crosses."""
    before_px: float
    after_px: float
    """Its lengths on the two sides, v < 0 and v > 0."""


@dataclass(frozen=True)
class RoadLine:
    """One road."""

    is_trunk: bool
    points: NDArray[np.float64]
    """(n, 2) x, y px of pixel corners, within the canvas."""


def road_lines(u: Floats, v: Floats, ribs: tuple[Rib, ...], rib_px: float) -> tuple[RoadLine, ...]:
    """Roads of a frame: (y, x) distance along the trunk road and, signed, from it; the trunk road is v = 0.

    A road that leaves the canvas and comes back is several lines. Ribs are `rib_px` apart.
    """
    reach = float(np.hypot(*u.shape)) + rib_px
    along = np.arange(-reach, reach, _POINT_STEP_PX)
    lines = [RoadLine(True, part) for part in _placed(u, v, np.column_stack([along, 0 * along]))]
    for rib in ribs:
        if abs(rib.u_px) < reach:
            off = np.arange(-rib.before_px, rib.after_px + _POINT_STEP_PX, _POINT_STEP_PX).clip(max=rib.after_px)
            lines += [RoadLine(False, part) for part in _placed(u, v, np.column_stack([0 * off + rib.u_px, off]))]
    return tuple(lines)


def _placed(u: Floats, v: Floats, wanted: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """(n, 2) x, y of places (u, v), in pieces that lie within the canvas."""
    coarse = np.stack([field[::_FRAME_STEP, ::_FRAME_STEP] for field in (u, v)]).astype(np.float64)
    back, origin = _plane(coarse)
    xy = (wanted - origin) @ back.T
    limit = np.array(u.shape[::-1], dtype=np.float64) - 1
    found = np.full_like(wanted, np.inf)
    for _ in range(_TURNS):
        at = np.clip(xy, 0, limit)[:, ::-1].T / _FRAME_STEP
        found = np.column_stack([ndimage.map_coordinates(field, at, order=1, mode="nearest") for field in coarse])
        outside = xy - np.clip(xy, 0, limit)
        xy = xy + (wanted - found - outside @ np.linalg.inv(back).T) @ back.T
    good = (np.abs(wanted - found).max(axis=1) < _NEAR_PX) & ((xy >= 0) & (xy <= limit)).all(axis=1)
    numbers, count = ndimage.label(good)
    pieces = [xy[numbers == number] + 0.5 for number in range(1, count + 1)]
    return [piece for piece in pieces if len(piece) > 1]


def _plane(coarse: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The frame without its bends: inverse of its slopes (2, 2), and (u, v) at pixel (0, 0), by least squares."""
    rows, columns = np.indices(coarse.shape[1:]).reshape(2, -1) * _FRAME_STEP
    design = np.column_stack([columns, rows, np.ones(columns.size)])
    fitted = np.linalg.lstsq(design, coarse.reshape(2, -1).T, rcond=None)[0]
    return np.linalg.inv(fitted[:2].T), fitted[2]
