"""Radar scenes of a folder, by the names, tags and STAC items of their GeoTIFFs; what counts as told is in `archive_radar`."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError
from shapely.errors import GEOSException
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mining_platform.radar import POLARISATIONS, Orbit, RadarScene
from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.archives.folders import FolderError, entries, epsg_of, metadata_bytes, outline_of, raster_box
from mining_platform.sources.value_rasters import UNGEOREFERENCED

DECIBELS, LINEAR = "dB", "linear"
_UNITS: Mapping[str, str] = {
    "db": DECIBELS,
    "decibel": DECIBELS,
    "decibels": DECIBELS,
    "linear": LINEAR,
    "power": LINEAR,
    "1": LINEAR,
}
_SUFFIXES = (".tif", ".tiff")
_NAME = re.compile(r"(?P<id>.+?)_(?P<polarisation>VV|VH)(?P<processing>([_.-].*)?)\.tiff?", re.IGNORECASE)
_TIME = re.compile(r"(?<!\d)(\d{8}T\d{6})(?!\d)")
_PYROSAR_ORBIT = re.compile(r"S1[A-D]__\w{2}___(?P<orbit>[AD])_\d{8}T\d{6}")
_ORBITS: Mapping[str, Orbit] = {"a": "ascending", "ascending": "ascending", "d": "descending", "descending": "descending"}
_REMEDY_UNIT = "Write it into the file with gdal_edit.py -mo unit=dB, or -mo unit=linear"
_REMEDY_TIME = (
    "Name the file by it, as 20240601T090000, or write it into the file with gdal_edit.py -mo datetime=2024-06-01T09:00:00Z"
)


@dataclass(frozen=True)
class RadarFiles:
    """The files of one scene, as places relative to the archive."""

    id: str
    rasters: Mapping[str, str]
    """By polarisation; the same file for both where it holds both."""
    item: str | None

    @property
    def places(self) -> list[str]:
        """All files, once each, in order."""
        return sorted({*self.rasters.values(), *([self.item] if self.item else [])})


def found_files(root: Path) -> Iterator[RadarFiles]:
    """Scenes of a resolved folder and the folders in it; FolderError for a polarisation that a scene has twice."""
    waiting = [root]
    while waiting:
        folder, names = waiting.pop(), set()
        for entry in entries(root, folder):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                names.add(entry.name)
        yield from _scenes_of(root, folder, sorted(names))


def scene_of(root: Path, files: RadarFiles, asked: Region, year: int) -> RadarScene | None:
    """The scene of a year, None of another; FolderError naming the file that tells no time or unit, or lies nowhere."""
    told = _item(root, files.item)
    headers = {name: _header(root, place) for name, place in files.rasters.items()}
    any_place, tags = min(files.rasters.values()), next(iter(headers.values()))
    acquired = _acquired(any_place, told, tags)
    if acquired.year != year:
        return None
    scenes, grid = required_scenes(asked), raster_box(root, any_place)
    return RadarScene(
        scene_id=files.id,
        acquired=acquired,
        orbit=_orbit(files.id, told, tags),
        epsg=epsg_of(grid),
        measure=_measure(any_place, scenes.collection),
        simulated=bool(told.get("simulated")) or scenes.simulated,
        hrefs={name: f"{place}#{_unit(place, name, told, headers[name])}" for name, place in files.rasters.items()},
        footprint=told.get("geometry") or outline_of(grid),
    )


def place_and_unit(href: str) -> tuple[str, str]:
    """The place and the unit of a polarisation's raster."""
    place, _, unit = href.rpartition("#")
    return place, unit


def band_of(source: rasterio.DatasetReader, polarisation: str) -> int:
    """Number of a polarisation's band: the only one, or the one described so."""
    described = [str(text).upper() for text in source.descriptions]
    return described.index(polarisation) + 1 if polarisation in described else 1


