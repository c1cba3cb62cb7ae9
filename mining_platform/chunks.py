"""The square chunks of a region's grid: which there are, which a window touches, and how a grid is written in Zarr attributes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

CHUNK_PX = 512
"""Side of a chunk of a region's rasters: the unit that is computed, and one file."""

INNER_PX = 256
"""Side of the pieces within the file that are read and checked by themselves."""

_LATTICE_TOLERANCE_PX = 1e-6

Block = tuple[int, int]
"""Row and column of a chunk, from the grid's upper left corner."""


def all_blocks(geobox: GeoBox) -> list[Block]:
    """Every chunk of a grid, row by row."""
    rows, columns = (-(-size // CHUNK_PX) for size in geobox.shape)
    return [(i, j) for i in range(rows) for j in range(columns)]


def checked_blocks(geobox: GeoBox, blocks: Iterable[Sequence[int]] | None) -> list[Block]:
    """Chunks sorted and once each; None means all; ValueError naming those outside the grid."""
    everything = all_blocks(geobox)
    if blocks is None:
        return everything
    wanted = {(int(i), int(j)) for i, j in blocks}
    outside = sorted(wanted - set(everything))
    if outside:
        raise ValueError(f"Chunks {outside} lie outside the grid of {geobox.shape} pixels; take them from blocks_of_windows.")
    return sorted(wanted)


def block_slices(geobox: GeoBox, block: Block) -> tuple[slice, slice]:
    """Rows and columns of the grid that a chunk covers; the last chunks are cut at the grid's edge."""
    (height, width), (i, j) = geobox.shape, block
    rows = slice(i * CHUNK_PX, min((i + 1) * CHUNK_PX, height))
    return rows, slice(j * CHUNK_PX, min((j + 1) * CHUNK_PX, width))


def window_slices(geobox: GeoBox, bounds: Sequence[float]) -> tuple[slice, slice]:
    """Rows and columns of a window (minx, miny, maxx, maxy in metres of the grid's CRS).

    ValueError where its edges are off the pixel lattice or it leaves the grid.
    """
    minx, miny, maxx, maxy = bounds
    left, top = ~geobox.affine * (minx, maxy)
    right, bottom = ~geobox.affine * (maxx, miny)
    edges = [round(value) for value in (top, bottom, left, right)]
    if any(abs(value - edge) > _LATTICE_TOLERANCE_PX for value, edge in zip((top, bottom, left, right), edges, strict=True)):
        raise ValueError(f"Window {tuple(bounds)} is off the pixel lattice of {geobox.crs}; snap it to whole pixels.")
    height, width = geobox.shape
    if not (0 <= edges[0] < edges[1] <= height and 0 <= edges[2] < edges[3] <= width):
        raise ValueError(f"Window {tuple(bounds)} leaves the grid {tuple(geobox.boundingbox)} of {geobox.crs}; drop it.")
    return slice(edges[0], edges[1]), slice(edges[2], edges[3])


def blocks_of_windows(geobox: GeoBox, bounds: Iterable[Sequence[float]]) -> list[Block]:
    """Chunks that windows touch, sorted; bounds as in `window_slices`, which also says what raises."""
    touched: set[Block] = set()
    for window in bounds:
        rows, columns = (range(part.start // CHUNK_PX, -(-part.stop // CHUNK_PX)) for part in window_slices(geobox, window))
        touched.update((i, j) for i in rows for j in columns)
    return sorted(touched)


def grid_attributes(geobox: GeoBox) -> dict[str, Any]:
    """JSON-able description of a grid: epsg, affine (a, b, c, d, e, f of column, row -> x, y) and shape (y, x)."""
    epsg = geobox.crs.epsg if geobox.crs else None
    return {"epsg": epsg, "affine": list(geobox.affine)[:6], "shape": list(geobox.shape)}


def geobox_of(attributes: Mapping[str, Any]) -> GeoBox:
    """The grid that `grid_attributes` described."""
    height, width = attributes["shape"]
    return GeoBox((height, width), Affine(*attributes["affine"]), CRS(f"EPSG:{attributes['epsg']}"))
