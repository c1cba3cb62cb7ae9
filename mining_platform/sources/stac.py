"""Scenes of STAC: APIs over https, and static catalogues on disk. The region's place says which of the two it is."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import geopandas as gpd
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.compositing.composites import compose_locally
from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region, expand, required_scenes
from mining_platform.scenes import Scene, scenes_table
from mining_platform.sources import rasters
from mining_platform.sources.listed_files import problem_of_file
from mining_platform.sources.protocol import Cost, PixelSource, SourceError
from mining_platform.sources.rasters import RasterError, read_scene_band
from mining_platform.sources.remote.costs import cost_of_ranges
from mining_platform.sources.remote.network import NetworkError, checked_url, is_url
from mining_platform.sources.stac_metadata import apis as stac_apis
from mining_platform.sources.stac_metadata import catalogues as stac_catalogues
from mining_platform.sources.stac_metadata.declared_source import refuse
from mining_platform.sources.stac_metadata.items import ListedScene, newest_products

MAX_PARALLEL = 8


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """Scenes of the calendar year (UTC) that touch the outline: `scenes.scenes_table`, by scene_id.

    Of several products of one acquisition the newest is listed. SourceError where there are none; see
    `stac_metadata.apis` and `stac_metadata.catalogues` for what else raises.
    """
    found, _ = _newest(region, year)
    return scenes_table([row.scene for row in found], [row.footprint for row in found])


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """The region's source, number of scenes, blake3 over what identifies their items, and how many were `superseded`, if any.

    Superseded are older products of the same acquisitions. SourceError as in `list_scenes`.
    """
    found, left_out = _newest(region, year)
    hasher = blake3()
    for row in found:
        hasher.update(row.identity)
    superseded = {"superseded": left_out} if left_out else {}
    counts = {"year": year, "items": len(found), "blake3": hasher.hexdigest(), **superseded}
    return required_scenes(region).identity | counts


def check_scenes(region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
    """SourceError naming scene and band where a raster is absent, or at hand with another size or sha2-256 than stated."""
    for scene in scenes:
        for band_id in ids:
            href = _href(region, scene, band_id)
            if is_url(href):
                continue
            path = stac_catalogues.raster_file(region, scene, href)
            problem = problem_of_file(path, scene.sizes.get(band_id), scene.checksums.get(band_id, ""))
            if problem:
                raise _damaged(region, scene, band_id, f"{path} {problem}")


def open_scene_band(region: Region, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    """See PixelSource."""
    with _told(region, scene, band_id):
        return read_scene_band(_place(region, scene, band_id), scene, band_id, geobox, nearest=nearest)


def scene_grid(region: Region, scene: Scene, band_id: str) -> GeoBox:
    """See PixelSource."""
    with _told(region, scene, band_id):
        return rasters.scene_grid(_place(region, scene, band_id), scene)


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


def cost(region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
    """See SceneSource; `remote.costs.cost_of_ranges` for rasters of a service."""
    return cost_of_ranges(region, scene_count, channels, geoboxes) if _is_api(region) else Cost()


def _is_api(region: Region) -> bool:
    return is_url(expand(required_scenes(region).href))


def _newest(region: Region, year: int) -> tuple[list[ListedScene], int]:
    """Scenes by id, and how many older products of the same acquisitions were left out."""
    source = stac_apis if _is_api(region) else stac_catalogues
    found = list(source.found_scenes(region, year))
    if not found:
        span = f"from {min(region.years)} to {max(region.years)}"
        remedy = f"Ask for another year ({span} are declared). {source.remedy(region)}"
        raise refuse(region, year, "no scene touches the outline in that year", remedy)
    newest = newest_products(found)
    return newest, len(found) - len(newest)


@contextmanager
def _told(region: Region, scene: Scene, band_id: str) -> Iterator[None]:
    """SourceError naming scene and band in place of what reading a raster raises."""
    try:
        yield
    except (RasterError, NetworkError) as error:
        raise _damaged(region, scene, band_id, str(error).rstrip(".")) from None


def _place(region: Region, scene: Scene, band_id: str) -> str:
    """Where a raster is read from: a URL that may be reached, or a file."""
    href = _href(region, scene, band_id)
    return checked_url(href) if is_url(href) else str(stac_catalogues.raster_file(region, scene, href))


def _href(region: Region, scene: Scene, band_id: str) -> str:
    if band_id not in scene.hrefs:
        raise _damaged(region, scene, band_id, f"is not among those of the scene: {', '.join(scene.hrefs)}")
    return scene.hrefs[band_id]


def _damaged(region: Region, scene: Scene, band_id: str, problem: str) -> SourceError:
    source = stac_apis if is_url(scene.hrefs.get(band_id, "")) else stac_catalogues
    where = f"scene {scene.scene_id}, band {band_id}"
    return refuse(region, scene.acquired.year, f"{where}: the raster {problem}", source.remedy(region))