def _scenes_of(root: Path, folder: Path, names: list[str]) -> Iterator[RadarFiles]:
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if not name.lower().endswith(_SUFFIXES):
            continue
        place, parts = (folder / name).relative_to(root).as_posix(), _NAME.fullmatch(name)
        scene_id, has = (parts["id"], [parts["polarisation"].upper()]) if parts else (Path(name).stem, _described(root, place))
        for polarisation in has:
            if polarisation in found.setdefault(scene_id, {}):
                twice = f"{found[scene_id][polarisation]} and {place} are both {polarisation} of {scene_id}"
                raise FolderError(f"{twice}. Remove one of them.")
            found[scene_id][polarisation] = place
    for scene_id, rasters in found.items():
        item = f"{scene_id}.json"
        yield RadarFiles(scene_id, rasters, (folder / item).relative_to(root).as_posix() if item in names else None)


def _described(root: Path, place: str) -> list[str]:
    """Polarisations that bands of a raster are described as; none for other rasters."""
    try:
        with opened_raster_file(root / place) as source:
            return [name for name in POLARISATIONS if name in [str(text).upper() for text in source.descriptions]]
    except RasterioError:
        return []


def _header(root: Path, place: str) -> dict[str, str]:
    """Tags of a raster, names in lower case, with `unit <polarisation>` of each described band and `unit` of the first."""
    try:
        with opened_raster_file(root / place) as source:
            if source.crs is None and source.gcps[0]:
                raise FolderError(f"{place} {UNGEOREFERENCED}.")
            found = {name.lower(): str(value) for name, value in {**source.tags(), **source.tags(1)}.items()}
            for text, unit in zip(source.descriptions, source.units, strict=True):
                if unit:
                    found.setdefault("unit", unit)
                    found[f"unit {str(text).upper()}"] = unit
            return found
    except RasterioError as error:
        raise FolderError(f"{place} cannot be read ({error}). Fetch it anew.") from None


def _item(root: Path, place: str | None) -> dict[str, Any]:
    """What a STAC item tells: its properties, `geometry` and `assets`; nothing where there is none."""
    if place is None:
        return {}
    try:
        item = json.loads(metadata_bytes(root, place))
        properties = dict(item["properties"])
        outline: BaseGeometry | None = shape(item["geometry"]) if item.get("geometry") else None
        assets = {str(name).upper(): dict(asset) for name, asset in dict(item.get("assets") or {}).items()}
    except (GEOSException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FolderError(f"{place} is no STAC item ({type(error).__name__}: {error}). Mend or remove it.") from None
    return {**properties, "geometry": outline, "assets": assets}


def _acquired(place: str, told: Mapping[str, Any], tags: Mapping[str, str]) -> datetime:
    named = _TIME.search(place)
    text = told.get("datetime") or tags.get("datetime") or (named[1] if named else None)
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise FolderError(f"{place} tells no time of acquisition. {_REMEDY_TIME}.") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _orbit(scene_id: str, told: Mapping[str, Any], tags: Mapping[str, str]) -> Orbit:
    named = _PYROSAR_ORBIT.match(scene_id)
    text = told.get("sat:orbit_state") or tags.get("orbit") or (named["orbit"] if named else "")
    return _ORBITS.get(str(text).lower(), "")


def _measure(place: str, collection: str) -> str:
    """What the name says, else what the collection is."""
    named = next((name for name in ("gamma0", "sigma0") if name in place.lower()), None)
    return named or ("gamma0" if collection == "sentinel-1-rtc" else "sigma0")


def _unit(place: str, polarisation: str, told: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Unit of a polarisation's raster; FolderError where nothing tells it, or what it tells is no unit of power."""
    asset = told.get("assets", {}).get(polarisation, {})
    rows = [asset, *(asset.get("raster:bands") or []), *(asset.get("bands") or []), told]
    stated = next((str(row["unit"]) for row in rows if isinstance(row, Mapping) and row.get("unit")), None)
    text = (
        stated
        or tags.get(f"unit {polarisation}")
        or tags.get("unit")
        or ("db" if Path(place).stem.lower().endswith("_db") else "")
    )
    if not text:
        raise FolderError(f"{place} tells no unit, and power and decibels are not told apart by their numbers. {_REMEDY_UNIT}.")
    if text.lower() not in _UNITS:
        raise FolderError(f"{place} is in {text!r}, which is neither linear power nor decibels. {_REMEDY_UNIT}.")
    return _UNITS[text.lower()]
