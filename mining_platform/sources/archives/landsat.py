"""Landsat Collection 2 Level 2 products by their official names (Landsat 8-9 and 4-7 C2 Level 2 Science Product Guides).

Tiers 1 and 2 are listed; RT (real time) is passed over, because it is provisional and is replaced within weeks. Tier 2
has the same reflectance with a poorer fit to the ground, often because of clouds.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform import bands, scene_collections
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.archives.folders import (
    Candidate,
    Files,
    FolderError,
    Found,
    Touches,
    epsg_of,
    files_within,
    metadata_bytes,
    raster_box,
)

_PROVIDERS = {"LT04": "landsat-tm", "LT05": "landsat-tm", "LE07": "landsat-tm"} | dict.fromkeys(
    ("LC08", "LO08", "LC09", "LO09"), "landsat-oli"
)
_NAME = re.compile(
    r"(?P<sensor>L[CTEO]0[45789])_(?P<level>L2S[PR])_(?P<tile>\d{6})_(?P<date>\d{8})_(?P<made>\d{8})_02_T[12]",
)
_PRODUCT = "L2SP"
_REFLECTANCE, _TEMPERATURE = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"
_STATED = (
    (_REFLECTANCE, "REFLECTANCE_MULT_BAND_", bands.LANDSAT_SCALE),
    (_REFLECTANCE, "REFLECTANCE_ADD_BAND_", bands.LANDSAT_OFFSET),
    (_TEMPERATURE, "TEMPERATURE_MULT_BAND_ST_", bands.LANDSAT_KELVIN_SCALE),
    (_TEMPERATURE, "TEMPERATURE_ADD_BAND_ST_", bands.LANDSAT_KELVIN_OFFSET),
)
"""Group, beginning of the keys, and the value that Collection 2 Level 2 has there; a product may lack temperature."""
_FETCH = "Fetch the product anew."

UNREADABLE = (
    (re.compile(r"L[COTEM]\d{14}[A-Z]{3}\d{2}(_.*)?"), "Landsat scenes of before the Collections, which are not reflectance"),
    (re.compile(r"L[COTEM]0\d_L1\w{2}_.*"), "Landsat Level 1 products, which are not surface reflectance"),
    (re.compile(r"L[COTEM]0\d_\w+_01_(T1|T2|RT)(_.*)?"), "Landsat Collection 1 products"),
    (re.compile(r"L[COTEM]0\d_L2S[PR]_\w+_02_RT"), "provisional Landsat products (RT)"),
    (re.compile(r"S2[A-D]_OPER_PRD_.*"), "Sentinel-2 products in the format of before December 2016"),
    (re.compile(r"(L[COTEM]\d\d_|S2[A-D]_).*\.(zip|tar|tar\.gz|tgz)"), "packed products"),
)
"""Names of products that no reader takes, and what they are."""


@dataclass(frozen=True)
class ProductName:
    """What the name of a product tells."""

    id: str
    sensor: str
    """E.g. `LC08`."""
    level: str
    """`L2SP`, or `L2SR` without temperature."""
    tile: str
    """Path and row, `PPPRRR`."""
    year: int
    date: str
    made: str

    @property
    def provider(self) -> str:
        """Whose names of bands its files have."""
        return _PROVIDERS[self.sensor]


def product_name(folder: str) -> ProductName | None:
    """The parts of a folder's name; None for any other name."""
    found = _NAME.fullmatch(folder)
    if found is None or found["sensor"] not in _PROVIDERS:
        return None
    return ProductName(
        folder, found["sensor"], found["level"], found["tile"], int(found["date"][:4]), found["date"], found["made"]
    )


def candidate(root: Path, folder: Path, *, simulated: bool) -> Candidate | None:
    """The product of a folder, by its name; None for any other name."""
    name = product_name(folder.name)
    if name is None:
        return None
    collections = frozenset(row.id for row in scene_collections.COLLECTIONS.values() if row.product == _PRODUCT)
    return Candidate(collections, name.year, partial(read_product, root, folder, name, simulated=simulated), name.level)


