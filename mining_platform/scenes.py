"""The scene as the platform knows it, and tables of scenes."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry


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
    """Sentinel-2 MGRS tile, or Landsat path and row as `PPPRRR`."""
    cloud_pct: float
    baseline: float
    """Processing baseline, e.g. 5.1; 0 where the product has none."""
    offset_dn: int
    """With `gain`: reflectance = 1e-4 x (gain x DN + offset_dn), for DN above 0; 0 where nothing is to be added."""
    epsg: int
    simulated: bool
    hrefs: Mapping[str, str]
    """Id of a band (bands.BANDS) or mask layer (bands.LAYERS) -> place of its raster.

    A path relative to the source's folder with `/` between parts, an https URL without signature, or an Earth Engine
    image and band; only what the scene has is listed.
    """
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Id -> bytes, where the source states them."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Id -> multihash in hex, where the source states them."""
    gain: float = 1.0
    """See `offset_dn`; 1 for Sentinel-2, 0.275 for Landsat surface reflectance."""
    sun_azimuth_deg: float | None = None
    """Clockwise from north; None where the source does not say."""
    sun_elevation_deg: float | None = None
    """Above the horizon; None where the source does not say."""


_JSON_COLUMNS = ("hrefs", "sizes", "checksums")
_SUN_COLUMNS = ("sun_azimuth_deg", "sun_elevation_deg")
SCENE_COLUMNS = (
    *("scene_id", "datetime", "solar_day", "platform", "tile", "cloud_pct", "baseline", "offset_dn", "epsg", "simulated"),
    *("gain", *_SUN_COLUMNS, *_JSON_COLUMNS, "geometry"),
)

_DEGREES_PER_HOUR = 15.0  # the sun's way over the sky


def solar_day(acquired: datetime, longitude_deg: float) -> str:
    """Local solar date `YYYY-MM-DD` of a time (UTC) at a longitude."""
    return (acquired + timedelta(hours=longitude_deg / _DEGREES_PER_HOUR)).date().isoformat()


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
    values |= {name: None if pd.isna(row[name]) else row[name] for name in _SUN_COLUMNS}
    return Scene(**values)


_NO_NAME = re.compile(r"[^A-Za-z0-9.-]+")


def patch_scene(scene_id: str) -> str:
    """A scene's id as it stands in names of its patches: letters, digits, `.` and `-`."""
    return _NO_NAME.sub("-", scene_id)


SolarDay = tuple[Scene, ...]
"""Scenes of one solar day, the least cloudy first."""


def solar_days(scenes: Iterable[Scene]) -> list[SolarDay]:
    """Scenes grouped by solar day, in order of day; within a day by cloud share, then id."""
    days: dict[str, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda scene: (scene.solar_day, scene.cloud_pct, scene.scene_id)):
        days.setdefault(scene.solar_day, []).append(scene)
    return [tuple(day) for day in days.values()]


def harmonised(numbers: NDArray[np.uint16], scene: Scene) -> NDArray[np.uint16]:
    """Reflectance x 10,000 of a scene's digital numbers as stored: at least 1, while 0 (no data) stays 0."""
    if scene.gain == 1.0:
        return _shifted(numbers, scene.offset_dn)
    values = np.floor(numbers * np.float32(scene.gain) + np.float32(scene.offset_dn) + np.float32(0.5))
    return np.clip(values, 1, np.iinfo(np.uint16).max).astype(np.uint16) * (numbers != 0)


def _shifted(numbers: NDArray[np.uint16], offset_dn: int) -> NDArray[np.uint16]:
    if offset_dn == 0:
        return numbers
    less = np.uint16(-offset_dn)
    return (np.maximum(numbers, less + np.uint16(1)) - less) * (numbers != 0)
