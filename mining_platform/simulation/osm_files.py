"""Features as an .osm.pbf file: nodes, ways, and multipolygons where an area has holes; equal features give equal bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.simulation.osm_features import Feature
from mining_platform.simulation.rasters import MARK

GENERATOR = f"{MARK} by mining-platform: no real ground"
_SOURCE = {"source": MARK}
_DIGITS = 7  # of a degree, as OpenStreetMap has them


@dataclass
class _Ids:
    """Nodes, ways and relations of a file, by number from 1."""

    nodes: dict[tuple[float, float], int] = field(default_factory=dict)
    ways: list[tuple[dict[str, str], list[int]]] = field(default_factory=list)
    relations: list[tuple[dict[str, str], list[int]]] = field(default_factory=list)

    def way(self, places: NDArray[np.float64], tags: dict[str, str]) -> int:
        """Add a way through places (n, 2), and return its number; equal places are one node."""
        corners = [(float(lon), float(lat)) for lon, lat in np.round(places, _DIGITS)]
        self.ways.append((tags, [self.nodes.setdefault(corner, len(self.nodes) + 1) for corner in corners]))
        return len(self.ways)


def write_osm(
    path: Path,
    features: Sequence[Feature],
    places: Sequence[Sequence[NDArray[np.float64]]],
    *,
    box_deg: tuple[float, float, float, float],
    time: str,
) -> None:
    """Write features whose rings lie at `places` (longitude, latitude), with a header that tells box and time (ISO 8601)."""
    import osmium

    ids = _Ids()
    for feature, rings in zip(features, places, strict=True):
        _add(ids, feature, rings)
    header = osmium.io.Header()
    header.set("generator", GENERATOR)
    header.set("osmosis_replication_timestamp", time)
    header.add_box(osmium.osm.Box(*box_deg))
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as out:
        _write(out, ids, time)


def _add(ids: _Ids, feature: Feature, rings: Sequence[NDArray[np.float64]]) -> None:
    tags = {**feature.tags, **_SOURCE}
    if len(rings) == 1:
        ids.way(rings[0], tags)
        return
    ids.relations.append(({"type": "multipolygon", **tags}, [ids.way(ring, dict(_SOURCE)) for ring in rings]))


def _write(out: Any, ids: _Ids, time: str) -> None:
    from osmium.osm import mutable

    told: dict[str, Any] = {"version": 1, "timestamp": time}
    for corner, number in ids.nodes.items():
        out.add_node(mutable.Node(id=number, location=corner, **told))
    for number, (tags, nodes) in enumerate(ids.ways, 1):
        out.add_way(mutable.Way(id=number, nodes=nodes, tags=tags, **told))
    for number, (tags, ways) in enumerate(ids.relations, 1):
        members = [("w", way, "inner" if k else "outer") for k, way in enumerate(ways)]
        out.add_relation(mutable.Relation(id=number, members=members, tags=tags, **told))
