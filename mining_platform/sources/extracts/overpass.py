"""Features of what an Overpass API answered to a query that ends in `out geom;`, as JSON.

The format is told at https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL#Out_formats_(out). Which ways are areas is
decided as for .osm.pbf files.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from mining_platform.osm_keys import ABSENT_VALUE, LINES, OSM_KEYS
from mining_platform.sources.extracts.batches import BATCH_FEATURES, BROKEN, INCOMPLETE, Batch, ExtractError, Tally, Told
from mining_platform.sources.extracts.lines import lines_between
from mining_platform.sources.extracts.polygon_rules import AREA_RELATIONS, INNER_ROLE, MIN_RING_NODES, is_area

MAX_BYTES = 128 * 2**20
"""Of an answer, which is held whole; a larger area is better taken from an .osm.pbf extract."""
_REMEDY = "Ask again with [out:json], and end the query with `out geom;`."

Places = list[tuple[float, float] | None]
"""Longitude and latitude of a way's nodes; None outside the box of `out geom(box)`."""


def read_answer(path: Path) -> dict[str, Any]:
    """The whole answer. ExtractError for one that is too large, is no answer of an Overpass API, or broke off on the way."""
    if path.stat().st_size > MAX_BYTES:
        raise ExtractError(f"{path.name} has more than {MAX_BYTES} bytes. Ask for a smaller box, or take an .osm.pbf extract.")
    try:
        answer = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExtractError(f"{path.name} is not whole JSON ({error}). {_REMEDY}") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("elements"), list):
        raise ExtractError(f"{path.name} has no elements, as an Overpass API's answer has. {_REMEDY}")
    if "error" in str(answer.get("remark", "")):
        raise ExtractError(f"{path.name} is not whole: the Overpass API broke off ({answer['remark']}). Ask for a smaller box.")
    return answer


def told_by_answer(answer: Mapping[str, Any]) -> Told:
    """The time of the data; an answer does not tell which box was asked for."""
    told = answer.get("osm3s")
    return Told(None, str(told.get("timestamp_osm_base", "")) if isinstance(told, dict) else "")


def read_overpass(path: Path, answer: Mapping[str, Any], tally: Tally) -> Iterator[Batch]:
    """Features of an answer, in batches. ExtractError for one without geometries, or with elements that are none."""
    elements = answer["elements"]
    try:
        outers = _outers(elements)
        for start in range(0, len(elements), BATCH_FEATURES):
            rows = [row for each in elements[start : start + BATCH_FEATURES] for row in _rows(each, outers, tally)]
            keys, values, geometries = ([row[field] for row in rows] for field in range(3))
            yield Batch(keys, values, np.array([*geometries, None], object)[:-1])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ExtractError(f"{path.name} has elements without geometry ({type(error).__name__}: {error}). {_REMEDY}") from None


def _tagged(element: Mapping[str, Any]) -> dict[str, str]:
    tags = element.get("tags") or {}
    return {key: str(tags[key]) for key in OSM_KEYS if tags.get(key, ABSENT_VALUE) != ABSENT_VALUE}


def _outers(elements: list[Any]) -> set[tuple[str, int]]:
    """Key and id of ways that are the outline of a relation with that key, which draws them already."""
    relations = [each for each in elements if each["type"] == "relation" and _is_area_relation(each)]
    return {(key, member["ref"]) for each in relations for key in _tagged(each) for member in _ways_of(each, inner=False)}


def _is_area_relation(element: Mapping[str, Any]) -> bool:
    return (element.get("tags") or {}).get("type") in AREA_RELATIONS


def _ways_of(relation: Mapping[str, Any], *, inner: bool) -> list[dict[str, Any]]:
    ways = (each for each in relation["members"] if each["type"] == "way")
    return [each for each in ways if (each["role"] == INNER_ROLE) == inner]


def _rows(element: Mapping[str, Any], outers: set[tuple[str, int]], tally: Tally) -> list[tuple[str, str, Any]]:
    found = _tagged(element)
    if not found or element["type"] not in ("way", "relation"):
        return []
    if element["type"] == "relation":
        geometry = _area_of(element, tally) if _is_area_relation(element) else None
    else:
        places = _places(element)
        is_ring = places[0] is not None and places[0] == places[-1] and is_area(element["tags"])
        found = {key: value for key, value in found.items() if _counts(key, element["id"], outers, is_ring=is_ring)}
        geometry = _geometry_of(places, tally, is_ring=is_ring) if found else None
    return [] if geometry is None else [(key, value, geometry) for key, value in found.items()]


def _counts(key: str, identifier: int, outers: set[tuple[str, int]], *, is_ring: bool) -> bool:
    return (key, identifier) not in outers if is_ring else LINES in OSM_KEYS[key].kinds


def _places(way: Mapping[str, Any]) -> Places:
    return [(float(each["lon"]), float(each["lat"])) if each else None for each in way["geometry"]] or [None]


def _geometry_of(places: Places, tally: Tally, *, is_ring: bool) -> Any:
    """Polygon or lines of a way's places; None, and tallied, where there are too few."""
    known = [place for place in places if place is not None]
    if is_ring and len(known) == len(places) >= MIN_RING_NODES:
        return shapely.Polygon(known)
    lines = None if is_ring else lines_between(places)
    if lines is None:
        tally.skipped[INCOMPLETE if len(known) < len(places) else BROKEN] += 1
    return lines


def _area_of(relation: Mapping[str, Any], tally: Tally) -> Any:
    """Polygons whose rings are the members' ways, put together; None, and tallied, where they do not close."""
    members = [_places(each) for inner in (False, True) for each in _ways_of(relation, inner=inner)]
    lines = [shapely.LineString(places) for places in members if None not in places and len(places) > 1]  # type: ignore[arg-type]
    if len(lines) < len(members) or not lines:
        tally.skipped[INCOMPLETE] += 1
        return None
    area = shapely.build_area(shapely.node(shapely.union_all(lines)))
    if area is None or area.is_empty:
        tally.skipped[BROKEN] += 1
        return None
    return area
