"""TABLE of what an archive can have beside maps and Sentinel-2 scenes. A part is a row; each lies in folders of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mining_platform.simulation.context import write_context
from mining_platform.simulation.elevation import finish_elevation, write_elevation
from mining_platform.simulation.landsat import write_landsat
from mining_platform.simulation.mine_points import finish_points, write_points
from mining_platform.simulation.mine_polygons import finish_polygons, write_polygons
from mining_platform.simulation.other_system import finish_other_system, write_other_system
from mining_platform.simulation.places import Place
from mining_platform.simulation.radar import finish_radar, write_radar
from mining_platform.simulation.territories import finish_territories, write_territories
from mining_platform.simulation.toa import finish_toa, write_toa

Rows = Sequence[dict[str, Any]]


def _nothing(out: Path, rows: Rows) -> None:
    """Of a part whose files stand for themselves."""


@dataclass(frozen=True)
class Part:
    """One kind of data."""

    id: str
    description: str
    needs_landscape: bool
    """Whether it needs a made-up landscape; else it can be made over a given map as well."""
    write: Callable[[Path, Place], Rows]
    """Write a region's files into an archive, and return a row for each thing in them."""
    finish: Callable[[Path, Rows], None] = _nothing
    """Write what lies over the files of all regions, whose rows come in the regions' order."""


PARTS: dict[str, Part] = {
    part.id: part
    for part in (
        Part("radar", "Sentinel-1 as in sentinel-1-rtc, a STAC catalogue", False, write_radar, finish_radar),
        Part("elevation", "A surface model as in cop-dem-glo-30, a STAC catalogue", True, write_elevation, finish_elevation),
        Part("context", "OpenStreetMap extracts, .osm.pbf, as mapped by each year and complete", True, write_context),
        Part("landsat", "Landsat Collection 2 Level 2 products, and 8-band images of mining sites", False, write_landsat),
        Part("polygons", "Outlines of the mines by site, KML, and a table of aliases", False, write_polygons, finish_polygons),
        Part("points", "Places with mining and places without, GeoJSON", False, write_points, finish_points),
        Part(
            "territories",
            "Municipalities and an Indigenous territory a region, GeoJSON",
            False,
            write_territories,
            finish_territories,
        ),
        Part(
            "other-system",
            "Another system's detections, with misses and false alarms, GeoJSON",
            False,
            write_other_system,
            finish_other_system,
        ),
        Part("toa", "Some of the Sentinel-2 dates at Level-1C, 13 bands, a STAC catalogue", False, write_toa, finish_toa),
    )
}
