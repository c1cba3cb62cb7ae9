"""Yearly MapBiomas land-cover maps: a GeoTIFF a year, or one file whose bands are named by year.

Maps are public at https://storage.googleapis.com/mapbiomas-public (CC BY 4.0): uint8 class codes, 30 m.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.regions import VARIABLE, LandCover, Region
from mining_platform.source_editions import noted_edition
from mining_platform.sources.land_cover_clips import (
    BLOCK_PX,
    MapGrid,
    clip_around,
    clip_facts,
    declared_map,
    map_description,
    map_identity,
    refuse_map,
    strips,
    write_clip,
)
from mining_platform.sources.protocol import LAND_COVER_FILE, Cost
from mining_platform.sources.rasters import RasterError, opened_raster, reading
from mining_platform.sources.remote.network import NetworkError, checked_url, is_url
from mining_platform.store.digests import file_digest

STEP_DEGREES = 0.00026949458523585647  # pixel size of the public files


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """Clip the year's map to the outline's bounds and write it as `out/land_cover.tif`.

    The bounds are taken in the map's CRS and grown outward to whole pixels, then cut to the map: no pixel is
    resampled. uint8 COG with 256 px blocks, the map's nodata and the legend's colours. Returns facts:
    collection, year, band, class_pixels (code -> count), pixels, width, height, nodata, nodata_pixels, crs,
    resolution, source (as `fingerprint_land_cover`, and of a remote file its bytes and its entity tag or time),
    simulated. Raises SourceError as that does, and where the map does not touch the region or is no uint8 raster with a
    CRS on an unrotated grid.
    """
    cover = declared_map(region, year)
    identity = fingerprint_land_cover(region, year)
    try:
        with opened_raster(_place(region, cover, year)) as (source, file):
            read = {name: value for name, value in identity.items() if name != "edition"}  # the file tells its own
            return {**_written(source, region, cover, year, out), "source": {**read, **file.identity}}
    except RasterError as error:
        raise refuse_map(region, cover, year, f"the map {error}", "Fetch the file anew.") from None


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """Collection, place as the region file writes it, band, and for local files bytes and blake3.

    Of a URL nothing is asked: its `edition` is the one that `source_editions` has a note of, if any. Raises SourceError
    for a region without a map, a year outside the collection, a place that is neither a local file nor an https URL, and
    a missing file.
    """
    cover = declared_map(region, year)
    place, identity = _place(region, cover, year), map_identity(cover, year)
    if is_url(place):
        return {**identity, **noted_edition(cover, year)}
    stat = Path(place).stat()
    return {**identity, "bytes": stat.st_size, "blake3": _digest(place, stat.st_mtime_ns, stat.st_size)}


def cost_land_cover(region: Region, year: int) -> Cost:
    """At most a request for each block of a public file and its pixels, before compression; nothing for a file at hand."""
    cover = declared_map(region, year)
    if not is_url(_place(region, cover, year)):
        return Cost()
    west, south, east, north = region.geometry.bounds
    across, down = (int(span / (STEP_DEGREES * BLOCK_PX)) + 2 for span in (east - west, north - south))
    return Cost(requests=across * down, bytes=across * down * BLOCK_PX**2)


def _written(source: rasterio.DatasetReader, region: Region, cover: LandCover, year: int, out: Path) -> dict[str, Any]:
    """Write the clip; returns its facts without the source."""
    band = _band_index(source, region, cover, year)
    grid = MapGrid(source.crs, source.transform, source.width, source.height, source.nodatavals[band - 1])
    clip = clip_around(region, cover, year, grid)
    simulated = _is_simulated(source, cover)
    description = map_description(cover, year, simulated=simulated)

    def read(part: Window) -> NDArray[np.uint8]:
        column, row = clip.window.col_off + part.col_off, clip.window.row_off + part.row_off
        with reading():
            return source.read(band, window=Window(column, row, part.width, part.height))

    out.mkdir(parents=True, exist_ok=True)
    counts = write_clip(clip, strips(clip), read, out / LAND_COVER_FILE, description)
    return {**clip_facts(clip, counts, cover, year), "simulated": simulated}


@lru_cache(maxsize=256)
def _digest(path: str, _mtime_ns: int, _size: int) -> str:
    return file_digest(Path(path))


def _place(region: Region, cover: LandCover, year: int) -> str:
    """A local file that is there, or a URL that may be reached; nothing else."""
    place = cover.file_of(year)
    if is_url(place) or "://" in place or place.startswith("/vsi"):
        try:
            return checked_url(place)
        except NetworkError as error:
            raise refuse_map(region, cover, year, error.problem, error.remedy) from None
    if not Path(place).is_file():
        raise refuse_map(region, cover, year, f"there is no file {place}", _missing_remedy(cover))
    return place


def _missing_remedy(cover: LandCover) -> str:
    if cover.simulated:
        return "Make it with `mining-platform simulate`."
    variables = " or ".join(VARIABLE.findall(cover.href))
    return f"Put the file there{f', or set {variables} to its folder' if variables else ''}."


def _band_index(source: rasterio.DatasetReader, region: Region, cover: LandCover, year: int) -> int:
    wanted, names = cover.band_of(year), [name or "unnamed" for name in source.descriptions]
    if wanted is None and source.count != 1:
        problem = f"the file has {source.count} bands ({', '.join(names)})"
        raise refuse_map(region, cover, year, problem, "Name the year's band with 'bands' in the region file.")
    if wanted is not None and wanted not in names:
        problem = f"no band is named {wanted!r}; there are {', '.join(names)}"
        raise refuse_map(region, cover, year, problem, "Mend 'bands' in the region file.")
    index = 1 if wanted is None else names.index(wanted) + 1
    if source.dtypes[index - 1] != "uint8":
        problem = f"pixels are {source.dtypes[index - 1]}, class codes are uint8"
        raise refuse_map(region, cover, year, problem, "Name the land-cover raster itself.")
    return index


def _is_simulated(source: rasterio.DatasetReader, cover: LandCover) -> bool:
    """Whether the region file or the map itself says so: a forgotten flag does not lose the mark."""
    return cover.simulated or source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)
