"""Scores of windows that overlap -> one map, kept in files so that a map of any size needs no memory.

Cells of the map are squares of `cell_px` pixels: half a window for models that score whole windows, a pixel for those that
score pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.chunks import CHUNK_PX
from mining_platform.stack_tiles import WindowLattice


@dataclass(frozen=True)
class ScoreMap:
    """Sums over the windows so far."""

    geobox: GeoBox
    """Of the cells."""
    cell_px: int
    sums: NDArray[np.float32]
    """(y, x) weight x score."""
    weights: NDArray[np.float32]
    """(y, x)"""
    has_data: NDArray[np.bool_]
    """(y, x): a pixel of the cell has data."""


def new_map(geobox: GeoBox, lattice: WindowLattice, folder: Path, *, by_pixel: bool) -> ScoreMap:
    """An empty map over a grid, in files in `folder`: 9 bytes a cell.

    Its cells begin at the grid's upper left corner; the last ones may reach beyond the grid by less than a cell.
    """
    cell_px = 1 if by_pixel else lattice.step_px
    height, width = (-(-size // cell_px) for size in geobox.shape)
    cells = GeoBox((height, width), geobox.affine * Affine.scale(cell_px), geobox.crs)
    sums, weights = (np.memmap(folder / name, np.float32, "w+", shape=(height, width)) for name in ("sums", "weights"))
    has_data = np.memmap(folder / "has_data", np.bool_, "w+", shape=(height, width))
    return ScoreMap(cells, cell_px, sums, weights, has_data)


def add_window(scored: ScoreMap, corner: tuple[int, int], score: NDArray[np.floating], has_data: NDArray[np.bool_]) -> None:
    """Add a window's score, () or (px, px), whose upper left pixel on the grid is `corner`; `has_data` (px, px).

    A window's one score counts in its four cells with a weight of its pixels that have data. Scores of pixels count with a tent:
    1 - |distance from the middle| / (px / 2) along each axis, so that windows at half-overlap add up to 1 and seams vanish.
    """
    px, cell = len(has_data), scored.cell_px
    row, column = (position // cell for position in corner)
    cells = px // cell
    part = np.s_[row : row + cells, column : column + cells]
    height, width = scored.sums[part].shape
    weight = np.float32(has_data.mean()) if not score.ndim else _tent(px)[:height, :width]
    squares = has_data[: cells * cell, : cells * cell].reshape(cells, cell, cells, cell)
    told = np.asarray(squares.any(axis=(1, 3)))[:height, :width]
    scored.sums[part] += weight * (score[:height, :width] if score.ndim else score)
    scored.weights[part] += weight
    scored.has_data[part] |= told


def _tent(px: int) -> NDArray[np.float32]:
    """(px, px) weights in (0, 1]."""
    along = 1 - np.abs(np.arange(px) + 0.5 - px / 2) / (px / 2)
    return np.outer(along, along).astype(np.float32)


def blocks_of_map(scored: ScoreMap) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32]]]:
    """Rows and columns of parts of the map, and their mean scores (y, x) float32, NaN where no pixel of a cell has data."""
    height, width = scored.geobox.shape
    for top in range(0, height, CHUNK_PX):
        for left in range(0, width, CHUNK_PX):
            part = slice(top, min(top + CHUNK_PX, height)), slice(left, min(left + CHUNK_PX, width))
            known = np.asarray(scored.has_data[part]) & (np.asarray(scored.weights[part]) > 0)
            mean = np.full(known.shape, np.nan, np.float32)
            np.divide(scored.sums[part], scored.weights[part], out=mean, where=known)
            yield part, mean
