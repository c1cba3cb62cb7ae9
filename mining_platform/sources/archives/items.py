"""Scenes of an archive in Earth Search's layout: a folder `<id>` with a STAC item `<id>.json` and the rasters beside it."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from mining_platform import scene_collections
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.archives.folders import Candidate, FolderError, Found, Touches, metadata_bytes
from mining_platform.sources.remote.network import without_query
from mining_platform.sources.stac_metadata import items as stac_items
from mining_platform.sources.stac_metadata.item_fields import ItemFields, acquired_of_item, footprint_of_item


def candidate(root: Path, folder: Path, region: Region) -> Candidate | None:
    """The item of a folder; None where its JSON is none. FolderError for what is no JSON, SourceError for a wrong item.

    Of an item of another collection than the region's nothing is looked at, so that it need not be a scene.
    """
    place = (folder / f"{folder.name}.json").relative_to(root).as_posix()
    content = metadata_bytes(root, place)
    try:
        item = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{place} is not JSON ({error}). Put the item there anew.") from None
    if not isinstance(item, dict) or item.get("type") != "Feature":
        return None
    collections, read = _collections(region, item), partial(_read, root, folder, region, item, content)
    asked = required_scenes(region).collection in collections
    year = acquired_of_item(region, item).year if asked else None
    return Candidate(collections, year, read, ItemFields(region, None, item).level)


def _collections(region: Region, item: Mapping[str, Any]) -> frozenset[str]:
    """What the item can be asked for as; an item that names no collection is of the one asked for."""
    named, provider = item.get("collection"), required_scenes(region).provider
    served = {row.id: row.stac[provider] for row in scene_collections.COLLECTIONS.values() if provider in row.stac}
    return frozenset(collection for collection, name in served.items() if named in (name, None))


def _read(root: Path, folder: Path, region: Region, item: Mapping[str, Any], content: bytes, touches: Touches) -> Found | None:
    if not touches(footprint_of_item(region, item)):
        return None
    year = acquired_of_item(region, item).year
    here = {**item, "assets": _assets_here(folder, item)}
    listed = stac_items.listed(region, here, partial(_place_of, root, folder), content, year)
    return Found(
        scene=listed.scene,
        footprint=listed.footprint,
        place=folder.relative_to(root).as_posix(),
        metadata=((folder / f"{folder.name}.json").relative_to(root).as_posix(),),
        acquisition=listed.acquisition,
        version=listed.made,
    )


def _assets_here(folder: Path, item: Mapping[str, Any]) -> dict[str, Any]:
    """Assets whose rasters are named relative to the item, or were fetched from elsewhere into the item's folder."""
    assets = item.get("assets")
    rows = {name: asset for name, asset in assets.items() if isinstance(asset, dict)} if isinstance(assets, dict) else {}
    return {name: asset for name, asset in rows.items() if _is_relative(asset.get("href")) or _fetched(folder, asset).is_file()}


def _is_relative(href: Any) -> bool:
    return isinstance(href, str) and "://" not in href and not PurePosixPath(href).is_absolute()


def _fetched(folder: Path, asset: Mapping[str, Any]) -> Path:
    return folder / (PurePosixPath(without_query(str(asset.get("href")))).name or "without name")


def _place_of(root: Path, folder: Path, href: str) -> str:
    """Place of an asset's raster; FolderError where it would lie outside the archive."""
    path = (folder / href if _is_relative(href) else _fetched(folder, {"href": href})).resolve()
    if not path.is_relative_to(root):
        raise FolderError(f"{folder.name}.json points to {href!r}, outside the archive. Use hrefs relative to the item.")
    return path.relative_to(root).as_posix()
