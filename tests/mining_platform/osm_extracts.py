"""Tiny extracts of OpenStreetMap with known features, written as .osm.pbf and as what an Overpass API answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WEST, SOUTH = -56.0, -7.0
STEP = 0.001  # degrees between neighbouring places
TIME = "2022-07-24T20:21:51Z"

Place = tuple[float, float]
"""Columns east and rows north of (WEST, SOUTH), in steps."""


@dataclass(frozen=True)
class Way:
    """A way through places; it is closed where the first is the last."""

    id: int
    places: Sequence[Place]
    tags: Mapping[str, str] = field(default_factory=dict)
    lost: Sequence[Place] = ()
    """Places whose nodes the extract does not hold."""


@dataclass(frozen=True)
class Relation:
    """A relation of ways: id and role of each."""

    id: int
    members: Sequence[tuple[int, str]]
    tags: Mapping[str, str]


def degrees(place: Place) -> tuple[float, float]:
    """Longitude and latitude of a place, of seven digits as OpenStreetMap has them."""
    return round(WEST + place[0] * STEP, 7), round(SOUTH + place[1] * STEP, 7)


def square(left: float, bottom: float, side: float) -> list[Place]:
    """A closed ring."""
    right, top = left + side, bottom + side
    return [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]


def write_pbf(
    path: Path,
    ways: Sequence[Way],
    relations: Sequence[Relation] = (),
    *,
    box: tuple[float, float, float, float] | None = None,
    time: str = TIME,
    ways_first: bool = False,
) -> Path:
    """An .osm.pbf file, or, named .osh.pbf, one with history; `box` is west, south, east, north of its header."""
    import osmium
    from osmium.osm import mutable

    header = osmium.io.Header()
    header.set("osmosis_replication_timestamp", time)
    if box:
        header.add_box(osmium.osm.Box(*box))
    ids = {place: number for number, place in enumerate(dict.fromkeys(each for way in ways for each in way.places), start=1)}
    lost = {place for way in ways for place in way.lost}
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as out:
        if ways_first:
            _write_ways(out, ways, ids)
        for place, number in ids.items():
            if place not in lost:
                out.add_node(mutable.Node(id=number, location=degrees(place), tags={"highway": "crossing"}))
        if not ways_first:
            _write_ways(out, ways, ids)
        for relation in relations:
            members = [("w", ref, role) for ref, role in relation.members]
            out.add_relation(mutable.Relation(id=relation.id, members=members, tags=dict(relation.tags)))
    return path


def _write_ways(out: Any, ways: Sequence[Way], ids: Mapping[Place, int]) -> None:
    from osmium.osm import mutable

    for way in ways:
        out.add_way(mutable.Way(id=way.id, nodes=[ids[place] for place in way.places], tags=dict(way.tags)))


def write_answer(path: Path, ways: Sequence[Way], relations: Sequence[Relation] = (), **told: Any) -> Path:
    """The same as an Overpass API answers to `out geom;`."""
    known = {way.id: way for way in ways}
    elements: list[dict[str, Any]] = [{"type": "node", "id": 1, "lat": SOUTH, "lon": WEST, "tags": {"highway": "crossing"}}]
    elements += [{"type": "way", "id": way.id, "tags": dict(way.tags), "geometry": _geometry(way)} for way in ways]
    for relation in relations:
        members = [{"type": "way", "ref": ref, "role": role, "geometry": _geometry(known[ref])} for ref, role in relation.members]
        elements.append({"type": "relation", "id": relation.id, "tags": dict(relation.tags), "members": members})
    answer = {"version": 0.6, "generator": "Overpass API", "osm3s": {"timestamp_osm_base": TIME}, "elements": elements, **told}
    path.write_text(json.dumps(answer))
    return path


def _geometry(way: Way) -> list[dict[str, float] | None]:
    return [None if place in way.lost else dict(zip(("lon", "lat"), degrees(place), strict=True)) for place in way.places]
