"""Tiny inputs with known pixels: a region of a few chunks, land-cover rasters, a static STAC catalogue of scenes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import box, mapping

from mining_platform.bands import BANDS, LAYERS
from mining_platform.grids import project
from mining_platform.profiles import PROFILES
from mining_platform.regions import LandCover, Region, Scenes

EPSG = 32721
LEFT_M, TOP_M = 600_000, 9_300_000  # multiples of 60 m, as corners of Sentinel-2 tiles are
VEGETATION, CLOUD, NODATA = 4, 9, 0  # SCL codes
ALL_BANDS = PROFILES["s2-12"].channels


def outline(width_px: int, height_px: int) -> Any:
    """Polygon in EPSG:4326 whose 10 m grid has its corner at (LEFT_M, TOP_M) and this many pixels."""
    inside = box(LEFT_M + 1, TOP_M - height_px * 10 + 1, LEFT_M + width_px * 10 - 1, TOP_M - 1)
    return project(inside, EPSG, 4326)


def region(
    width_px: int = 120,
    height_px: int = 120,
    *,
    land_cover: LandCover | None = None,
    catalogue: Path | None = None,
    simulated: bool = False,
    years: Sequence[int] = (2023, 2024),
) -> Region:
    """A region at (LEFT_M, TOP_M) over the given sources."""
    scenes = scenes_at(catalogue, simulated=simulated) if catalogue else None
    shape = outline(width_px, height_px)
    return Region("tiny", "Tiny", "BR", tuple(years), EPSG, "full", land_cover, scenes, shape)


def scenes_at(
    place: Path | str,
    *,
    source: str = "stac",
    collection: str = "sentinel-2-l2a",
    recipe: str = "scl-median",
    simulated: bool = False,
) -> Scenes:
    """Scenes of a source at its place."""
    return Scenes(source, collection, "earth-search", recipe, {source: str(place)}, simulated)


def yearly_map(href: Path | str, *, simulated: bool = False, bands: str | None = None) -> LandCover:
    """A land-cover source of collection 8, 2020 to 2024."""
    return LandCover("mapbiomas", "8", str(href), (2020, 2024), bands, simulated)


def write_land_cover(
    path: Path,
    classes: NDArray[np.uint8],
    *,
    affine: Affine | None = None,
    crs: str | None = f"EPSG:{EPSG}",
    nodata: int | None = 0,
    names: Sequence[str] = (),
) -> Path:
    """GeoTIFF of class codes (y, x) or (band, y, x), by default 30 m pixels from (LEFT_M, TOP_M)."""
    stack = classes[None] if classes.ndim == 2 else classes
    affine = affine or Affine(30, 0, LEFT_M, 0, -30, TOP_M)
    count, height, width = stack.shape
    shape = {"count": count, "height": height, "width": width, "dtype": stack.dtype}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", transform=affine, crs=crs, nodata=nodata, **shape) as out:
        out.write(stack)
        for band, name in enumerate(names, start=1):
            out.set_band_description(band, name)
    return path


@dataclass(frozen=True)
class TinyScene:
    """One scene of a catalogue; bands and SCL are a number for every pixel, or native pixels from the scene's corner."""

    id: str
    when: str = "2024-06-01T14:00:00Z"
    cloud_pct: float = 10.0
    baseline: str = "03.01"
    values: ArrayLike | Mapping[str, ArrayLike] = 1000
    """Digital numbers of all bands, or by band id."""
    scl: ArrayLike = VEGETATION
    left_m: int = LEFT_M
    top_m: int = TOP_M
    width_px: int = 120
    height_px: int = 120
    properties: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    """Asset names to leave out."""


def write_catalogue(root: Path, scenes: Sequence[TinyScene]) -> Path:
    """Static STAC catalogue with Earth Search asset names; returns catalog.json."""
    items = [_write_item(root / "s2", scene) for scene in scenes]
    links = [{"rel": "item", "href": f"./{scene.id}/{scene.id}.json"} for scene in scenes]
    collection = {"type": "Collection", "id": "sentinel-2-l2a", "stac_version": "1.0.0", "links": links}
    child = {"rel": "child", "href": "./s2/collection.json"}
    catalogue = {"type": "Catalog", "id": "tiny", "stac_version": "1.0.0", "description": "Tiny.", "links": [child]}
    write_json(root / "s2" / "collection.json", collection)
    assert len(items) == len(scenes)
    return write_json(root / "catalog.json", catalogue)


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def _write_item(folder: Path, scene: TinyScene) -> Path:
    assets = {}
    for band_id in PROFILES["s2-12"].channels:
        band = BANDS[band_id]
        values = scene.values.get(band_id, 1000) if isinstance(scene.values, Mapping) else scene.values
        assets[band.providers["earth-search"]] = _write_asset(folder, scene, f"{band_id}.tif", values, band.gsd_m, "uint16")
    assets[LAYERS["SCL"].providers["earth-search"]] = _write_asset(folder, scene, "SCL.tif", scene.scl, 20, "uint8")
    right, bottom = scene.left_m + scene.width_px * 10, scene.top_m - scene.height_px * 10
    footprint = project(box(scene.left_m, bottom, right, scene.top_m), EPSG, 4326)
    properties = {
        "datetime": scene.when,
        "platform": "sentinel-2a",
        "eo:cloud_cover": scene.cloud_pct,
        "s2:processing_baseline": scene.baseline,
        "proj:epsg": EPSG,
        "grid:code": "MGRS-21MXN",
        **scene.properties,
    }
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.id,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": {name: value for name, value in properties.items() if value is not None},
        "assets": {name: asset for name, asset in assets.items() if name not in scene.without},
        "links": [],
    }
    return write_json(folder / scene.id / f"{scene.id}.json", item)


def _write_asset(folder: Path, scene: TinyScene, name: str, values: ArrayLike, gsd_m: int, dtype: str) -> dict[str, Any]:
    shape = (-(-scene.height_px * 10 // gsd_m), -(-scene.width_px * 10 // gsd_m))
    native = np.broadcast_to(np.asarray(values, dtype), shape)
    affine = Affine(gsd_m, 0, scene.left_m, 0, -gsd_m, scene.top_m)
    path = folder / scene.id / name
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    raster = {"count": 1, "height": shape[0], "width": shape[1], "dtype": dtype, "crs": f"EPSG:{EPSG}", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", transform=affine, **raster, **tiles) as out:
        out.write(native, 1)
    content = path.read_bytes()
    checksum = "1220" + hashlib.sha256(content).hexdigest()
    return {"href": f"./{name}", "type": "image/tiff", "file:size": len(content), "file:checksum": checksum}
