"""Bands that are computed only when pixels of a grid are asked for, and how one grid is read on another.

Earth Engine computes in the projection of the output: inputs are requested there, nearest neighbour unless `resample`
says otherwise (https://developers.google.com/earth-engine/guides/projections, .../guides/resample, .../guides/scale).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from tests.earth_engine.archive import FakeBand
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Grid, Projection, on_lattice, positions

MAX_WINDOW_PX = 20_000  # a side; Earth Engine refuses far larger reprojections
PYRAMID_STEP = 2 - 1e-6  # from this many native pixels a step, Earth Engine reads the next level of the pyramid


class Pixels(NamedTuple):
    """Pixels of a grid: (y, x) values and (y, x) mask, True where valid."""

    values: NDArray[Any]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Band:
    """A band of an image in a graph."""

    name: str
    dtype: np.dtype
    projection: Projection | None
    """Its default projection; None for composites and constants."""
    compute: Callable[[Grid], Pixels]
    known: dict[Grid, Pixels] = field(default_factory=dict)
    """Pixels computed before in the same request."""

    def on(self, grid: Grid) -> Pixels:
        """Its pixels on a grid."""
        if grid not in self.known:
            values, valid = self.compute(grid)
            shape = (grid.height, grid.width)
            self.known[grid] = Pixels(
                np.broadcast_to(values, shape).astype(self.dtype, copy=False), np.broadcast_to(valid, shape)
            )
        return self.known[grid]

    def named(self, name: str) -> "Band":
        """The same pixels under another name."""
        return Band(name, self.dtype, self.projection, self.on)

    def made(self, compute: Callable[[Grid], Pixels], dtype: np.dtype | None = None) -> "Band":
        """Other pixels under the same name and projection."""
        return Band(self.name, dtype or self.dtype, self.projection, compute)


def band_of(source: FakeBand) -> Band:
    """A stored band, read nearest neighbour."""
    projection = Projection(source.crs, tuple(float(number) for number in source.transform))
    valid = np.ones(source.array.shape, bool) if source.valid is None else source.valid

    def read(grid: Grid) -> Pixels:
        _full_resolution(grid, projection, source.name)
        columns, rows = positions(grid, projection)
        return _gather(source.array, valid, columns, rows)

    return Band(source.name, source.array.dtype, projection, read)


def reprojected(band: Band, projection: Projection) -> Band:
    """`Image.reproject`: computed on the pixels of `projection`, then read nearest neighbour."""

    def read(grid: Grid) -> Pixels:
        if on_lattice(grid, projection):
            return band.on(grid)
        columns, rows = positions(grid, projection)
        window, left, top = _window(projection, columns, rows)
        pixels = band.on(window)
        return _gather(pixels.values, pixels.valid, columns - left, rows - top)

    return Band(band.name, band.dtype, projection, read)


def moved(band: Band, source: Projection, target: Projection) -> Band:
    """`Image.changeProj`: what is asked for at pixel coordinates of `target` is computed at those of `source`."""
    back = source.affine @ ~target.affine

    def placed(projection: Projection, crs: str, by: Affine) -> Projection:
        return Projection(crs, tuple(by @ projection.affine)[:6])

    def read(grid: Grid) -> Pixels:
        if grid.projection.crs != target.crs:
            raise RefusedError(
                f"Image.changeProj to {target.crs} but computed on {grid.projection.crs}: reproject the result first."
            )
        return band.on(replace(grid, projection=placed(grid.projection, source.crs, back)))

    old = band.projection
    projection = None if old is None or old.crs != source.crs else placed(old, target.crs, ~back)
    return Band(band.name, band.dtype, projection, read)


def bilinear(band: Band) -> Band:
    """`Image.resample`: computed on the band's own pixels, then interpolated where the grid asks for others.

    Double precision, between the centres of up to four pixels; an output pixel is masked where one of those that have
    a weight is masked (the documentation is silent; this is the narrowest reading, and a client that needs pixels at
    the rim of data has to read them otherwise).
    """
    projection = band.projection
    if projection is None:
        raise RefusedError("Image.resample: a composite has no meaningful default projection; resample its images instead.")

    def read(grid: Grid) -> Pixels:
        if on_lattice(grid, projection):
            return band.on(grid)
        _full_resolution(grid, projection, band.name)
        columns, rows = (np.broadcast_to(axis, (grid.height, grid.width)) for axis in positions(grid, projection))
        window, left, top = _window(projection, columns, rows)
        return _interpolated(band.on(window), columns - left - 0.5, rows - top - 0.5)

    return Band(band.name, np.dtype(np.float64), projection, read)


def _full_resolution(grid: Grid, projection: Projection, name: str) -> None:
    """Earth Engine reads coarse grids from an image pyramid, which is not kept here."""
    columns, rows = np.broadcast_arrays(*positions(Grid(grid.projection, 2, 2), projection))
    step = max(math.dist((columns[0, 0], rows[0, 0]), (columns[i, j], rows[i, j])) for i, j in ((0, 1), (1, 0)))
    if step >= PYRAMID_STEP:
        raise RefusedError(
            f"Band {name} was asked for at {step:.3g} times the size of its pixels. Earth Engine would read a level of the "
            "image pyramid, which this stand-in does not keep: compute on the band's own pixels (reproject)."
        )


def _window(projection: Projection, columns: NDArray, rows: NDArray) -> tuple[Grid, int, int]:
    """Grid of the projection's pixels around positions, one more on each side, and its first column and row."""
    left, top = math.floor(columns.min()) - 1, math.floor(rows.min()) - 1
    width, height = math.floor(columns.max()) + 2 - left, math.floor(rows.max()) + 2 - top
    if max(width, height) > MAX_WINDOW_PX:
        raise RefusedError(f"Reprojection output too large ({width}x{height} pixels).")
    return replace(Grid(projection, 1, 1).shifted(left, top), width=width, height=height), left, top


def _gather(values: NDArray, valid: NDArray[np.bool_], columns: NDArray, rows: NDArray) -> Pixels:
    """The pixel under each position; masked outside the array."""
    height, width = values.shape
    j, i = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    within = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    i, j = np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)
    return Pixels(values[i, j], valid[i, j] & within)


def _interpolated(pixels: Pixels, columns: NDArray, rows: NDArray) -> Pixels:
    """Between pixel centres: positions count from the centre of the first pixel."""
    j, i = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    right, down = columns - j, rows - i
    total, valid = np.zeros(columns.shape), np.ones(columns.shape, bool)
    for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (down if di else 1 - down) * (right if dj else 1 - right)
        total += weight * np.where(weight > 0, pixels.values[i + di, j + dj], 0)
        valid &= (weight == 0) | pixels.valid[i + di, j + dj]
    return Pixels(total, valid)
