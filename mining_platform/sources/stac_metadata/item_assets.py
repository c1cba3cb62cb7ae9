"""Assets of STAC items: bands and layers by a provider's names, and where their rasters lie."""

from collections.abc import Callable, Mapping
from typing import Any

from mining_platform import bands
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.remote.network import NetworkError
from mining_platform.sources.stac_metadata.item_fields import FoundItem, ItemFields


def assets_of_item(fields: ItemFields, provider: str) -> dict[str, Mapping[str, Any]]:
    """The item's assets by id of band and layer; all bands of the region's mosaics are there."""
    ids = [band_id for band_id in (*bands.BANDS, *bands.LAYERS) if _of_sensor(fields, band_id)]
    names = {band_id: bands.provider_names(band_id, provider) for band_id in ids}
    listed = fields.item.get("assets")
    every = listed if isinstance(listed, Mapping) else {}
    found = {name: asset for name, asset in every.items() if isinstance(asset, Mapping)}
    missing = [band_id for band_id in required_scenes(fields.region).channels if found.keys().isdisjoint(names[band_id])]
    if missing:
        wanted = ", ".join(f"{band_id} (asset {' or '.join(map(repr, names[band_id])) or None})" for band_id in missing)
        problem = f"lacks bands {wanted}; it has {', '.join(sorted(found)) or 'none'}"
        raise fields.fail(problem, "Name the provider whose items these are, or add its names in mining_platform/bands.py.")
    return {band_id: found[name] for band_id, known in names.items() for name in reversed(known) if name in found}


def place_of_asset(fields: ItemFields, band_id: str, asset: Mapping[str, Any], place_of: Callable[[str], str]) -> str:
    """The place that tables keep of a band's or layer's raster; SourceError for an href that may not be read."""
    href = asset.get("href")
    try:
        if not isinstance(href, str) or not href:
            raise fields.fail(f"has {href!r} as href of band {band_id}", "Mend the item.")
        return place_of(href)
    except NetworkError as error:
        raise fields.fail(f"may not be read in band {band_id}: {error.problem}", error.remedy) from None


def places_of_item(
    region: Region, found: FoundItem, names: Mapping[str, str], year: int | None = None, *, optional: bool = False
) -> dict[str, str]:
    """Id of a channel -> place of its raster, of the channels' assets by name; SourceError where one is lacking, or all are."""
    fields, assets = ItemFields(region, year, found.item), found.item.get("assets")
    there = {name: asset for name, asset in assets.items() if isinstance(asset, Mapping)} if isinstance(assets, Mapping) else {}
    lacking = [name for name in names.values() if name not in there]
    if len(lacking) > (len(names) - 1 if optional else 0):
        problem = f"lacks the assets {', '.join(lacking)}; it has {', '.join(sorted(there)) or 'none'}"
        raise fields.fail(problem, "Name another place or collection in the region file.")
    return {each: place_of_asset(fields, each, there[name], found.place_of) for each, name in names.items() if name in there}


def stated_of_assets(assets: Mapping[str, Mapping[str, Any]], name: str, kind: type) -> dict[str, Any]:
    """Id -> what its asset states under a name, where it states it as it should."""
    return {band_id: asset[name] for band_id, asset in assets.items() if isinstance(asset.get(name), kind)}


def _of_sensor(fields: ItemFields, band_id: str) -> bool:
    return band_id in bands.LAYERS or bands.BANDS[band_id].sensor == fields.sensor
