"""Yearly MapBiomas land-cover maps from an Earth Engine asset whose bands are named by year.

E.g. `projects/mapbiomas-public/assets/brazil/lulc/collection10/mapbiomas_brazil_collection10_integration_v2`, bands
`classification_{year}` (MapBiomas, CC BY 4.0).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.windows import Window

from mining_platform.regions import LandCover, Region
from mining_platform.sources.earth_engine_api.requests import asset, bytes_per_px, read_pixels, request_boxes, workload_tag
from mining_platform.sources.earth_engine_api.session import EarthEngineError, ask
from mining_platform.sources.land_cover_clips import (
    Clip,
    MapGrid,
    clip_around,
    clip_facts,
    declared_map,
    map_description,
    map_identity,
    refuse_map,
    write_clip,
)
from mining_platform.sources.protocol import LAND_COVER_FILE, Cost

NODATA = 0
"""What masked pixels are written as: a code that the legend does not have."""
EECU_S_PER_GIGAPIXEL = 20.0
"""Compute unit seconds to read 10^9 pixels: a rough guide that was not measured, 50 MB decoded a second."""

_BAND = "classification"
_DTYPE = np.uint8
_LARGEST_CODE = 255


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """Clip the year's band to the outline's bounds on the asset's own pixels, written as `out/land_cover.tif`.

    Bounds, file and facts are those of `mapbiomas.read_land_cover`; masked pixels are NODATA. Raises SourceError for a
    region without a map, a year outside the collection, a missing asset or band, one without class codes of 8 bits, a map
    that does not touch the region, and where the service does not answer.
    """
    cover = declared_map(region, year)
    with _told(region, cover, year):
        found = asset(cover.file_of(year))
        band = _band(region, cover, year, found)
        clip = clip_around(region, cover, year, _grid(region, cover, year, band))
        expression = ask(lambda ee: ee.Image(cover.file_of(year)).select([band["id"]], [_BAND]).unmask(NODATA, False).toUint8())
        tag = workload_tag(f"land-cover-{region.id}")

        def read(part: Window) -> NDArray[np.uint8]:
            return read_pixels(expression, _part(clip, part), [_BAND], _DTYPE, tag)[0]

        out.mkdir(parents=True, exist_ok=True)
        description = map_description(cover, year, simulated=cover.simulated)
        counts = write_clip(clip, _parts(clip), read, out / LAND_COVER_FILE, description)
    identity = _identity(cover, year, found)
    return {**clip_facts(clip, counts, cover, year), "source": identity, "simulated": cover.simulated}


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """Collection, asset as the region file writes it, band, and when the asset was last updated.

    Raises SourceError for a region without a map, a year outside the collection, and a missing asset or band.
    """
    cover = declared_map(region, year)
    with _told(region, cover, year):
        found = asset(cover.file_of(year))
        _band(region, cover, year, found)
    return _identity(cover, year, found)


def cost_land_cover(region: Region, year: int) -> Cost:
    """Requests and bytes of reading the map exactly; compute units by EECU_S_PER_GIGAPIXEL."""
    cover = declared_map(region, year)
    with _told(region, cover, year):
        band = _band(region, cover, year, asset(cover.file_of(year)))
        clip = clip_around(region, cover, year, _grid(region, cover, year, band))
    pixels = clip.window.width * clip.window.height
    return Cost(sum(1 for _ in _parts(clip)), pixels, EECU_S_PER_GIGAPIXEL * pixels / 1e9)


@contextmanager
def _told(region: Region, cover: LandCover, year: int) -> Iterator[None]:
    """Errors of the service as errors of the source."""
    try:
        yield
    except EarthEngineError as error:
        raise refuse_map(region, cover, year, f"asset {cover.file_of(year)}: {error.problem}", error.remedy) from None


def _identity(cover: LandCover, year: int, found: dict[str, Any]) -> dict[str, Any]:
    return {**map_identity(cover, year), "updated": found.get("updateTime")}


def _band(region: Region, cover: LandCover, year: int, found: dict[str, Any]) -> dict[str, Any]:
    """The year's band, as the asset describes it."""
    described = {str(band["id"]): band for band in found.get("bands", [])}
    wanted = cover.band_of(year) or (next(iter(described)) if len(described) == 1 else None)
    if wanted not in described:
        names = ", ".join(described) or "none"
        problem = f"asset {cover.file_of(year)} has no band {wanted or 'of its own'}; there are {names}"
        raise refuse_map(region, cover, year, problem, "Mend 'bands' in the region file, e.g. 'classification_{year}'.")
    kind = described[wanted].get("dataType", {})
    limits = kind.get("range", {})
    if kind.get("precision") != "INT" or limits.get("min", 0) < 0 or limits.get("max", _LARGEST_CODE + 1) > _LARGEST_CODE:
        problem = f"band {wanted} of asset {cover.file_of(year)} holds {kind or 'an unknown type'}, class codes are uint8"
        raise refuse_map(region, cover, year, problem, "Name the land-cover asset itself.")
    return described[wanted]


def _grid(region: Region, cover: LandCover, year: int, band: dict[str, Any]) -> MapGrid:
    """The band's own pixels; zeros are left out of what the service tells."""
    grid = band.get("grid", {})
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    try:
        affine = Affine(*(float(grid["affineTransform"].get(name, 0)) for name in names))
        crs = CRS.from_user_input(grid.get("crsCode") or grid["crsWkt"])
        return MapGrid(crs, affine, int(grid["dimensions"]["width"]), int(grid["dimensions"]["height"]), NODATA)
    except (CRSError, KeyError, TypeError, ValueError):
        problem = f"the grid of band {band['id']} of asset {cover.file_of(year)} is not understood: {grid or 'none is told'}"
        raise refuse_map(region, cover, year, problem, "Name an asset in a CRS with an EPSG code.") from None


def _parts(clip: Clip) -> Iterator[Window]:
    """Parts of a clip that fit into one request each, in its own pixels."""
    for box in request_boxes(clip.geobox, bytes_per_px(1, _DTYPE)):
        column, row = (round(offset) for offset in ~clip.affine * (box.affine.c, box.affine.f))
        height, width = box.shape
        yield Window(column, row, width, height)


def _part(clip: Clip, part: Window) -> GeoBox:
    rows, columns = slice(part.row_off, part.row_off + part.height), slice(part.col_off, part.col_off + part.width)
    return clip.geobox[rows, columns]
