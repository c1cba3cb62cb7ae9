"""The MapBiomas Brazil legend, and land-cover maps resampled onto a region's 10 m grid.

Codes and colours: MapBiomas Brazil, legend codes of Collection 8 (2023); code 75 was added in Collection 10 (2025).
https://brasil.mapbiomas.org/en/codigos-de-legenda
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import zarr_arrays
from mining_platform.chunks import (
    CHUNK_PX,
    INNER_PX,
    block_slices,
    checked_blocks,
    geobox_of,
    grid_attributes,
    window_slices,
)
from mining_platform.raster_files import opened_raster_file
from mining_platform.resampling import read_on_grid

LABEL_NAME = "label.zarr"

SIMULATED_MARK = "SIMULATED"
"""First word of the TIFF description of a simulated map."""

NO_CLASS_CODES = frozenset({0, 27})
"""Codes that say nothing about the ground: 0 outside the map, 27 not observed."""


@dataclass(frozen=True)
class LandCoverClass:
    """One class of the legend."""

    code: int
    """Pixel value."""
    name: str
    parent: int
    """Code of the level-1 class it belongs to; its own code at level 1."""
    colour: str
    """`#rrggbb` of the published palette."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue in 0..255."""
        return int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16)


LEGEND: dict[int, LandCoverClass] = {
    row.code: row
    for row in (
        LandCoverClass(1, "Forest", 1, "#32a65e"),
        LandCoverClass(3, "Forest formation", 1, "#1f8d49"),
        LandCoverClass(4, "Savanna formation", 1, "#7dc975"),
        LandCoverClass(5, "Mangrove", 1, "#04381d"),
        LandCoverClass(6, "Floodable forest", 1, "#026975"),
        LandCoverClass(49, "Wooded sandbank vegetation", 1, "#02d659"),
        LandCoverClass(10, "Natural non-forest formation", 10, "#ad975a"),
        LandCoverClass(11, "Wetland", 10, "#519799"),
        LandCoverClass(12, "Grassland", 10, "#d6bc74"),
        LandCoverClass(13, "Other natural non-forest formation", 10, "#d89f5c"),
        LandCoverClass(29, "Rocky outcrop", 10, "#ffaa5f"),
        LandCoverClass(32, "Hypersaline tidal flat", 10, "#fc8114"),
        LandCoverClass(50, "Herbaceous sandbank vegetation", 10, "#ad5100"),
        LandCoverClass(14, "Farming", 14, "#ffffb2"),
        LandCoverClass(9, "Forest plantation", 14, "#7a5900"),
        LandCoverClass(15, "Pasture", 14, "#edde8e"),
        LandCoverClass(18, "Agriculture", 14, "#e974ed"),
        LandCoverClass(19, "Temporary crop", 14, "#c27ba0"),
        LandCoverClass(20, "Sugar cane", 14, "#db7093"),
        LandCoverClass(21, "Mosaic of uses", 14, "#ffefc3"),
        LandCoverClass(35, "Palm oil", 14, "#9065d0"),
        LandCoverClass(36, "Perennial crop", 14, "#d082de"),
        LandCoverClass(39, "Soybean", 14, "#f5b3c8"),
        LandCoverClass(40, "Rice", 14, "#c71585"),
        LandCoverClass(41, "Other temporary crops", 14, "#f54ca9"),
        LandCoverClass(46, "Coffee", 14, "#d68fe2"),
        LandCoverClass(47, "Citrus", 14, "#9932cc"),
        LandCoverClass(48, "Other perennial crops", 14, "#e6ccff"),
        LandCoverClass(62, "Cotton", 14, "#ff69b4"),
        LandCoverClass(22, "Non-vegetated area", 22, "#d4271e"),
        LandCoverClass(23, "Beach, dune and sand spot", 22, "#ffa07a"),
        LandCoverClass(24, "Urban area", 22, "#d4271e"),
        LandCoverClass(25, "Other non-vegetated area", 22, "#db4d4f"),
        LandCoverClass(30, "Mining", 22, "#9c0027"),
        LandCoverClass(75, "Photovoltaic power plant", 22, "#c12100"),
        LandCoverClass(26, "Water", 26, "#0000ff"),
        LandCoverClass(31, "Aquaculture", 26, "#091077"),
        LandCoverClass(33, "River, lake and ocean", 26, "#2532e4"),
        LandCoverClass(27, "Not observed", 27, "#ffffff"),
    )
}


def label_on_grid(land_cover: Path, geobox: GeoBox, out: Path, *, blocks: Iterable[Sequence[int]] | None) -> dict[str, Any]:
    """Write `out/label.zarr`: group with `classes` (y, x) uint8, the class code under each 10 m pixel's centre.

    Nearest neighbour, never an average of codes; 0 outside the map and where it has no data. Files and `blocks` as in
    a mosaic (None: the whole grid). Returns facts: computed_chunks, computed_pixels, class_pixels (code -> 10 m pixels),
    simulated (as the raster's description says). ValueError for a raster without CRS or of another type than uint8.
    """
    wanted = checked_blocks(geobox, blocks)
    counts = np.zeros(256, np.int64)
    with opened_raster_file(land_cover) as source:
        if source.dtypes[0] != "uint8":
            raise ValueError(f"{land_cover} holds {source.dtypes[0]}, class codes are uint8. Name the land-cover raster.")
        simulated = source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)
        classes = _create(out / LABEL_NAME, geobox, simulated=simulated)
        for block in wanted:
            codes = read_on_grid(source, geobox[block_slices(geobox, block)], nearest=True)
            zarr_arrays.write_box(classes, (block[0] * CHUNK_PX, block[1] * CHUNK_PX), codes)
            counts += np.bincount(codes.ravel(), minlength=256)
    return {
        "computed_chunks": [list(block) for block in wanted],
        "computed_pixels": int(counts.sum()),
        "class_pixels": {str(code): int(counts[code]) for code in np.flatnonzero(counts)},
        "simulated": simulated,
    }


def _create(path: Path, geobox: GeoBox, *, simulated: bool) -> ts.TensorStore:
    zarr_arrays.create_group(path, {**grid_attributes(geobox), "simulated": simulated})
    return zarr_arrays.create_array(
        path / "classes",
        shape=geobox.shape,
        dtype=np.uint8,
        chunks=(INNER_PX, INNER_PX),
        shards=(CHUNK_PX, CHUNK_PX),
        dimension_names=("y", "x"),
        attributes={"no_class": sorted(NO_CLASS_CODES)},
    )


def read_classes(path: Path, bounds: Sequence[float]) -> NDArray[np.uint8]:
    """Class codes (y, x) of a `label.zarr` in bounds (minx, miny, maxx, maxy, metres); raises as `read_window` of mosaics."""
    rows, columns = window_slices(geobox_of(zarr_arrays.group_attributes(path)), bounds)
    return zarr_arrays.read_box(zarr_arrays.open_array(path / "classes"), (rows, columns))
