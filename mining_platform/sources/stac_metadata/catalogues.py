"""Static STAC catalogues on disk: items found by walking links, rasters inside the catalogue's folder."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from mining_platform.regions import Region, expand, required_scenes
from mining_platform.scenes import Scene
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import checked_url, is_url
from mining_platform.sources.remote.signing import unsigned
from mining_platform.sources.stac_metadata.declared_source import refuse, stac_collection
from mining_platform.sources.stac_metadata.item_fields import FoundItem
from mining_platform.sources.stac_metadata.items import ListedScene, listed, touches


def found_scenes(region: Region, year: int) -> Iterator[ListedScene]:
    """Scenes of the region's collection in the calendar year (UTC) that touch the outline, in no order.

    Raises SourceError where the catalogue is absent or no JSON, for an item that is no scene of the collection, and for
    an href that leaves the catalogue's folder; an https href must be one that may be reached.
    """
    for found in found_items(region, year):
        if touches(region, found.item, year):
            yield listed(region, found.item, found.place_of, found.identity(), year)


def found_items(region: Region, year: int | None) -> Iterator[FoundItem]:
    """Items of the region's collection, of whatever time and place; SourceError as `found_scenes`. `year` is for errors."""
    root, catalogue = _root(region, year)
    for path, item, content in _items(region, year, root, catalogue.resolve()):
        yield FoundItem(item, partial(_place, region, year, root, path), partial(_identity, path.relative_to(root), content))


def remedy(region: Region) -> str:
    """How to get a catalogue or raster that is absent."""
    simulated = required_scenes(region).simulated
    return "Make it anew with `mining-platform simulate`." if simulated else "Fetch or write the catalogue anew."


def raster_file(region: Region, scene: Scene, href: str) -> Path:
    """The file of a scene's href, in the catalogue's folder."""
    return file_of_place(region, scene.acquired.year, href)


def file_of_place(region: Region, year: int | None, place: str) -> Path:
    """The file of a place that `FoundItem.place_of` gave, in the catalogue's folder."""
    root, catalogue = _root(region, year)
    return _inside(region, year, root, root / catalogue.name, place)


def _identity(place: Path, content: bytes) -> bytes:
    return f"{place.as_posix()}\n{len(content)}\n".encode() + content


def _root(region: Region, year: int | None) -> tuple[Path, Path]:
    """Folder and file of the region's catalogue."""
    place = expand(required_scenes(region).href)
    if "://" in place or place.startswith("/vsi"):
        advice = "Name the https address of a STAC API, or the catalog.json of a static catalogue on disk, in the region file."
        raise refuse(region, year, "the place is neither a STAC API nor a file", advice)
    path = Path(place)
    return path.parent.resolve(), path


def _items(region: Region, year: int | None, root: Path, catalogue: Path) -> Iterator[tuple[Path, dict[str, Any], bytes]]:
    """(file, item, content) of the collection's items, by walking the catalogue's `child` and `item` links once each."""
    wanted, seen, waiting = stac_collection(region, year, required_scenes(region).provider), {catalogue}, [catalogue]
    while waiting:
        path = waiting.pop()
        node, content = _json(region, year, path)
        if node.get("type") == "Feature":
            if node.get("collection") == wanted:
                yield path, node, content
            continue
        if node.get("type") == "Collection" and node.get("id") != wanted:
            continue
        links = [link for link in node.get("links", []) if isinstance(link, dict) and link.get("rel") in ("child", "item")]
        for target in (_inside(region, year, root, path, link.get("href")) for link in links):
            if target not in seen:
                seen.add(target)
                waiting.append(target)


def _json(region: Region, year: int | None, path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = path.read_bytes()
        node = json.loads(content)
    except OSError:
        raise refuse(region, year, f"there is no file {path}", remedy(region)) from None
    except (ValueError, RecursionError) as error:
        raise refuse(region, year, f"{path} is not JSON ({error})", remedy(region)) from None
    if not isinstance(node, dict):
        raise refuse(region, year, f"{path} is not a STAC object", remedy(region))
    return node, content


def _place(region: Region, year: int | None, root: Path, base: Path, href: str) -> str:
    """Place of an asset: its path relative to the folder, or an https address that may be reached."""
    return unsigned(checked_url(href)) if is_url(href) else _inside(region, year, root, base, href).relative_to(root).as_posix()


def _inside(region: Region, year: int | None, root: Path, base: Path, href: Any) -> Path:
    """The file that a relative href of `base` means; refused where it leaves the catalogue's folder."""
    plain = isinstance(href, str) and href and "://" not in href and not PurePosixPath(href).is_absolute()
    target = (base.parent / href).resolve() if plain else None
    if target is None or not target.is_relative_to(root):
        raise _outside(region, year, base, href)
    return target


def _outside(region: Region, year: int | None, base: Path, href: Any) -> SourceError:
    problem = f"{base.name} points to {href!r}, outside the catalogue's folder"
    return refuse(region, year, problem, "Use a self-contained catalogue with relative hrefs.")
