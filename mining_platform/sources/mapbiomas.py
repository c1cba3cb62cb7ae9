"""Yearly MapBiomas land-cover maps: a GeoTIFF a year, or one file whose bands are named by year.

Maps are public at https://storage.googleapis.com/mapbiomas-public (CC BY 4.0): uint8 class codes, 30 m.
"""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom
from rasterio.windows import Window
from shapely.geometry import mapping, shape

from mining_platform.labels.mapbiomas import LEGEND, SIMULATED_MARK
from mining_platform.regions import LandCover, Region
from mining_platform.sources.protocol import LAND_COVER_FILE, SourceError, refusal
from mining_platform.store.digests import file_digest

BLOCK_PX = 256  # block size of the public files
_OUTLINE_STEP_DEGREES = 0.05  # edges are cut this fine before projecting, so that curved ones stay inside
_STRIP_ROWS = 8 * BLOCK_PX
_REMOTE_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_TIMEOUT": "60", "GDAL_HTTP_MAX_RETRY": "3"}
_VARIABLES = re.compile(r"\$\{(MINING_PLATFORM_[A-Z_]+)\}")


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """Clip the year's map to the outline's bounds and write it as `out/land_cover.tif`.

    The bounds are taken in the map's CRS and grown outward to whole pixels, then cut to the map: no pixel is
    resampled. uint8 COG with 256 px blocks, the map's nodata and the legend's colours. Returns facts:
    collection, year, band, class_pixels (code -> count), pixels, width, height, nodata, nodata_pixels, crs,
    resolution, source (as `fingerprint_land_cover`), simulated. Raises SourceError as that does, and where the
    map does not touch the region or is no uint8 raster with a CRS on an unrotated grid.
    """
    cover = _land_cover(region, year)
    identity = fingerprint_land_cover(region, year)
    try:
        with rasterio.Env(**_REMOTE_OPTIONS), rasterio.open(_place(region, cover, year), driver="GTiff") as source:
            band = _band_index(source, region, cover, year)
            window = _window(source, region, cover, year)
            out.mkdir(parents=True, exist_ok=True)
            simulated = _is_simulated(source, cover)
            counts = _write_cog(source, band, window, out / LAND_COVER_FILE, _description(cover, year, simulated=simulated))
            return {**_facts(source, window, counts, cover, year), "source": identity, "simulated": simulated}
    except RasterioError as error:
        raise _refuse(region, cover, year, f"the map cannot be read ({error})", "Fetch the file anew.") from None


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """Collection, place as the region file writes it, band, and for local files bytes and blake3.

    Raises SourceError for a region without a map, a year outside the collection, a place that is neither a local
    file nor an https URL, and a missing file.
    """
    cover = _land_cover(region, year)
    place = _place(region, cover, year)
    identity = {
        "source": cover.source,
        "collection": cover.collection,
        "href": cover.href,
        "band": cover.band_of(year),
        "year": year,
        "simulated": cover.simulated,
    }
    if place.startswith("/vsicurl/"):
        return identity
    stat = Path(place).stat()
    return {**identity, "bytes": stat.st_size, "blake3": _digest(place, stat.st_mtime_ns, stat.st_size)}


@lru_cache(maxsize=256)
def _digest(path: str, _mtime_ns: int, _size: int) -> str:
    return file_digest(Path(path))


def _source_name(cover: LandCover) -> str:
    return f"{cover.source} collection {cover.collection} ({cover.years[0]} to {cover.years[1]})"


def _refuse(region: Region, cover: LandCover, year: int, problem: str, remedy: str) -> SourceError:
    return refusal(region, year, _source_name(cover), problem, remedy)


def _land_cover(region: Region, year: int) -> LandCover:
    cover = region.land_cover
    if cover is None:
        remedy = "Its windows come from points or polygons; or name a land_cover in the region file."
        raise refusal(region, year, "none", "the region has no land-cover map", remedy)
    if not cover.years[0] <= year <= cover.years[1]:
        remedy = f"Ask for a year from {cover.years[0]} to {cover.years[1]}, or name another collection in the region file."
        raise _refuse(region, cover, year, "the year lies outside the collection", remedy)
    return cover


def _place(region: Region, cover: LandCover, year: int) -> str:
    """What GDAL opens: a local file, or an https URL through its network reader; nothing else."""
    place = cover.file_of(year)
    if place.startswith("https://"):
        return f"/vsicurl/{place}"
    if "://" in place or place.startswith("/vsi"):
        raise _refuse(region, cover, year, f"{place!r} is neither a local file nor an https URL", "Mend href in the region file.")
    if not Path(place).is_file():
        raise _refuse(region, cover, year, f"there is no file {place}", _missing_remedy(cover))
    return place


def _missing_remedy(cover: LandCover) -> str:
    if cover.simulated:
        return "Make it with `mining-platform simulate`."
    variables = " or ".join(_VARIABLES.findall(cover.href))
    return f"Put the file there{f', or set {variables} to its folder' if variables else ''}."


