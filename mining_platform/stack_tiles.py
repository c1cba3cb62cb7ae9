"""A stack walked in tiles that overlap, each chunk decoded once, with memory for one row of a strip of chunks.

Windows lie at multiples of a step from the grid's upper left corner. A tile has all windows whose corners lie in one chunk, and
reaches into the chunks right of and below it as far as they do. Where there is no chunk, and beyond the grid, is nodata.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands, layers, mosaic_arrays
from mining_platform.chunks import CHUNK_PX, Block, block_slices
from mining_platform.stacks import Stack, channels_of_layer, read_stack

STRIP_CHUNKS = 16
"""Width of a strip, 82 km: chunks at the border of two strips are decoded twice."""


@dataclass(frozen=True)
class WindowLattice:
    """Square windows at multiples of a step, which cover a grid and may reach beyond its right and lower edges."""

    px: int
    step_px: int
    rows: int
    """Windows from top to bottom."""
    columns: int


@dataclass(frozen=True)
class Tile:
    """The windows whose corners lie in one chunk, and the pixels they cover."""

    row: int
    """Of the first window in the lattice."""
    column: int
    image: NDArray[np.uint16]
    """(band, y, x) from the first window's corner to the last one's end; 0 = no data."""
    has_data: NDArray[np.bool_]
    """(y, x): a clear observation, and every channel of a layer."""
    corners: NDArray[np.int64]
    """(m, 2) row and column of all windows in `image`, row by row."""


def half_overlapping(geobox: GeoBox, px: int) -> WindowLattice:
    """The fewest windows of `px` pixels at half-overlap that cover a grid."""
    step = px // 2
    rows, columns = (max(1, -(-size // step) - 1) for size in geobox.shape)
    return WindowLattice(px, step, rows, columns)


def computed_in_all(mosaic: Path, beside: Sequence[Path]) -> frozenset[Block]:
    """Chunks that a mosaic and every layer beside it have."""
    found = frozenset(mosaic_arrays.computed_blocks(mosaic))
    return found.intersection(*(layers.computed_blocks(layer) for layer in beside))


TileRow = tuple[int, int]
"""Tiles side by side in a strip: the first column of chunks of the strip, and the row of chunks that their corners lie in."""


def tile_rows(lattice: WindowLattice, computed: frozenset[Block]) -> Iterator[tuple[TileRow, frozenset[Block]]]:
    """Strip by strip and row by row, where tiles touch a computed chunk, and which chunks these touch."""
    down, across = (_windows_by_chunk(count, lattice.step_px) for count in (lattice.rows, lattice.columns))
    of_row: dict[int, list[int]] = {}
    for i, j in sorted(computed):
        of_row.setdefault(i, []).append(j)
    for start in range(0, len(across), STRIP_CHUNKS):
        columns = {j for windows in across[start : start + STRIP_CHUNKS] for j in _chunks(windows, lattice)}
        for i, rows in enumerate(down):
            touched = frozenset((k, j) for k in _chunks(rows, lattice) for j in of_row.get(k, ()) if j in columns)
            if touched:
                yield (start, i), touched


def tiles(stack: Stack, lattice: WindowLattice, computed: frozenset[Block], only: TileRow | None = None) -> Iterator[Tile]:
    """The tiles that touch a computed chunk, strip by strip and row by row, or of one row; raises as `stacks.read_stack`."""
    down, across = (_windows_by_chunk(count, lattice.step_px) for count in (lattice.rows, lattice.columns))
    decoded: dict[Block, tuple[NDArray[np.uint16], NDArray[np.bool_]]] = {}
    strip = -1
    for start, i in [row for row, _ in tile_rows(lattice, computed)] if only is None else [only]:
        decoded, strip = decoded if start == strip else {}, start
        for j, columns in list(enumerate(across))[start : start + STRIP_CHUNKS]:
            touched = [block for block in product(_chunks(down[i], lattice), _chunks(columns, lattice)) if block in computed]
            if len(down[i]) and len(columns) and touched:
                decoded |= {block: _read_chunk(stack, block) for block in touched if block not in decoded}
                yield _tile(lattice, down[i], columns, {block: decoded[block] for block in touched}, len(stack.channels))
            decoded = {block: chunk for block, chunk in decoded.items() if block > (i, j)}  # the only ones still needed


def _windows_by_chunk(count: int, step_px: int) -> list[range]:
    """Numbers of the windows whose corners lie in each chunk along an axis; none in some where windows are larger."""
    chunks = (count - 1) * step_px // CHUNK_PX + 1
    firsts = [min(count, -(-chunk * CHUNK_PX // step_px)) for chunk in range(chunks + 1)]
    return [range(first, last) for first, last in pairwise(firsts)]


def _chunks(windows: range, lattice: WindowLattice) -> range:
    """Chunks along an axis that windows touch."""
    if not windows:
        return range(0)
    start, stop = _span(windows, lattice)
    return range(start // CHUNK_PX, -(-stop // CHUNK_PX))


def _span(windows: range, lattice: WindowLattice) -> tuple[int, int]:
    """First pixel of the first window and the end of the last, along an axis."""
    return windows[0] * lattice.step_px, windows[-1] * lattice.step_px + lattice.px


def _read_chunk(stack: Stack, block: Block) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Image (band, y, x) and where it has data (y, x) of a chunk."""
    bounds = stack.mosaic.geobox[block_slices(stack.mosaic.geobox, block)].boundingbox.bbox
    image = read_stack(stack, bounds)
    beside = {channel for layer in stack.layers for channel in channels_of_layer(layer, stack.channels)}
    void = (image[[channel in beside for channel in stack.channels]] == bands.S2_NODATA).any(axis=0)
    return image, (mosaic_arrays.read_clear_count(stack.mosaic, bounds) > 0) & ~void


def _tile(
    lattice: WindowLattice,
    rows: range,
    columns: range,
    decoded: dict[Block, tuple[NDArray[np.uint16], NDArray[np.bool_]]],
    channels: int,
) -> Tile:
    (top, bottom), (left, right) = _span(rows, lattice), _span(columns, lattice)
    image = np.zeros((channels, bottom - top, right - left), np.uint16)
    has_data = np.zeros(image.shape[1:], bool)
    for (i, j), (values, data) in decoded.items():
        down, inside_down = _overlap(top, bottom, i, data.shape[0])
        over, inside_over = _overlap(left, right, j, data.shape[1])
        image[:, down, over] = values[:, inside_down, inside_over]
        has_data[down, over] = data[inside_down, inside_over]
    corners = np.array([(i - rows[0], j - columns[0]) for i, j in product(rows, columns)], np.int64) * lattice.step_px
    return Tile(rows[0], columns[0], image, has_data, corners)


def _overlap(start: int, stop: int, chunk: int, size: int) -> tuple[slice, slice]:
    """Where a chunk of `size` pixels and the span from `start` to `stop` meet: in the span, and in the chunk."""
    first = chunk * CHUNK_PX
    low, high = max(start, first), max(start, first, min(stop, first + size))
    return slice(low - start, high - start), slice(low - first, high - first)
