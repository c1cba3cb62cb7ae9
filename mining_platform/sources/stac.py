"""Sentinel-2 L2A scenes of a static STAC catalogue on disk (STAC 1.0 and 1.1, https://stacspec.org).

Band names are the provider's (bands.BANDS); scenes whose pixels still carry the offset of processing baseline
04.00 are told by `s2:processing_baseline`, unless `earthsearch:boa_offset_applied` says that it has been removed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mining_platform import bands
from mining_platform.regions import Region, Scenes, expand
from mining_platform.resampling import read_on_grid
from mining_platform.sources.protocol import SCL_BAND, Scene, SourceError, refusal, scenes_table

_DEGREES_PER_HOUR = 15.0  # the sun's way over the sky
_SHA2_256 = "1220"  # multihash prefix: sha2-256, 32 bytes
_GDAL_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """Scenes of the calendar year (UTC) that touch the outline: `protocol.scenes_table`, sorted by scene_id.

    Raises SourceError where there are none, where the catalogue is absent or no JSON, for an item without a needed
    property or band, and for an href that leaves the catalogue's folder.
    """
    root, items = _matching(region, year)
    scenes = [_scene(region, year, root, path, item) for path, item, _ in items]
    return scenes_table(scenes, [shape(item["geometry"]) for _, item, _ in items])


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """Collection, catalogue as the region file writes it, number of items and blake3 over their files, in order of place."""
    root, items = _matching(region, year)
    hasher = blake3()
    for path, _, content in items:
        hasher.update(f"{path.relative_to(root).as_posix()}\n{len(content)}\n".encode())
        hasher.update(content)
    source = _declared(region)
    return {
        "source": source.source,
        "href": source.href,
        "collection": source.collection,
        "provider": source.provider,
        "year": year,
        "items": len(items),
        "blake3": hasher.hexdigest(),
        "simulated": source.simulated,
    }


def check_scenes(region: Region, scenes: Sequence[Scene], band_ids: Sequence[str]) -> None:
    """SourceError naming scene and band where a raster is absent, or has another size or sha2-256 than its item says."""
    for scene in scenes:
        for band_id in band_ids:
            _check_asset(region, scene, band_id)


def open_scene_band(region: Region, scene: Scene, band_id: str, geobox: GeoBox) -> NDArray[np.uint16]:
    """One band on a grid, (y, x) uint16 digital numbers as stored; see SceneSource for the rules."""
    path = _asset_path(region, scene, band_id)
    try:
        with rasterio.Env(**_GDAL_OPTIONS), rasterio.open(path, driver="GTiff", sharing=False) as source:
            pixels = read_on_grid(source, geobox, nearest=band_id == SCL_BAND)
    except (RasterioError, ValueError) as error:
        raise _damaged(region, scene, band_id, f"cannot be read ({error})") from None
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > np.dtype(np.uint16).itemsize:
        raise _damaged(region, scene, band_id, f"holds {pixels.dtype}, not uint16 digital numbers")
    return pixels.astype(np.uint16, copy=False)


def _declared(region: Region) -> Scenes:
    if region.scenes is None:
        raise refusal(region, None, "none", "the region has no scenes", "Name a scenes source in the region file.")
    return region.scenes


def _refuse(region: Region, year: int | None, problem: str, remedy: str) -> SourceError:
    source = _declared(region)
    return refusal(region, year, f"{source.source} collection {source.collection} of {source.href}", problem, remedy)


def _remedy(source: Scenes) -> str:
    return "Make it anew with `mining-platform simulate`." if source.simulated else "Fetch or write the catalogue anew."


def _root(region: Region, year: int | None) -> tuple[Path, Path]:
    """Folder and file of the region's catalogue."""
    place = expand(_declared(region).href)
    if "://" in place or place.startswith("/vsi"):
        remedy = "Name the catalog.json of a static catalogue on disk in the region file."
        raise _refuse(region, year, "STAC APIs and URLs are not read yet", remedy)
    path = Path(place)
    return path.parent.resolve(), path


def _matching(region: Region, year: int) -> tuple[Path, list[tuple[Path, dict[str, Any], bytes]]]:
    """The catalogue's folder, and (file, item, content) of the collection's items in the year that touch the outline."""
    root, catalogue = _root(region, year)
    found = [
        (path, item, content)
        for path, item, content in _items(region, year, root, catalogue.resolve())
        if _acquired(region, year, path, item).year == year and _footprint(region, year, path, item).intersects(region.geometry)
    ]
    if not found:
        span = f"from {min(region.years)} to {max(region.years)}"
        remedy = f"Ask for another year ({span} are declared), or add scenes to the catalogue. {_remedy(_declared(region))}"
        raise _refuse(region, year, "no scene touches the outline in that year", remedy)
    return root, sorted(found, key=lambda row: row[0].as_posix())


def _items(region: Region, year: int, root: Path, catalogue: Path) -> Iterator[tuple[Path, dict[str, Any], bytes]]:
    """Items of the region's collection, by walking the catalogue's `child` and `item` links once each."""
    wanted, seen, waiting = _declared(region).collection, {catalogue}, [catalogue]
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


