"""OpenStreetMap as a source of context: extracts on this disk, read into features of the keys of osm_keys.OSM_KEYS.

An extract is an .osm.pbf file (streamed, of any size), GeoParquet, GeoJSON, or the JSON answer of an Overpass API. What it is is
told by its name and checked by its content; nothing else is opened, and nothing is fetched. The data are © OpenStreetMap
contributors, under the Open Database License, https://www.openstreetmap.org/copyright.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.context import MAX_DISTANCE_M, Bounds, bounds_touch, context_channels, degrees_around, key_of_channel
from mining_platform.osm_keys import OSM_KEYS
from mining_platform.raster_files import RasterFileError, local_file
from mining_platform.regions import Beside, Region
from mining_platform.sources.extracts.batches import INCOMPLETE, Batch, ExtractError, Tally, Told, counts_by_key, gather
from mining_platform.sources.extracts.overpass import read_answer, read_overpass, told_by_answer
from mining_platform.sources.extracts.pbf import read_pbf, told_by_pbf
from mining_platform.sources.extracts.tables import read_geojson, read_geoparquet, told_by_geojson, told_by_geoparquet
from mining_platform.sources.protocol import Cost, LayerReading, SourceError, refusal
from mining_platform.store.digests import file_digest

LAYER = "osm_context"
PBF_SUFFIX, JSON_SUFFIXES, PARQUET_SUFFIXES = ".pbf", (".json", ".geojson"), (".parquet", ".geoparquet")
FORMATS = "an .osm.pbf, .geojson, .json (Overpass) or .parquet file"
_PBF_HEADER, _PARQUET_MAGIC = b"OSMHeader", b"PAR1"
_HEAD_BYTES = 4_096


@dataclass(frozen=True)
class Extract:
    """What was taken from an extract."""

    features: gpd.GeoDataFrame
    """key, value, geometry (EPSG:4326), in the extract's order."""
    extent: Bounds
    """What the extract covers: outside it nothing is known."""
    date: str
    """Time of the data, ISO 8601; empty where nobody says."""
    facts: dict[str, Any]
    """JSON-able: format, date, extent, extent_from (given, file, features), features (key -> kind -> number in the whole
    extract), taken (key -> number in the boxes), skipped (incomplete, broken)."""


def read_extract(place: Path | str, within: Sequence[Bounds] | None, *, extent: Bounds | None = None) -> Extract:
    """Features of an extract whose bounds touch one of some boxes; None takes all.

    `extent` says what the extract covers, where it is known better than by the file: else it is the file's own bounding box, or,
    where it has none, that of its features. ExtractError for a place that is no file on disk, another format, a damaged or
    truncated file, one that is too large for its format, and one without any feature of the keys.
    """
    path = _local(place)
    tally = Tally()
    name, told, batches = _opened(path, tally)
    features = gather(batches, within, tally)
    if tally.bounds is None:
        raise _empty(path, tally)
    covered, date = extent or told.extent or tally.bounds, _dated(told.date)
    taken = features["key"].value_counts()
    facts = {
        "format": name,
        "date": date,
        "extent": list(covered),
        "extent_from": "given" if extent else "file" if told.extent else "features",
        "features": counts_by_key(tally.features),
        "taken": {key: int(taken.get(key, 0)) for key in OSM_KEYS},
        "skipped": dict(sorted(tally.skipped.items())),
    }
    return Extract(features, covered, date, facts)


def read_context(region: Region, year: int, geoboxes: Sequence[GeoBox] | None = None) -> Extract:
    """Features around a region's grid, or around parts of it, with the margin that distances need.

    The date is the file's own, else the one that the region file tells. SourceError where the region has no context, as
    `read_extract`, and for an extract that lies elsewhere.
    """
    beside = _beside(region, year)
    boxes = [degrees_around(each, MAX_DISTANCE_M) for each in geoboxes or [region.geobox]]
    try:
        found = read_extract(beside.place_of(year), boxes)
    except ExtractError as error:
        raise _refused(region, year, beside, str(error)) from None
    if not any(bounds_touch(found.extent, box) for box in boxes):
        problem = f"{Path(beside.place_of(year)).name} covers {found.extent} in degrees, and the region lies outside"
        raise _refused(region, year, beside, f"{problem}. Take an extract of its ground.")
    date = found.date or beside.date_of(year)
    return Extract(found.features, found.extent, date, {**found.facts, "date": date})