def _band_index(source: rasterio.DatasetReader, region: Region, cover: LandCover, year: int) -> int:
    wanted, names = cover.band_of(year), [name or "unnamed" for name in source.descriptions]
    if wanted is None and source.count != 1:
        problem = f"the file has {source.count} bands ({', '.join(names)})"
        raise _refuse(region, cover, year, problem, "Name the year's band with 'bands' in the region file.")
    if wanted is not None and wanted not in names:
        problem = f"no band is named {wanted!r}; there are {', '.join(names)}"
        raise _refuse(region, cover, year, problem, "Mend 'bands' in the region file.")
    index = 1 if wanted is None else names.index(wanted) + 1
    if source.dtypes[index - 1] != "uint8":
        problem = f"pixels are {source.dtypes[index - 1]}, class codes are uint8"
        raise _refuse(region, cover, year, problem, "Name the land-cover raster itself.")
    return index


def _window(source: rasterio.DatasetReader, region: Region, cover: LandCover, year: int) -> Window:
    """Pixels of the map that the outline's bounds touch."""
    if source.crs is None:
        raise _refuse(region, cover, year, "the raster has no CRS", "Write one with gdal_edit.py -a_srs.")
    affine = source.transform
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise _refuse(region, cover, year, "the raster is rotated or not north-up", "Warp it with gdalwarp first.")
    dense = mapping(region.geometry.segmentize(_OUTLINE_STEP_DEGREES))
    west, south, east, north = shape(transform_geom("EPSG:4326", source.crs, dense)).bounds
    col0, row0 = (math.floor(value + 1e-6) for value in ~affine * (west, north))
    col1, row1 = (math.ceil(value - 1e-6) for value in ~affine * (east, south))
    col0, row0 = max(col0, 0), max(row0, 0)
    col1, row1 = min(col1, source.width), min(row1, source.height)
    if col1 <= col0 or row1 <= row0:
        raise _refuse(region, cover, year, "the map does not touch the region's outline", "Mend the outline or name another map.")
    return Window(col0, row0, col1 - col0, row1 - row0)


def _strips(window: Window) -> Iterator[tuple[Window, Window]]:
    """(window in the source, window in the clip) of full-width strips."""
    for row in range(0, window.height, _STRIP_ROWS):
        rows = min(_STRIP_ROWS, window.height - row)
        yield Window(window.col_off, window.row_off + row, window.width, rows), Window(0, row, window.width, rows)


def _write_cog(source: rasterio.DatasetReader, band: int, window: Window, path: Path, description: str) -> NDArray[np.int64]:
    """Write the clip strip by strip, then as a COG; returns pixel counts per code (256,)."""
    plain = path.with_suffix(".plain.tif")
    counts = np.zeros(256, np.int64)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": source.crs, "nodata": source.nodatavals[band - 1]}
    tiles = {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "LZW", "BIGTIFF": "IF_SAFER"}
    corner = source.transform * Affine.translation(window.col_off, window.row_off)
    try:
        with rasterio.open(plain, "w", **profile, **tiles, width=window.width, height=window.height, transform=corner) as clip:
            clip.update_tags(TIFFTAG_IMAGEDESCRIPTION=description)
            clip.write_colormap(1, {code: (*row.rgb, 255) for code, row in LEGEND.items()})
            for from_window, to_window in _strips(window):
                pixels = source.read(band, window=from_window)
                counts += np.bincount(pixels.ravel(), minlength=256)
                clip.write(pixels, 1, window=to_window)
        options = {"BLOCKSIZE": str(BLOCK_PX), "COMPRESS": "LZW", "OVERVIEW_RESAMPLING": "NEAREST"}
        rasterio.shutil.copy(plain, path, driver="COG", **options)
    finally:
        plain.unlink(missing_ok=True)
    return counts


def _is_simulated(source: rasterio.DatasetReader, cover: LandCover) -> bool:
    """Whether the region file or the map itself says so: a forgotten flag does not lose the mark."""
    return cover.simulated or source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)


def _description(cover: LandCover, year: int, *, simulated: bool) -> str:
    mark = f"{SIMULATED_MARK}. " if simulated else ""
    return f"{mark}Land cover {year}, MapBiomas legend, {cover.source} collection {cover.collection}"


def _facts(
    source: rasterio.DatasetReader, window: Window, counts: NDArray[np.int64], cover: LandCover, year: int
) -> dict[str, Any]:
    nodata = source.nodatavals[0]
    return {
        "collection": cover.collection,
        "year": year,
        "band": cover.band_of(year),
        "class_pixels": {str(code): int(counts[code]) for code in np.flatnonzero(counts)},
        "pixels": int(counts.sum()),
        "width": int(window.width),
        "height": int(window.height),
        "nodata": None if nodata is None else int(nodata),
        "nodata_pixels": 0 if nodata is None else int(counts[int(nodata)]),
        "crs": source.crs.to_string(),
        "resolution": [source.res[0], source.res[1]],
    }