def _json(region: Region, year: int, path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = path.read_bytes()
        node = json.loads(content)
    except OSError:
        raise _refuse(region, year, f"there is no file {path}", _remedy(_declared(region))) from None
    except ValueError as error:
        raise _refuse(region, year, f"{path} is not JSON ({error})", _remedy(_declared(region))) from None
    if not isinstance(node, dict):
        raise _refuse(region, year, f"{path} is not a STAC object", _remedy(_declared(region)))
    return node, content


def _inside(region: Region, year: int | None, root: Path, base: Path, href: Any) -> Path:
    """The file that a relative href of `base` means; refused where it leaves the catalogue's folder."""
    plain = isinstance(href, str) and href and "://" not in href and not PurePosixPath(href).is_absolute()
    target = (base.parent / href).resolve() if plain else None
    if target is None or not target.is_relative_to(root):
        problem = f"{base.name} points to {href!r}, outside the catalogue's folder"
        raise _refuse(region, year, problem, "Use a self-contained catalogue with relative hrefs.")
    return target


def _property(region: Region, year: int, path: Path, item: Mapping[str, Any], *names: str) -> Any:
    listed = item.get("properties")
    properties = listed if isinstance(listed, dict) else {}
    for name in names:
        if properties.get(name) is not None:
            return properties[name]
    problem = f"item {item.get('id', path.name)} lacks the property {' or '.join(names)}"
    raise _refuse(region, year, problem, "Add it to the item.")


def _acquired(region: Region, year: int, path: Path, item: Mapping[str, Any]) -> datetime:
    text = _property(region, year, path, item, "datetime", "start_datetime")
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise _refuse(region, year, f"item {path.name} has the datetime {text!r}", "Write it as RFC 3339, UTC.") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _footprint(region: Region, year: int, path: Path, item: Mapping[str, Any]) -> BaseGeometry:
    try:
        return shape(item["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refuse(region, year, f"item {path.name} has no usable geometry ({error})", "Add the footprint.") from None


def _scene(region: Region, year: int, root: Path, path: Path, item: dict[str, Any]) -> Scene:
    def get(*names: str) -> Any:
        return _property(region, year, path, item, *names)

    def number(*names: str) -> float:
        try:
            return float(str(get(*names)).removeprefix("EPSG:"))
        except ValueError:
            problem = f"item {item.get('id', path.name)} has {get(*names)!r} as {' or '.join(names)}, not a number"
            raise _refuse(region, year, problem, "Mend the item.") from None

    assets = _assets(region, year, item)
    properties = item["properties"]
    acquired = _acquired(region, year, path, item)
    baseline = number("s2:processing_baseline")
    offset_kept = baseline >= bands.S2_OFFSET_BASELINE and not properties.get("earthsearch:boa_offset_applied", False)
    longitude = _footprint(region, year, path, item).centroid.x
    places = {band_id: _inside(region, year, root, path, asset.get("href")) for band_id, asset in assets.items()}
    return Scene(
        scene_id=str(item["id"]),
        acquired=acquired,
        solar_day=(acquired + timedelta(hours=longitude / _DEGREES_PER_HOUR)).date().isoformat(),
        platform=str(get("platform")),
        tile=str(get("s2:mgrs_tile", "grid:code")).removeprefix("MGRS-"),
        cloud_pct=number("eo:cloud_cover"),
        baseline=baseline,
        offset_dn=bands.S2_BOA_OFFSET_DN if offset_kept else 0,
        epsg=int(number("proj:epsg", "proj:code")),
        simulated=bool(properties.get("simulated", False) or _declared(region).simulated),
        hrefs={band_id: place.relative_to(root).as_posix() for band_id, place in places.items()},
        sizes={band_id: int(asset["file:size"]) for band_id, asset in assets.items() if "file:size" in asset},
        checksums={band_id: str(asset["file:checksum"]) for band_id, asset in assets.items() if "file:checksum" in asset},
    )


def _assets(region: Region, year: int, item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The item's assets by band id: all bands of the provider, and SCL."""
    provider = _declared(region).provider
    names = {band.id: band.providers[provider] for band in bands.BANDS.values()} | {SCL_BAND: bands.SCL_ASSETS[provider]}
    listed = item.get("assets")
    found = {name: asset for name, asset in listed.items() if isinstance(asset, dict)} if isinstance(listed, dict) else {}
    missing = [f"{band_id} (asset {name!r})" for band_id, name in names.items() if name not in found]
    if missing:
        problem = f"scene {item.get('id')} lacks bands {', '.join(missing)}; it has {', '.join(sorted(found)) or 'none'}"
        raise _refuse(region, year, problem, "Add the provider's names in mining_platform/bands.py.")
    return {band_id: found[name] for band_id, name in names.items()}


def _asset_path(region: Region, scene: Scene, band_id: str) -> Path:
    root, catalogue = _root(region, scene.acquired.year)
    if band_id not in scene.hrefs:
        raise _damaged(region, scene, band_id, f"is not among its bands {', '.join(scene.hrefs)}")
    return _inside(region, scene.acquired.year, root, root / catalogue.name, scene.hrefs[band_id])


def _damaged(region: Region, scene: Scene, band_id: str, problem: str) -> SourceError:
    remedy = _remedy(_declared(region))
    return _refuse(region, scene.acquired.year, f"scene {scene.scene_id}, band {band_id}: the raster {problem}", remedy)


def _check_asset(region: Region, scene: Scene, band_id: str) -> None:
    path = _asset_path(region, scene, band_id)
    if not path.is_file():
        raise _damaged(region, scene, band_id, f"{path} is absent")
    size = path.stat().st_size
    if size != scene.sizes.get(band_id, size):
        raise _damaged(region, scene, band_id, f"has {size} bytes where its item says {scene.sizes[band_id]}")
    stated = scene.checksums.get(band_id, "")
    if stated.startswith(_SHA2_256) and stated != _SHA2_256 + _sha256(path):
        raise _damaged(region, scene, band_id, "has another sha2-256 than its item says")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
