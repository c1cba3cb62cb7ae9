"""What lies beside a mosaic on the region's grid: radar, height, OpenStreetMap context, in the mosaic's chunks.

`<layer>.zarr` is a Zarr v3 group with `image` (band, y, x) uint16, numbers of `bands.stored_as` (0 = no data), and the pixel
centres `x` and `y` in metres. Files and pieces are those of a mosaic; chunks that were not asked for do not exist, and
reading them is an error.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands, zarr_arrays
from mining_platform.chunks import (
    CHUNK_PX,
    INNER_PX,
    Block,
    block_slices,
    checked_blocks,
    geobox_of,
    grid_attributes,
    window_slices,
)

Compute = Callable[[GeoBox], NDArray[np.floating]]
"""Values of the layer's channels on a part of the grid: (band, y, x) in each channel's unit, NaN where there are none."""


@dataclass(frozen=True)
class Layer:
    """A layer open for reading."""

    geobox: GeoBox
    channels: tuple[str, ...]
    image: ts.TensorStore
    """(band, y, x) uint16."""
    simulated: bool


def layer_name(layer: str) -> str:
    """Name of a layer's Zarr folder in its artifact."""
    return f"{layer}.zarr"


def create_axes(path: Path, geobox: GeoBox) -> None:
    """Write the pixel centres `x` and `y` of a grid, in metres, float64."""
    for name, coordinates in geobox.coordinates.items():
        size = len(coordinates.values)
        axis = zarr_arrays.create_array(
            path / name, shape=(size,), dtype=np.float64, chunks=(size,), dimension_names=(name,), attributes={"units": "m"}
        )
        zarr_arrays.write_box(axis, (0,), np.asarray(coordinates.values, np.float64))


def create_image(path: Path, geobox: GeoBox, channels: Sequence[str], attributes: dict[str, Any]) -> ts.TensorStore:
    """An `image` (band, y, x) uint16 on a grid, all bands of a chunk in one file, each band in pieces of its own."""
    return zarr_arrays.create_array(
        path / "image",
        shape=(len(channels), *geobox.shape),
        dtype=np.uint16,
        chunks=(1, INNER_PX, INNER_PX),
        shards=(len(channels), CHUNK_PX, CHUNK_PX),
        dimension_names=("band", "y", "x"),
        attributes=attributes,
    )


def write_layer(
    path: Path,
    geobox: GeoBox,
    channels: Sequence[str],
    compute: Compute,
    *,
    blocks: Iterable[Sequence[int]] | None,
    simulated: bool,
    threads: int = 1,
) -> dict[str, Any]:
    """Write a layer chunk by chunk; `blocks` (row, column of chunks) None means the whole grid.

    Memory holds `threads` chunks and what computing them takes. Returns facts: channels, computed_chunks, computed_pixels,
    void_share (channel -> share of the computed pixels without data), simulated. Raises what `compute` does, and ValueError where
    it gives another shape.
    """
    wanted = checked_blocks(geobox, blocks)
    rows = [bands.described(channel) for channel in channels]
    create_axes(path, geobox)
    image = create_image(path, geobox, channels, {"channels": list(channels)})

    def write(block: Sequence[int]) -> NDArray[np.int64]:
        part = block_slices(geobox, (block[0], block[1]))
        box = geobox[part]
        values = compute(box)
        if values.shape != (len(channels), *box.shape):
            raise ValueError(f"{path.name}: {values.shape} values came for {len(channels)} channels on a grid of {box.shape}.")
        numbers = np.stack([bands.as_stored(channel, each) for channel, each in zip(channels, values, strict=True)])
        zarr_arrays.write_box(image, (0, part[0].start, part[1].start), numbers)
        return np.array([numbers[0].size, *(numbers == bands.S2_NODATA).sum(axis=(1, 2))], np.int64)

    with ThreadPoolExecutor(threads) as pool:
        try:
            counts = sum(pool.map(write, wanted), np.zeros(len(channels) + 1, np.int64))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    zarr_arrays.create_group(path, {**grid_attributes(geobox), "channels": list(channels), "bands": rows, "simulated": simulated})
    pixels = int(counts[0])
    return {
        "channels": list(channels),
        "computed_chunks": [list(block) for block in wanted],
        "computed_pixels": pixels,
        "void_share": {name: float(void / pixels) if pixels else 0.0 for name, void in zip(channels, counts[1:], strict=True)},
        "simulated": simulated,
    }


def open_layer(path: Path) -> Layer:
    """Open a layer for reading; ArrayError where it is absent or damaged."""
    attributes = zarr_arrays.group_attributes(path)
    image = zarr_arrays.open_array(path / "image")
    return Layer(geobox_of(attributes), tuple(attributes["channels"]), image, bool(attributes["simulated"]))


def read_layer(layer: Layer | Path, bounds: Sequence[float]) -> NDArray[np.uint16]:
    """Numbers (band, y, x) of the pixels in bounds (minx, miny, maxx, maxy, metres); raises as mosaic_arrays.read_window."""
    opened = open_layer(layer) if isinstance(layer, Path) else layer
    rows, columns = window_slices(opened.geobox, bounds)
    return zarr_arrays.read_box(opened.image, (slice(0, len(opened.channels)), rows, columns))


def computed_blocks(path: Path) -> list[Block]:
    """Chunks of a `<layer>.zarr` that have been computed, sorted."""
    return [(index[1], index[2]) for index in zarr_arrays.written_files(path / "image")]
