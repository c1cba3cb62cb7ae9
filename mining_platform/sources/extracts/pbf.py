"""Features of an .osm.pbf file, streamed: node positions lie in a file on disk while it is read, not in memory.

libosmium reads the file three times: relations for the outer ways that are not areas of their own, relations again for
their members, then everything, assembling multipolygons as it goes (https://osmcode.org/libosmium/manual.html). Memory holds a
few blocks of the file, the members of relations that have one of the keys, and a batch of features.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mining_platform.osm_keys import ABSENT_VALUE, LINES, OSM_KEYS
from mining_platform.sources.extracts.batches import BATCH_FEATURES, BROKEN, INCOMPLETE, Batch, ExtractError, Tally, Told
from mining_platform.sources.extracts.lines import lines_between
from mining_platform.sources.extracts.pbf_blobs import blobs
from mining_platform.sources.extracts.polygon_rules import AREA_RELATIONS, INNER_ROLE, MIN_RING_NODES, is_area

INDEX_BYTES_PER_BYTE = 16 / 3
"""Most disk that positions take for an unpacked byte of file: 16 bytes for a node, which has no fewer than 3."""
INDEX_BYTES = 64 * 2**20
"""Disk that the smallest file of positions takes."""
_DATES = ("osmosis_replication_timestamp", "timestamp")
"""Header fields with the time of the data, the first that is there counts."""


@dataclass
class _Ways:
    """What is known of areas before the ways come, and which have not been assembled yet."""

    outers: Mapping[str, NDArray[np.int64]]
    """By key: sorted ids of ways that are the outline of a relation with that key, which draws them already."""
    relations: set[int]
    ways: set[int] = field(default_factory=set)


def read_pbf(path: Path, tally: Tally) -> Iterator[Batch]:
    """Features with any of osm_keys.OSM_KEYS, in batches; ways and relations that are no areas or lines are tallied.

    A way whose nodes are not all there gives the lines between those that are. ExtractError for a file that is no .osm.pbf, is
    not whole, or tells several versions of an object, and where there is no room on disk for node positions.
    """
    import osmium

    with _refusals(path), _index_folder(path) as folder:
        ways, factory = _areas_to_come(path), osmium.geom.WKBFactory()
        rows = (row for entity in _entities(path, folder) for row in _rows(entity, factory, ways, tally))
        yield from _batches(rows)
        tally.skipped[BROKEN] += len(ways.ways)
        tally.skipped[INCOMPLETE] += len(ways.relations)


def told_by_pbf(path: Path) -> Told:
    """The header's bounding box and time; ExtractError as `read_pbf`."""
    with _refusals(path):
        header = _processor(path).header
        if header.has_multiple_object_versions:
            raise ExtractError(f"{path.name} holds the history of its objects. Cut one day of it with `osmium time-filter`.")
        box = header.box()
        extent = (box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat) if box.valid() else None
        return Told(extent, next(filter(None, (header.get(name) for name in _DATES)), ""))


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ExtractError(f"{path.name} is no whole .osm.pbf file ({error}). Fetch it again.") from None


@contextmanager
def _index_folder(path: Path) -> Iterator[Path]:
    """A folder for node positions; ExtractError where the disk has no room for them, as the kernel would end the process."""
    try:
        needed = INDEX_BYTES + INDEX_BYTES_PER_BYTE * sum(blob.raw_bytes for blob in blobs(path))
    except ValueError as error:
        raise ExtractError(f"{path.name} is no whole .osm.pbf file ({error}). Fetch it again.") from None
    with tempfile.TemporaryDirectory(prefix="openstreetmap-") as folder:
        free = shutil.disk_usage(folder).free
        if free < needed:
            problem = f"{path.name} needs up to {needed / 1e9:.1f} GB for node positions, and {folder} has {free / 1e9:.1f} GB"
            raise ExtractError(f"{problem}. Free some, or name a larger disk in TMPDIR.")
        yield Path(folder)


def _processor(path: Path, entities: Any = None) -> Any:
    """Always as .osm.pbf and by its whole path: a name that is a URL would be fetched."""
    import osmium

    file = osmium.io.File(str(path.absolute()), "pbf")
    return osmium.FileProcessor(file, osmium.osm.ALL if entities is None else entities)


