"""The one door for files of geometries that people name: GeoJSON, GeoPackage, KML and KMZ on this disk, each by its own reader.

GDAL would guess among its drivers, some of which follow what a file says to other files and hosts (VRT), or ask a service. Its
reader of GeoJSON fetches a CRS that is a link (GeoJSON of 2008, https://geojson.org/geojson-spec.html#linked-crs), wherever the
link leads; so a CRS has to be a name.
"""

import json
import mmap
import re
from pathlib import Path

import geopandas as gpd

from mining_platform.kml_files import KMZ_SUFFIX, read_kml
from mining_platform.raster_files import local_file

GEOJSON_SUFFIXES, GEOPACKAGE_SUFFIX, KML_SUFFIX = (".geojson", ".json"), ".gpkg", ".kml"
SUFFIXES = (*GEOJSON_SUFFIXES, GEOPACKAGE_SUFFIX, KML_SUFFIX, KMZ_SUFFIX)
MAX_BYTES = 4 * 2**30
"""Of a file that is read whole: the outlines of all municipalities of Brazil have 0.2 GB."""
_GEOPACKAGE = (b"SQLite format 3\0", b"GPKG")
"""What a GeoPackage begins with, and has at byte 68 (https://www.geopackage.org/spec/, requirements 1 and 2)."""
MAX_CRS_BYTES = 4_096
HALF_TURN_DEG, QUARTER_TURN_DEG = 180, 90
_CRS_KEY = re.compile(rb"""["'](?:c|\\u0063)(?:r|\\u0072)(?:s|\\u0073)["']""", re.IGNORECASE)
"""Where a file may have its CRS, in all spellings that GDAL's parsers of JSON take."""
_NAMED = ("name", "epsg")
"""Types of a CRS that are looked up without asking anybody."""


def read_features(place: Path | str) -> gpd.GeoDataFrame:
    """All features of a .geojson, .json, .gpkg, .kml or .kmz file.

    ValueError for a URL, a virtual file system, a missing file, another format and an absurdly large one; RuntimeError and
    OSError of the driver for a file that is damaged.
    """
    path = local_file(place)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes, which no file of outlines needs")
    return read_kml(path) if path.suffix.lower() in (KML_SUFFIX, KMZ_SUFFIX) else gpd.read_file(_of_one_driver(path))


def lies_on_the_globe(found: gpd.GeoDataFrame) -> bool:
    """Whether coordinates are degrees where their CRS is of degrees, as which GeoJSON takes metres that come without a CRS."""
    west, south, east, north = found.total_bounds
    beyond = west < -HALF_TURN_DEG or east > HALF_TURN_DEG or south < -QUARTER_TURN_DEG or north > QUARTER_TURN_DEG
    return not (found.crs.is_geographic and beyond)


def _of_one_driver(path: Path) -> str:
    """The file's name with its driver. A GeoPackage's has no prefix: what begins as one is none of the formats that point."""
    if path.suffix.lower() in GEOJSON_SUFFIXES:
        _check_crs(path)
        return f"GeoJSON:{path}"
    if path.suffix.lower() != GEOPACKAGE_SUFFIX:
        raise ValueError(f"it is no {', '.join(SUFFIXES)} file")
    with path.open("rb") as file:
        start = file.read(72)
    if (start[: len(_GEOPACKAGE[0])], start[68:72]) != _GEOPACKAGE:
        raise ValueError("it is no GeoPackage")
    return str(path)


def _check_crs(path: Path) -> None:
    """ValueError where GeoJSON has a member `crs`, at any depth, that is an object other than a name or code."""
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _CRS_KEY.finditer(content):
            if _may_lead_elsewhere(content[match.end() : match.end() + MAX_CRS_BYTES]):
                raise ValueError("its crs is no name but a link, which is not followed; leave it out where places are in degrees")


def _may_lead_elsewhere(rest: bytes) -> bool:
    """Whether what follows the word `crs` is a value of it that GDAL could take for a link."""
    text = rest.decode(errors="replace").lstrip()
    if text.startswith((",", "}", "]")):
        return False  # a text and no member
    try:
        value, _ = json.JSONDecoder().raw_decode(text.removeprefix(":").lstrip())
    except (ValueError, RecursionError):
        return True
    return isinstance(value, dict) and str(value.get("type")).lower() not in _NAMED
