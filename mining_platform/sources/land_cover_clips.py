"""What all sources of land-cover maps share: a map is cut around a region on its own pixels and written as a COG."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.warp import transform_geom
from rasterio.windows import Window
from shapely.geometry import mapping, shape

from mining_platform.labels.mapbiomas import LEGEND, SIMULATED_MARK
from mining_platform.regions import LandCover, Region
from mining_platform.sources.protocol import SourceError, refusal

BLOCK_PX = 256  # block size of the public files
_STRIP_ROWS = 8 * BLOCK_PX
_OUTLINE_STEP_DEGREES = 0.05  # edges are cut this fine before projecting, so that curved ones stay inside


@dataclass(frozen=True)
class MapGrid:
    """The pixels of a whole map."""

    crs: CRS | None
    affine: Affine
    width: int
    height: int
    nodata: float | None
    """Class code that stands for no class."""


@dataclass(frozen=True)
class Clip:
    """The part of a map around a region."""

    grid: MapGrid
    window: Window

    @property
    def affine(self) -> Affine:
        """From the clip's pixels to the map's CRS."""
        return self.grid.affine * Affine.translation(self.window.col_off, self.window.row_off)

    @property
    def geobox(self) -> GeoBox:
        """The clip's pixels."""
        return GeoBox((self.window.height, self.window.width), self.affine, self.grid.crs)


def declared_map(region: Region, year: int) -> LandCover:
    """The region's map; SourceError for a region without one and a year outside the collection."""
    cover = region.land_cover
    if cover is None:
        remedy = "Its windows come from points or polygons; or name a land_cover in the region file."
        raise refusal(region, year, "none", "the region has no land-cover map", remedy)
    if not cover.years[0] <= year <= cover.years[1]:
        remedy = f"Ask for a year from {cover.years[0]} to {cover.years[1]}, or name another collection in the region file."
        raise refuse_map(region, cover, year, "the year lies outside the collection", remedy)
    return cover


def refuse_map(region: Region, cover: LandCover, year: int, problem: str, remedy: str) -> SourceError:
    """The error of a map."""
    source = f"{cover.source} collection {cover.collection} ({cover.years[0]} to {cover.years[1]})"
    return refusal(region, year, source, problem, remedy)


def map_identity(cover: LandCover, year: int) -> dict[str, Any]:
    """Source, collection, place as the region file writes it, band, year, whether simulated."""
    return {
        "source": cover.source,
        "collection": cover.collection,
        "href": cover.href,
        "band": cover.band_of(year),
        "year": year,
        "simulated": cover.simulated,
    }


def clip_around(region: Region, cover: LandCover, year: int, grid: MapGrid) -> Clip:
    """Whole pixels of the map that the outline's bounds touch, taken in the map's CRS and cut to the map.

    SourceError for a map without CRS, one that is rotated or not north-up, and one that does not touch the region.
    """
    if grid.crs is None:
        raise refuse_map(region, cover, year, "the raster has no CRS", "Write one with gdal_edit.py -a_srs.")
    affine = grid.affine
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise refuse_map(region, cover, year, "the raster is rotated or not north-up", "Warp it with gdalwarp first.")
    dense = mapping(region.geometry.segmentize(_OUTLINE_STEP_DEGREES))
    west, south, east, north = shape(transform_geom("EPSG:4326", grid.crs, dense)).bounds
    col0, row0 = (math.floor(value + 1e-6) for value in ~affine * (west, north))
    col1, row1 = (math.ceil(value - 1e-6) for value in ~affine * (east, south))
    col0, row0 = max(col0, 0), max(row0, 0)
    col1, row1 = min(col1, grid.width), min(row1, grid.height)
    if col1 <= col0 or row1 <= row0:
        remedy = "Mend the outline or name another map."
        raise refuse_map(region, cover, year, "the map does not touch the region's outline", remedy)
    return Clip(grid, Window(col0, row0, col1 - col0, row1 - row0))


def strips(clip: Clip) -> Iterator[Window]:
    """Full-width parts of a clip, in its own pixels."""
    for row in range(0, clip.window.height, _STRIP_ROWS):
        yield Window(0, row, clip.window.width, min(_STRIP_ROWS, clip.window.height - row))


def write_clip(
    clip: Clip, parts: Iterable[Window], read: Callable[[Window], NDArray[np.uint8]], path: Path, description: str
) -> NDArray[np.int64]:
    """Write a clip part by part, then as a COG with the legend's colours; returns pixel counts per code (256,).

    `parts` tile the clip, in its own pixels; `read` gives the (y, x) class codes of one.
    """
    plain = path.with_suffix(".plain.tif")
    counts = np.zeros(256, np.int64)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": clip.grid.crs, "nodata": clip.grid.nodata}
    tiles = {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "LZW", "BIGTIFF": "IF_SAFER"}
    shape_px = {"width": clip.window.width, "height": clip.window.height}
    try:
        with rasterio.open(plain, "w", **profile, **tiles, **shape_px, transform=clip.affine) as raster:
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=description)
            raster.write_colormap(1, {code: (*row.rgb, 255) for code, row in LEGEND.items()})
            for part in parts:
                pixels = read(part)
                counts += np.bincount(pixels.ravel(), minlength=256)
                raster.write(pixels, 1, window=part)
        options = {"BLOCKSIZE": str(BLOCK_PX), "COMPRESS": "LZW", "OVERVIEW_RESAMPLING": "NEAREST"}
        rasterio.shutil.copy(plain, path, driver="COG", **options)
    finally:
        plain.unlink(missing_ok=True)
    return counts


def map_description(cover: LandCover, year: int, *, simulated: bool) -> str:
    """What the file says of itself."""
    mark = f"{SIMULATED_MARK}. " if simulated else ""
    return f"{mark}Land cover {year}, MapBiomas legend, {cover.source} collection {cover.collection}"


def clip_facts(clip: Clip, counts: NDArray[np.int64], cover: LandCover, year: int) -> dict[str, Any]:
    """Facts of a clip's content, see `mapbiomas.read_land_cover`."""
    nodata = clip.grid.nodata
    return {
        "collection": cover.collection,
        "year": year,
        "band": cover.band_of(year),
        "class_pixels": {str(code): int(counts[code]) for code in np.flatnonzero(counts)},
        "pixels": int(counts.sum()),
        "width": int(clip.window.width),
        "height": int(clip.window.height),
        "nodata": None if nodata is None else int(nodata),
        "nodata_pixels": 0 if nodata is None else int(counts[int(nodata)]),
        "crs": clip.grid.crs.to_string() if clip.grid.crs else None,
        "resolution": [abs(clip.grid.affine.a), abs(clip.grid.affine.e)],
    }
