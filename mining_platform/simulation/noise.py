"""Seeded random fields without a visible lattice: white noise shaped in the frequency domain."""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

Floats = NDArray[np.float32]
Gain = Callable[[Floats], Floats]
"""Amplitude by frequency in cycles per wavelength asked for."""


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator that depends on the seed and the names alone, not on the order of calls."""
    digest = hashlib.sha256("\x1f".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _shaped(shape: tuple[int, int], rng: np.random.Generator, gain: Gain, longest_px: float) -> Floats:
    rows, columns = (fft.next_fast_len(size + 8, real=True) for size in shape)
    spectrum = fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32))
    k = np.hypot(fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None, :]).astype(np.float32)
    spectrum *= gain(k * np.float32(longest_px))
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(rows, columns))[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), dtype=np.float32)


def rough(shape: tuple[int, int], rng: np.random.Generator, longest_px: float, power: float = 1.7) -> Floats:
    """Self-similar field up to a wavelength: (y, x) float32, mean 0, deviation 1.

    Amplitude falls as (1 + (k * longest_px)^2)^(-power / 2), the von Karman form used for terrain and clouds.
    """
    return _shaped(shape, rng, lambda k: (1 + k * k) ** np.float32(-power / 2), longest_px)


def blobs(shape: tuple[int, int], rng: np.random.Generator, wavelength_px: float, width: float = 0.35) -> Floats:
    """Band-passed field of roundish spots about `wavelength_px` apart: (y, x) float32, mean 0, deviation 1."""
    return _shaped(shape, rng, lambda k: np.exp(-0.5 * (np.log(k + 1e-6) / width) ** 2), wavelength_px)


def enlarge(field: Floats, shape: tuple[int, int]) -> Floats:
    """A field at another pixel count over the same ground, bicubic: (h, w) to (y, x) float32."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32)).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def coarse_rough(
    shape: tuple[int, int], rng: np.random.Generator, longest_px: float, step: int = 6, power: float = 1.9
) -> Floats:
    """`rough` made at every `step`-th pixel and enlarged: quick where wavelengths are long."""
    small = (-(-shape[0] // step), -(-shape[1] // step))
    return enlarge(rough(small, rng, longest_px / step, power), shape)