def open_context(region: Region, year: int, channels: Sequence[str]) -> LayerReading:
    """Channels such as `OSM-highway` over a region's grid, see BesideSource; KeyError for a channel of another sensor."""
    for channel in channels:
        key_of_channel(channel)
    found = read_context(region, year)

    def compute(part: GeoBox) -> NDArray[np.floating]:
        return context_channels(found.features, part, channels, extent=found.extent)

    return LayerReading(compute, found.facts, _beside(region, year).simulated)


def fingerprint_context(region: Region, year: int) -> dict[str, Any]:
    """Where the context comes from, and bytes and blake3 of the file; SourceError where it is missing."""
    beside = _beside(region, year)
    try:
        path = _local(beside.place_of(year))
    except ExtractError as error:
        raise _refused(region, year, beside, str(error)) from None
    return {**beside.identity, "year": year, "bytes": path.stat().st_size, "blake3": file_digest(path)}


def costs_context(region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:  # noqa: ARG001 - the same for every region
    """Nothing: the file is at hand."""
    return [Cost()] * len(geoboxes)


def _beside(region: Region, year: int) -> Beside:
    if LAYER not in region.beside:
        raise refusal(
            region, year, "openstreetmap", "there is no osm_context", "Name an extract in the region file's 'osm_context'."
        )
    return region.beside[LAYER]


def _refused(region: Region, year: int, beside: Beside, problem: str) -> SourceError:
    return SourceError(f"Region {region.id}, year {year}, source {beside.source}: {problem}")


def _local(place: Path | str) -> Path:
    if not str(place):
        raise ExtractError("no extract is named. Name one in 'href'.")
    try:
        return local_file(place)
    except RasterFileError as error:
        raise ExtractError(f"{error}. Extracts are files on disk, such as those of https://download.geofabrik.de.") from None


def _opened(path: Path, tally: Tally) -> tuple[str, Told, Iterator[Batch]]:
    """Name of the format, what the file says of itself, and its features, not read yet."""
    suffix, head = path.suffix.lower(), _head(path)
    if suffix == PBF_SUFFIX and _PBF_HEADER in head[:64]:
        return "pbf", told_by_pbf(path), read_pbf(path, tally)
    if suffix in PARQUET_SUFFIXES and head.startswith(_PARQUET_MAGIC):
        return "geoparquet", told_by_geoparquet(path), read_geoparquet(path)
    if suffix in JSON_SUFFIXES and head.lstrip().startswith(b"{"):
        if b'"FeatureCollection"' in head or b'"Feature"' in head:
            return "geojson", told_by_geojson(path), read_geojson(path)
        answer = read_answer(path)
        return "overpass", told_by_answer(answer), read_overpass(path, answer, tally)
    raise ExtractError(f"{path.name} is no extract of OpenStreetMap by its name and beginning. Take {FORMATS}.")


def _dated(text: str) -> str:
    """A time as it is told; nothing where it is none."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    return text


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise ExtractError(f"{path.name} cannot be read ({error.strerror}). Mend its permissions.") from None


def _empty(path: Path, tally: Tally) -> ExtractError:
    if tally.skipped[INCOMPLETE]:
        problem = f"{path.name} has {tally.skipped[INCOMPLETE]} ways without the positions of their nodes, and no others"
        return ExtractError(f"{problem}. Sort it with `osmium sort`, and cut it with complete ways.")
    keys = ", ".join(OSM_KEYS)
    return ExtractError(
        f"{path.name} is empty: it has no line or polygon with any of the keys {keys}. Take an extract with some."
    )
