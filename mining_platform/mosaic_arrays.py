"""The arrays of a mosaic: made, opened, and read by windows of the ground.

`mosaic.zarr` is a Zarr v3 group with `image` (band, y, x) uint16 digital numbers (reflectance = 1e-4 x DN, offset
removed; of other channels as the attribute `bands` says; 0 = no clear observation), `clear_count` and `observed_count` (y, x)
uint16, clear days and days with data, and the pixel centres `x` and `y` in metres. A file holds one chunk of 512 x 512 pixels
with all bands, in pieces of 1 x 256 x 256 that are read and checked by themselves; chunks that were not asked for do not exist,
and reading them is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands, zarr_arrays
from mining_platform.chunks import CHUNK_PX, INNER_PX, Block, geobox_of, grid_attributes, window_slices
from mining_platform.layers import create_axes, create_image
from mining_platform.patch_conventions import quantity_of

MOSAIC_NAME = "mosaic.zarr"
ARRAY_RANKS = {"image": 3, "clear_count": 2, "observed_count": 2}
AXES = ("y", "x")


@dataclass(frozen=True)
class Mosaic:
    """A mosaic open for reading or writing."""

    geobox: GeoBox
    channels: tuple[str, ...]
    image: ts.TensorStore
    """(band, y, x) uint16."""
    clear_count: ts.TensorStore
    """(y, x) uint16."""
    observed_count: ts.TensorStore
    """(y, x) uint16."""
    simulated: bool


def create_mosaic(path: Path, geobox: GeoBox, channels: tuple[str, ...], made_of: str, *, simulated: bool) -> Mosaic:
    """An empty `mosaic.zarr`, open for writing; `made_of` is a digest of what it is made of."""
    unit, scale, offset = quantity_of(channels)
    described = {"channels": list(channels), "scale": scale, "offset": offset, "nodata": bands.S2_NODATA}
    create_axes(path, geobox)
    image = create_image(path, geobox, channels, described)
    clear_count, observed_count = (
        zarr_arrays.create_array(
            path / name,
            shape=geobox.shape,
            dtype=np.uint16,
            chunks=(INNER_PX, INNER_PX),
            shards=(CHUNK_PX, CHUNK_PX),
            dimension_names=("y", "x"),
            attributes={"units": "solar days"},
        )
        for name in ("clear_count", "observed_count")
    )
    rows = [bands.described(channel) for channel in channels]
    made = {"simulated": simulated, "made_of": made_of}
    attributes = {**grid_attributes(geobox), **described, "unit": unit, "bands": rows, **made}
    zarr_arrays.create_group(path, attributes)  # last: a group that exists has all its arrays
    return Mosaic(geobox, channels, image, clear_count, observed_count, simulated)


def open_mosaic(path: Path) -> Mosaic:
    """Open `mosaic.zarr` for reading; ArrayError where it is absent or damaged."""
    attributes = zarr_arrays.group_attributes(path)
    image, clear, observed = (zarr_arrays.open_array(path / name) for name in ("image", "clear_count", "observed_count"))
    return Mosaic(geobox_of(attributes), tuple(attributes["channels"]), image, clear, observed, bool(attributes["simulated"]))


def computed_blocks(path: Path) -> list[Block]:
    """Chunks of a `mosaic.zarr` that have been composed, sorted."""
    return [(index[0], index[1]) for index in zarr_arrays.written_files(path / "clear_count")]


def read_window(mosaic: Mosaic | Path, bounds: Sequence[float]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Image (band, y, x) and clear days (y, x) of exactly the pixels in bounds (minx, miny, maxx, maxy, metres).

    ValueError for bounds off the lattice or outside the grid; ArrayError where a chunk was not composed.
    """
    opened = open_mosaic(mosaic) if isinstance(mosaic, Path) else mosaic
    rows, columns = window_slices(opened.geobox, bounds)
    image = zarr_arrays.read_box(opened.image, (slice(0, len(opened.channels)), rows, columns))
    return image, read_clear_count(opened, bounds)


def read_clear_count(mosaic: Mosaic, bounds: Sequence[float]) -> NDArray[np.uint16]:
    """Clear days (y, x) in bounds; raises as `read_window`."""
    return zarr_arrays.read_box(mosaic.clear_count, window_slices(mosaic.geobox, bounds))