def read_product(root: Path, folder: Path, name: ProductName, touches: Touches, *, simulated: bool) -> Found | None:
    """The scene of a product's folder; None where its corners do not touch. FolderError names the file that is wrong."""
    files = files_within(root, folder)
    place = _metadata_file(files, name)
    groups = metadata_groups(metadata_bytes(root, place), place)
    _check(groups, place, name)
    footprint = _corners(groups, place)
    if not touches(footprint):
        return None
    rasters = rasters_of(files, name)
    if not rasters:
        raise FolderError(f"{name.id} holds no raster of a band. Fetch the product anew, or remove its folder.")
    image = groups.get("IMAGE_ATTRIBUTES", {})
    acquired, cloud_pct = _acquired(image, place), _number(image, place, "CLOUD_COVER")
    scene = Scene(
        scene_id=name.id,
        acquired=acquired,
        solar_day=solar_day(acquired, footprint.centroid.x),
        platform=f"landsat-{int(name.sensor[2:])}",
        tile=name.tile,
        cloud_pct=max(cloud_pct, 0.0),
        baseline=0.0,
        offset_dn=bands.LANDSAT_OFFSET_DN,
        epsg=epsg_of(raster_box(root, min(rasters.values()))),
        simulated=simulated,
        hrefs=rasters,
        sizes={band_id: files[raster] for band_id, raster in rasters.items()},
        gain=bands.LANDSAT_GAIN,
        sun_azimuth_deg=_number(image, place, "SUN_AZIMUTH"),
        sun_elevation_deg=_number(image, place, "SUN_ELEVATION"),
    )
    return Found(
        scene=scene,
        footprint=footprint,
        place=folder.relative_to(root).as_posix(),
        metadata=(place,),
        acquisition=(name.sensor, name.tile, name.date),
        version=(name.made, name.id),
        clouds_known=cloud_pct >= 0,
    )


def rasters_of(files: Files, name: ProductName) -> dict[str, str]:
    """Id of a band or layer -> place of its raster."""
    places = {PurePosixPath(place).name.upper(): place for place in sorted(files)}
    names = {band_id: bands.provider_name(band_id, name.provider) for band_id in (*bands.BANDS, *bands.LAYERS)}
    wanted = {band_id: f"{name.id}_{ending}.TIF".upper() for band_id, ending in names.items() if ending}
    return {band_id: places[file] for band_id, file in wanted.items() if file in places}


def metadata_groups(content: bytes, place: str) -> Mapping[str, Mapping[str, str]]:
    """Group -> key -> text of an MTL file, as text (ODL) or JSON; FolderError naming `place` for anything else."""
    try:
        text = content.decode()
        if place.lower().endswith(".json"):
            return _json_groups(json.loads(text))
        return _odl_groups(text)
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError) as error:
        raise FolderError(f"{place} is no MTL file of Collection 2 ({error!r}). {_FETCH}") from None


def _json_groups(document: Any) -> dict[str, dict[str, str]]:
    groups = document["LANDSAT_METADATA_FILE"]
    return {group: {key: str(value) for key, value in values.items()} for group, values in groups.items()}


def _odl_groups(text: str) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    inside: list[str] = []
    for key, value in _odl_lines(text):
        if key == "GROUP":
            inside.append(value)
        elif key == "END_GROUP":
            inside.pop()
        else:
            groups.setdefault(inside[-1], {})[key] = value
    if inside:
        raise ValueError(f"the group {inside[-1]} does not end")
    return groups


def _odl_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key:
            yield key, value.strip('"')


def _metadata_file(files: Files, name: ProductName) -> str:
    for ending in (".json", ".txt"):
        for place in sorted(files):
            if PurePosixPath(place).name.upper() == f"{name.id}_MTL{ending}".upper():
                return place
    raise FolderError(f"{name.id} has no {name.id}_MTL.json or .txt, which states time, scale and clouds. {_FETCH}")


def _check(groups: Mapping[str, Mapping[str, str]], place: str, name: ProductName) -> None:
    """FolderError where the file is of another product, or states another scale or offset than _STATED."""
    stated = groups.get("PRODUCT_CONTENTS", {}).get("LANDSAT_PRODUCT_ID")
    if stated != name.id:
        raise FolderError(f"{place} is of {stated}, not of {name.id}. Give the folder the product's name.")
    for group, prefix, expected in _STATED:
        found = {value for key, value in groups.get(group, {}).items() if key.startswith(prefix)}
        if (not found and group == _REFLECTANCE) or any(_float(value) != expected for value in found):
            problem = f"{prefix}* are {', '.join(sorted(found)) or 'not stated'}"
            raise FolderError(f"{place}: {problem}, not {expected:g} as in Collection 2 Level 2. {_FETCH}")


def _corners(groups: Mapping[str, Mapping[str, str]], place: str) -> BaseGeometry:
    """Outline of the raster by its corners in degrees: a little more than the ground seen."""
    projection = groups.get("PROJECTION_ATTRIBUTES", {})

    def corner(name: str) -> tuple[float, float]:
        lon, lat = (_number(projection, place, f"CORNER_{name}_{axis}_PRODUCT") for axis in ("LON", "LAT"))
        return lon, lat

    return Polygon([corner(name) for name in ("UL", "UR", "LR", "LL")])


def _acquired(image: Mapping[str, str], place: str) -> datetime:
    text = f"{image.get('DATE_ACQUIRED')}T{image.get('SCENE_CENTER_TIME', '')[:8]}"
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise FolderError(f"{place} states no DATE_ACQUIRED and SCENE_CENTER_TIME. {_FETCH}") from None


def _number(values: Mapping[str, str], place: str, key: str) -> float:
    number = _float(values.get(key, ""))
    if number is None:
        raise FolderError(f"{place} states no {key}. {_FETCH}")
    return number


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
