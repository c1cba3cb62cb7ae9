"""STAC items (1.0 and 1.1, https://stacspec.org) as scenes, and which product of an acquisition counts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shapely.geometry.base import BaseGeometry

from mining_platform.regions import Region, required_scenes
from mining_platform.scene_collections import LACKED_BANDS, has_bands
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.stac_metadata.item_assets import assets_of_item, place_of_asset, stated_of_assets
from mining_platform.sources.stac_metadata.item_fields import ItemFields, acquired_of_item, footprint_of_item
from mining_platform.sources.stac_metadata.item_radiometry import radiometry_of_item

_DATASTRIP_SENSED = re.compile(r"_S(\d{8}T\d{6})")
_DATATAKE = re.compile(r"GS2\w_\d{8}T\d{6}_\d{6}")  # without the baseline that follows
_CATEGORY, _PROVISIONAL = "landsat:collection_category", "RT"  # real time: replaced within weeks, see `archives.landsat`


@dataclass(frozen=True)
class ListedScene:
    """A scene as a listing finds it, with what tells it from others."""

    scene: Scene
    footprint: BaseGeometry
    """EPSG:4326."""
    acquisition: tuple[str, ...]
    """Equal for products that were made from the same measurements."""
    made: tuple[float, str, str]
    """Orders those products: the one made last is the greatest."""
    identity: bytes
    """What changes where the item does."""


def listed(region: Region, item: Mapping[str, Any], place_of: Callable[[str], str], identity: bytes, year: int) -> ListedScene:
    """An item as the listing of a region's source holds it; see `scene_of_item` for what raises."""
    scene = scene_of_item(region, item, place_of, required_scenes(region).provider, year)
    fields = ItemFields(region, year, item)
    made = (scene.baseline, str(fields.get("s2:generation_time", "created", "updated") or ""), scene.scene_id)
    return ListedScene(scene, footprint_of_item(region, item, year), _acquisition(fields, scene), made, identity)


def newest_products(found: list[ListedScene]) -> list[ListedScene]:
    """One product of each acquisition and one of each id, by id: the greatest baseline, then the latest making."""
    newest: dict[tuple[str, ...], ListedScene] = {}
    for row in found:
        if row.acquisition not in newest or row.made > newest[row.acquisition].made:
            newest[row.acquisition] = row
    by_id = {row.scene.scene_id: row for row in sorted(newest.values(), key=lambda row: row.made)}
    return [by_id[scene_id] for scene_id in sorted(by_id)]


def scene_of_item(
    region: Region, item: Mapping[str, Any], place_of: Callable[[str], str], provider: str, year: int | None = None
) -> Scene:
    """The scene of an item of the region's collection, under a provider's band names.

    `place_of` turns an asset's href into the place that `Scene.hrefs` keeps, and raises for one that may not be read.
    SourceError names the item and what it lacks: a band of the region's mosaics, a needed property, a time, a footprint;
    and where the offset that its assets state is not the one that its baseline means.
    """
    fields = ItemFields(region, year, item)
    fields.check_collection(provider)
    assets = assets_of_item(fields, provider)
    baseline = fields.number("s2:processing_baseline") if fields.sensor == "sentinel-2" else 0.0
    gain, offset_dn = radiometry_of_item(fields, baseline, assets)
    acquired = acquired_of_item(region, item, year)
    return Scene(
        scene_id=fields.id,
        acquired=acquired,
        solar_day=solar_day(acquired, footprint_of_item(region, item, year).centroid.x),
        platform=str(fields.needed("platform")).lower().replace("_", "-"),
        tile=fields.tile(),
        cloud_pct=fields.number("eo:cloud_cover"),
        baseline=baseline,
        offset_dn=offset_dn,
        epsg=int(fields.number("proj:epsg", "proj:code")),
        simulated=bool(fields.get("simulated") or required_scenes(region).simulated),
        hrefs={band_id: place_of_asset(fields, band_id, asset, place_of) for band_id, asset in assets.items()},
        sizes=stated_of_assets(assets, "file:size", int),
        checksums=stated_of_assets(assets, "file:checksum", str),
        gain=gain,
        sun_azimuth_deg=fields.optional_number("view:sun_azimuth", "s2:mean_solar_azimuth"),
        sun_elevation_deg=fields.sun_elevation_deg(),
    )


def touches(region: Region, item: Mapping[str, Any], year: int) -> bool:
    """Whether an item was acquired in a calendar year (UTC), its footprint touches the outline, and it is of use.

    Items that are there for some weeks only are not, nor are those of a level without a band that the region's mosaics have.
    """
    fields = ItemFields(region, year, item)
    if acquired_of_item(region, item, year).year != year or fields.get(_CATEGORY) == _PROVISIONAL:
        return False
    if fields.level in LACKED_BANDS and not has_bands(fields.level, required_scenes(region).channels):
        return False
    return footprint_of_item(region, item, year).intersects(region.geometry)


def _acquisition(fields: ItemFields, scene: Scene) -> tuple[str, ...]:
    """Platform, tile, datatake and datastrip, for a tile that two strips of a datatake share has a scene of each.

    Just the item's own id where those are not stated.
    """
    if fields.sensor == "landsat":
        return (scene.platform, scene.tile, scene.solar_day)
    datatake = _DATATAKE.match(str(fields.get("s2:datatake_id")))
    strip = _DATASTRIP_SENSED.search(str(fields.get("s2:datastrip_id")))
    return (scene.platform, scene.tile, datatake[0], strip[1]) if datatake and strip else (scene.scene_id,)