def _entities(path: Path, folder: Path) -> Iterator[Any]:
    """Ways with one of the keys, with the positions of their nodes, and areas; in no particular order."""
    import osmium

    keys = osmium.filter.KeyFilter(*OSM_KEYS)
    of_interest = osmium.filter.EntityFilter(osmium.osm.WAY | osmium.osm.AREA)
    located = _processor(path).with_locations(f"sparse_file_array,{folder / 'positions'}")
    yield from located.with_areas(osmium.filter.KeyFilter(*OSM_KEYS)).with_filter(of_interest).with_filter(keys)


def _areas_to_come(path: Path) -> _Ways:
    import osmium

    outers: dict[str, list[int]] = {key: [] for key in OSM_KEYS}
    relations: set[int] = set()
    for relation in _processor(path, osmium.osm.RELATION).with_filter(osmium.filter.KeyFilter(*OSM_KEYS)):
        if relation.tags.get("type") in AREA_RELATIONS:
            relations.add(relation.id)
            members = [each.ref for each in relation.members if each.type == "w" and each.role != INNER_ROLE]
            for key in _tagged(relation.tags):
                outers[key] += members
    return _Ways({key: np.unique(np.array(ids, np.int64)) for key, ids in outers.items()}, relations)


def _tagged(tags: Any) -> dict[str, str]:
    """The keys that a thing has, and their values."""
    return {key: value for key in OSM_KEYS if (value := tags.get(key, ABSENT_VALUE)) != ABSENT_VALUE}


Row = tuple[str, str, str]
"""Key, value, and WKB as hexadecimal text."""


def _rows(entity: Any, factory: Any, ways: _Ways, tally: Tally) -> list[Row]:
    found = _tagged(entity.tags)
    if not found:
        return []
    rows_of = _rows_of_area if entity.is_area() else _rows_of_way
    return rows_of(entity, found, factory, ways, tally)


def _rows_of_area(area: Any, found: dict[str, str], factory: Any, ways: _Ways, tally: Tally) -> list[Row]:
    identifier = area.orig_id()
    if area.from_way():
        ways.ways.discard(identifier)
        if not is_area(area.tags):
            return []
        found = {key: value for key, value in found.items() if not _is_among(identifier, ways.outers[key])}
    else:
        ways.relations.discard(identifier)
    if not found:
        return []
    outer_rings, _ = area.num_rings()
    if not outer_rings:  # libosmium could not put them together
        tally.skipped[BROKEN] += 1
        return []
    geometry = factory.create_multipolygon(area)
    return [(key, value, geometry) for key, value in found.items()]


def _is_among(identifier: int, ids: NDArray[np.int64]) -> bool:
    position = int(np.searchsorted(ids, identifier))
    return position < len(ids) and bool(ids[position] == identifier)


def _rows_of_way(way: Any, found: dict[str, str], factory: Any, ways: _Ways, tally: Tally) -> list[Row]:
    """Lines; an area comes by itself, once it is assembled."""
    is_ring = way.is_closed() and is_area(way.tags)
    found = {key: value for key, value in found.items() if is_ring or LINES in OSM_KEYS[key].kinds}
    if not found:
        return []
    geometry, is_whole = _line(way, factory)
    if geometry and not is_ring:
        return [(key, value, geometry) for key, value in found.items()]
    if is_ring and is_whole and len(way.nodes) >= MIN_RING_NODES:
        ways.ways.add(way.id)
    else:
        tally.skipped[BROKEN if is_whole else INCOMPLETE] += 1
    return []


def _line(way: Any, factory: Any) -> tuple[str, bool]:
    """A way as a line, or the lines between those of its nodes that are there, or nothing; and whether all nodes are there."""
    import osmium

    try:
        return factory.create_linestring(way), True
    except (osmium.InvalidLocationError, RuntimeError):  # of fewer than two places
        places = [(node.lon, node.lat) if node.location.valid() else None for node in way.nodes]
    lines = lines_between(places)
    return (shapely.to_wkb(lines, hex=True) if lines else ""), None not in places


def _batches(rows: Iterator[Row]) -> Iterator[Batch]:
    while held := list(islice(rows, BATCH_FEATURES)):
        keys, values, told = zip(*held, strict=True)
        yield Batch(keys, values, shapely.from_wkb(np.array(told, object), on_invalid="ignore"))
