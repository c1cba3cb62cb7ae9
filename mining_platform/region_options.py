"""Regions made of options rather than of a file: of bounds, or a known one with other scenes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shapely.geometry import box, mapping

from mining_platform.region_features import parse_regions
from mining_platform.region_fields import Fields
from mining_platform.region_sources import scenes_of
from mining_platform.regions import Region, RegionError, required_scenes


def region_of_bounds(bounds: tuple[float, float, float, float], year: int, scenes: Mapping[str, Any], epsg: int | None) -> Region:
    """A region of its own for bounds (west, south, east, north in degrees); `scenes` and errors as in a region file."""
    told = {"id": "bounds", "name": "Bounds", "country": "--", "years": [year], "coverage": "full", "land_cover": None}
    crs = {"epsg": epsg} if epsg else {}
    feature = {"type": "Feature", "properties": {**told, **crs, "scenes": dict(scenes)}, "geometry": mapping(box(*bounds))}
    return parse_regions([feature], "command line")["bounds"]


def with_scenes(region: Region, year: int, changes: Mapping[str, Any]) -> Region:
    """A region with some fields of its scenes changed, as in a region file; RegionError as there, and for a year it lacks."""
    if year not in region.years:
        raise RegionError(
            f"Region {region.id} has the years {', '.join(map(str, region.years))}, not {year}. Choose one of these."
        )
    scenes = required_scenes(region)
    told: dict[str, Any] = {name: getattr(scenes, name) for name in ("source", "collection", "provider", "recipe", "simulated")}
    told |= {"href": dict(scenes.places), "max_cloud_pct": scenes.max_cloud_pct}
    told |= {"profile": scenes.profile} if scenes.profile else {}
    if "collection" in changes:
        told = {name: value for name, value in told.items() if name not in ("recipe", "profile")}
    part = Fields({"scenes": told | dict(changes)}, f"region {region.id}, command line")
    return replace(region, scenes=scenes_of(part))
