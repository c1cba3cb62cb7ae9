"""What a picture looks like in 64 bits, and how alike two pictures are.

Follows the DCT hash of pHash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, Upper Austria
University of Applied Sciences, 2010. The plane that fits a picture best is taken away first, so that brightness, contrast and a
slant of the light change nothing; the bits are of the 64 lowest frequencies.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

THUMBNAIL_PX = 32  # side on which pHash is computed
HASH_BITS = 64  # half of them set, so that hashes differ in an even number
FLAT_SHARE = 0.005  # of a picture's mean level: with less standard deviation around a plane a picture shows nothing

MIN_SEEN = 0.5  # share of a picture's cells that must have a value


def thumbnails(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, y, x) grey levels, NaN where nothing was seen -> (n, 32, 32) means over equal cells, whatever the size.

    Cells without a value are NaN.
    """
    rows, columns = (_cells(size) for size in images.shape[1:])
    seen = np.isfinite(images)
    weights = rows @ seen.astype(np.float32) @ columns.T
    sums = rows @ np.where(seen, images, 0).astype(np.float32) @ columns.T
    return np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)


@lru_cache(maxsize=16)
def _cells(size: int) -> NDArray[np.float32]:
    """(32, size) share of each of `size` pixels in each of 32 equal cells."""
    edges = np.linspace(0, size, THUMBNAIL_PX + 1)
    pixel = np.arange(size)
    inner = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.maximum(inner, 0).astype(np.float32)


def patterns(thumbnail: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n, 32, 32) thumbnails -> the same less their plane, with unit length; and (n,) whether each shows something.

    The sum of products of two patterns is their correlation. Flat pictures, and those of which most was not seen, are zero.
    """
    flat = thumbnail.reshape(len(thumbnail), -1).astype(np.float64)
    seen = np.isfinite(flat)
    level = np.where(seen, flat, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    flat = np.where(seen, flat, level[:, None])
    plane = _plane()
    rest = flat - flat @ plane @ plane.T
    shows = (seen.mean(axis=1) >= MIN_SEEN) & (rest.std(axis=1) > FLAT_SHARE * np.abs(level))
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    rest = np.divide(rest, length, out=np.zeros_like(rest), where=shows[:, None] & (length > 0))
    return rest.reshape(thumbnail.shape).astype(np.float32), shows


@lru_cache(maxsize=1)
def _plane() -> NDArray[np.float64]:
    """(1024, 3) orthonormal base of the planes over a thumbnail."""
    y, x = np.indices((THUMBNAIL_PX, THUMBNAIL_PX)).reshape(2, -1)
    return np.linalg.qr(np.column_stack([np.ones(len(x)), x, y]).astype(np.float64))[0]


def hashes(pattern: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(n,) 64-bit hashes of patterns (n, 32, 32): whether each low frequency is above the median of them."""
    waves, frequencies = _cosines(), _low_frequencies()
    spectra = waves @ pattern @ waves.T
    low = spectra[:, frequencies[:, 0], frequencies[:, 1]]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64).ravel()


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """(32, 32) waves of the discrete cosine transform of type II."""
    k, x = np.arange(THUMBNAIL_PX)[:, None], np.arange(THUMBNAIL_PX)
    waves = np.sqrt(2 / THUMBNAIL_PX) * np.cos(np.pi * k * (2 * x + 1) / (2 * THUMBNAIL_PX))
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, dtype=np.float32)


@lru_cache(maxsize=1)
def _low_frequencies() -> NDArray[np.int64]:
    """(64, 2) the lowest frequencies after the mean, by their sum, then by row."""
    pairs = sorted(((v, u) for v in range(THUMBNAIL_PX) for u in range(THUMBNAIL_PX)), key=lambda pair: (sum(pair), pair))
    return np.array(pairs[1 : HASH_BITS + 1], dtype=np.int64)
