"""Scenes in a folder of this machine: Sentinel-2 products, scenes in Earth Search's layout, Landsat Collection 2 products.

The folder is walked whatever its depth. A scene is
1. a folder with the name of a Sentinel-2 product (`archives.safe`), as SAFE or with the same files as COG;
2. a folder `<id>` with a STAC item `<id>.json`, whose assets lie beside it (`archives.items`);
3. a folder with the name of a Landsat Collection 2 Level 2 product (`archives.landsat`).
Of one acquisition that is there in several processings the newest counts. Rasters are opened when they are read.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.compositing.composites import compose_locally
from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene, scenes_table
from mining_platform.sources import rasters
from mining_platform.sources.archives.folders import FolderError, Found, epsg_of, path_within, raster_box
from mining_platform.sources.archives.listing import listing, remedy_of, root_of
from mining_platform.sources.listed_files import problem_of_file
from mining_platform.sources.protocol import Cost, PixelSource, SourceError
from mining_platform.sources.rasters import RasterError, read_scene_band
from mining_platform.sources.stac_metadata.declared_source import refuse

MAX_PARALLEL = 8
CLOUD_CODES = (8, 9, 10)  # cloud of medium and of high probability, thin cirrus: what the products' own cloud share counts
HEAD_BYTES, TAIL_BYTES = 16_384, 4_096
"""Of a raster without checksum, its fingerprint takes the ends, where TIFF and JPEG 2000 keep the sizes of their tiles."""


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """See SceneSource. SourceError also for a scene whose name, metadata and files contradict each other.

    The cloud share is the metadata's. Where they state none it is counted in the scene classification, if there is one,
    and 0 if not: which pixels are clear is decided by a scene's mask in any case.
    """
    listed = listing(region, year)
    scenes = [_with_clouds(region, listed.root, found) for found in listed.found]
    return scenes_table(scenes, [found.footprint for found in listed.found])


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """See SceneSource: `blake3` is over places and metadata files, and over sizes and ends of rasters without checksum.

    `superseded` counts older processings of the same acquisitions, where there are any. Times of files play no part, so
    that a copied archive has the fingerprint of its original.
    """
    listed = listing(region, year)
    hasher = blake3()
    for found in listed.found:
        for place in found.metadata:
            _add(hasher, place, (listed.root / place).read_bytes())
        for band_id, place in sorted(found.scene.hrefs.items()):
            _add(hasher, place, ends_of_file(listed.root / place, stated=band_id in found.scene.checksums))
    superseded = {"superseded": len(listed.superseded)} if listed.superseded else {}
    counts = {"year": year, "items": len(listed.found), "blake3": hasher.hexdigest(), **superseded}
    return required_scenes(region).identity | counts


def check_scenes(region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
    """See SceneSource: each raster is there, with the size, checksum and CRS that were listed."""
    root = root_of(region, None)
    for scene in scenes:
        for band_id in ids:
            path = _path(region, root, scene, band_id)
            if problem := _problem(root, scene, band_id, path):
                raise _damaged(region, scene, band_id, problem)


def open_scene_band(region: Region, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    """See PixelSource."""
    path = _path(region, root_of(region, scene.acquired.year), scene, band_id)
    try:
        return read_scene_band(str(path), scene, band_id, geobox, nearest=nearest)
    except RasterError as error:
        raise _damaged(region, scene, band_id, str(error)) from None


def scene_grid(region: Region, scene: Scene, band_id: str) -> GeoBox:
    """See PixelSource."""
    path = _path(region, root_of(region, scene.acquired.year), scene, band_id)
    try:
        return rasters.scene_grid(str(path), scene)
    except RasterError as error:
        raise _damaged(region, scene, band_id, str(error)) from None


def pixels(region: Region) -> PixelSource:  # noqa: ARG001 - the same for every region
    """See SceneSource."""
    return cast(PixelSource, sys.modules[__name__])


def composite(
    region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
) -> Composite:
    """See SceneSource."""
    return compose_locally(pixels(region), region, scenes, channels, geobox, recipe)


def parallel_composites(region: Region) -> int:  # noqa: ARG001 - the same for every region
    """See SceneSource."""
    return min(MAX_PARALLEL, os.cpu_count() or 1)


def cost(region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:  # noqa: ARG001
    """See SceneSource: files at hand cost nothing."""
    return Cost()


def _with_clouds(region: Region, root: Path, found: Found) -> Scene:
    """The scene, with its cloud share counted over the pixels of its scene classification that have data."""
    scene = found.scene
    if found.clouds_known or bands.SCL not in scene.hrefs:
        return scene
    try:
        grid = raster_box(root, scene.hrefs[bands.SCL])
    except FolderError as error:
        raise _damaged(region, scene, bands.SCL, str(error)) from None
    counts = np.bincount(open_scene_band(region, scene, bands.SCL, grid, nearest=True).ravel(), minlength=256)
    cloudy, seen = counts[list(CLOUD_CODES)].sum(), counts[1:].sum()
    return replace(scene, cloud_pct=round(100 * float(cloudy) / max(int(seen), 1), 4))


def _add(hasher: blake3, place: str, content: bytes) -> None:
    hasher.update(f"{place}\n{len(content)}\n".encode())
    hasher.update(content)


def ends_of_file(path: Path, *, stated: bool) -> bytes:
    """Size of a raster, and its first and last bytes unless the metadata state its checksum."""
    if not path.is_file():
        return b"absent"
    size = path.stat().st_size
    if stated:
        return b"%d" % size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(size - TAIL_BYTES, 0))
        return b"%d\n" % size + head + file.read()


def _path(region: Region, root: Path, scene: Scene, band_id: str) -> Path:
    if band_id not in scene.hrefs:
        raise _damaged(region, scene, band_id, f"is not among those of the scene: {', '.join(scene.hrefs)}")
    try:
        return path_within(root, scene.hrefs[band_id])
    except FolderError as error:
        raise _damaged(region, scene, band_id, str(error)) from None


def _problem(root: Path, scene: Scene, band_id: str, path: Path) -> str | None:
    """What is wrong with a raster that was listed; None if nothing."""
    place = scene.hrefs[band_id]
    if problem := problem_of_file(path, scene.sizes.get(band_id), scene.checksums.get(band_id, "")):
        return f"{place} {problem}"
    try:
        epsg = epsg_of(raster_box(root, place))
    except FolderError as error:
        return str(error)
    return None if epsg == scene.epsg else f"{place} is in EPSG:{epsg} where the scene's metadata say EPSG:{scene.epsg}"


def _damaged(region: Region, scene: Scene, band_id: str, problem: str) -> SourceError:
    where = f"scene {scene.scene_id}, band {band_id}"
    return refuse(region, scene.acquired.year, f"{where}: the raster {problem.rstrip('.')}", remedy_of(region))
