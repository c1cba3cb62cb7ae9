"""What every source promises, and the scene as the platform knows it.

A module with these functions is a source; `router` is one that asks the region's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from mining_platform.regions import Region

SCL_BAND = "SCL"
"""Band id of the Sentinel-2 scene classification layer (codes 0..11, 20 m, uint8)."""

LAND_COVER_FILE = "land_cover.tif"
"""Name of the raster that `read_land_cover` writes."""


class SourceError(ValueError):
    """A source cannot give what was asked; the message names region, year, source and remedy."""


def refusal(region: Region, year: int | None, source: str, problem: str, remedy: str) -> SourceError:
    """The error of a source, worded alike everywhere."""
    when = f", year {year}" if year is not None else ""
    return SourceError(f"Region {region.id}{when}, source {source}: {problem}. {remedy}")


@dataclass(frozen=True)
class Scene:
    """One acquisition of one tile."""

    scene_id: str
    acquired: datetime
    """Time of acquisition, UTC."""
    solar_day: str
    """Local solar date `YYYY-MM-DD`: scenes of one overpass share it."""
    platform: str
    tile: str
    """Sentinel-2 MGRS tile."""
    cloud_pct: float
    baseline: float
    """Processing baseline, e.g. 5.1."""
    offset_dn: int
    """Digital numbers to add so that reflectance = 1e-4 x DN; 0 where it is in the pixels already."""
    epsg: int
    simulated: bool
    hrefs: Mapping[str, str]
    """Band id (and `SCL`) -> place of the raster, relative to the source's folder, `/` between parts."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Band id -> bytes, where the source states them."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Band id -> multihash in hex, where the source states them."""


_JSON_COLUMNS = ("hrefs", "sizes", "checksums")
SCENE_COLUMNS = (
    *("scene_id", "datetime", "solar_day", "platform", "tile", "cloud_pct", "baseline", "offset_dn", "epsg", "simulated"),
    *_JSON_COLUMNS,
    "geometry",
)


def scenes_table(scenes: Sequence[Scene], footprints: Sequence[BaseGeometry]) -> gpd.GeoDataFrame:
    """Table of scenes, columns SCENE_COLUMNS, sorted by scene_id; mappings become JSON text; EPSG:4326 footprints."""
    rows = [_row(scene, footprint) for scene, footprint in zip(scenes, footprints, strict=True)]
    table = gpd.GeoDataFrame(rows, columns=list(SCENE_COLUMNS), geometry="geometry", crs="EPSG:4326")
    return table.sort_values("scene_id", ignore_index=True)


def scenes_of(table: gpd.GeoDataFrame) -> list[Scene]:
    """The scenes of a table, in its order: the inverse of `scenes_table` without the footprints."""
    return [_scene(row) for row in table.drop(columns="geometry").to_dict("records")]


def _row(scene: Scene, footprint: BaseGeometry) -> dict[str, Any]:
    row = asdict(scene)
    row["datetime"] = row.pop("acquired")
    return {**row, **{name: json.dumps(row[name], sort_keys=True) for name in _JSON_COLUMNS}, "geometry": footprint}


def _scene(row: Mapping[Any, Any]) -> Scene:
    values = {**row, **{name: json.loads(row[name]) for name in _JSON_COLUMNS}}
    values["acquired"] = values.pop("datetime").to_pydatetime().astimezone(UTC)
    return Scene(**values)


class LandCoverSource(Protocol):
    """Yearly maps of land-cover classes."""

    def read_land_cover(self, region: Region, year: int, out: Path) -> dict[str, Any]:
        """Write the year's class codes around the region's outline as `out/land_cover.tif`.

        Whole pixels of the source's own grid, uint8 COG. Returns facts of the content; SourceError where there is
        no such map.
        """
        ...

    def fingerprint_land_cover(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies the source's content now, cheap to ask; SourceError where there is no such map."""
        ...


class SceneSource(Protocol):
    """Satellite scenes with a scene classification layer."""

    def list_scenes(self, region: Region, year: int) -> gpd.GeoDataFrame:
        """Scenes of a calendar year (UTC) that touch the outline (`scenes_table`); SourceError where there are none."""
        ...

    def fingerprint_scenes(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies those scenes now, cheap to ask; SourceError where there are none."""
        ...

    def check_scenes(self, region: Region, scenes: Sequence[Scene], band_ids: Sequence[str]) -> None:
        """SourceError naming scene and band where a raster is absent or not the one that was listed."""
        ...

    def open_scene_band(self, region: Region, scene: Scene, band_id: str, geobox: GeoBox) -> NDArray[np.uint16]:
        """One band on a grid: (y, x) uint16 digital numbers as stored, 0 where the scene has none.

        Bands are resampled bilinear, `SCL` nearest; a pixel has a value exactly where the native pixel under its
        centre has one. SourceError naming scene and band where the raster cannot be read.
        """
        ...
