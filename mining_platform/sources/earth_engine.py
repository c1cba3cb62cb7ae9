"""Scenes of Earth Engine, composed there and read on exactly the grid that is asked for.

Scenes are listed from metadata; a composite names each of them, so that what was listed is what is composed. Collections of
Sentinel-2 are those whose offset of processing baseline 04.00 Earth Engine has removed (`COPERNICUS/S2_SR_HARMONIZED` and its
like); those of Landsat hold tier 1 of Collection 2 Level 2 as it is, a collection a satellite, and make one list of a year.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import geopandas as gpd
import numpy as np
from blake3 import blake3
from odc.geo.geobox import GeoBox

from mining_platform.clouds.rules import cloud_rule
from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.grids import PIXEL_M
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene, scenes_table
from mining_platform.sources.earth_engine_api.expressions import CLEAR_COUNT, OBSERVED_COUNT, composite_expression
from mining_platform.sources.earth_engine_api.listed_scenes import scene_of
from mining_platform.sources.earth_engine_api.listing import (
    check_recipe,
    collections_of,
    footprint_of,
    index_of,
    list_year,
    refuse,
    told,
)
from mining_platform.sources.earth_engine_api.requests import bytes_per_px, read_pixels, request_boxes, workload_tag
from mining_platform.sources.earth_engine_api.session import ask
from mining_platform.sources.protocol import Cost, PixelSource, refusal

PARALLEL_COMPOSITES = 16
"""A composite and its answer take some 100 MB here; and two mosaics made at once stay below 40 requests in flight."""
EECU_S_PER_GIGAVALUE = 60.0
"""Compute unit seconds for 10^9 values (pixels x channels x scenes): a rough guide that was not measured.

Two bytes a value, decoded at 100 MB a second, are 20 s; masks and median are taken for twice as much. The service itself
calls its figures unstable (https://developers.google.com/earth-engine/guides/computation_overview).
"""

_DTYPE = np.uint16


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """See SceneSource; left out are scenes without a layer that the region's recipe joins, or without temperature it needs."""
    images = list_year(region, year).images
    return scenes_table([scene_of(region, year, image) for image in images], [footprint_of(image) for image in images])


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """Source, year, Earth Engine's collections, number of scenes, blake3 of ids and update times, and ids left out."""
    listing = list_year(region, year)
    lines = "\n".join(f"{index_of(image)} {image.get('updateTime', '')}" for image in listing.images)
    return {
        **required_scenes(region).identity,
        "year": year,
        "earth_engine": collections_of(region, year),
        "items": len(listing.images),
        "blake3": blake3(lines.encode()).hexdigest(),
        "dropped": listing.dropped,
    }


def check_scenes(region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
    """SourceError naming a scene that was listed without one of the bands or layers."""
    for scene in scenes:
        missing = [band_id for band_id in ids if band_id not in scene.hrefs]
        if missing:
            problem = f"scene {scene.scene_id} lacks {', '.join(missing)}; it has {', '.join(scene.hrefs) or 'nothing'}"
            remedy = "Name the mosaic recipe in the region file and materialize `scenes` anew, or choose another recipe."
            raise refuse(region, scene.acquired.year, problem, remedy)


def composite(
    region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
) -> Composite:
    """See SceneSource; equal to `compose_locally` on the same pixels where scenes have the grid's CRS.

    Scenes in another CRS are read by nearest neighbour at exact positions; the local reader's are within 0.01 px of them. So
    centres of the grid that lie on edges of native pixels, as every third does on Landsat's own grids, may have the value of
    either neighbour.
    ValueError where a scene's shadows cannot be projected.
    """
    if not scenes:
        image, *counts = (np.zeros(shape, _DTYPE) for shape in ((len(channels), *geobox.shape), geobox.shape, geobox.shape))
        return Composite(image, *counts)
    year = scenes[0].acquired.year
    check_recipe(region, year, recipe)
    check_scenes(region, scenes, [*channels, *cloud_rule(recipe.clouds).layers])
    wanted = _wanted(scenes, channels, recipe, _lattice_epsg(region, geobox))
    names = [*channels, CLEAR_COUNT, OBSERVED_COUNT]
    with told(region, year):
        pixels = read_pixels(_expression(wanted), geobox, names, _DTYPE, workload_tag(f"mosaic-{region.id}"))
    return Composite(pixels[:-2], pixels[-2], pixels[-1])


def pixels(region: Region) -> PixelSource:
    """See SceneSource: Earth Engine is asked for composites only."""
    remedy = "Name the source stac or archive in the region file for datasets of scenes."
    raise refusal(region, None, "earth_engine", "single scenes are not read from Earth Engine, only composites", remedy)


def parallel_composites(_region: Region) -> int:
    """PARALLEL_COMPOSITES."""
    return PARALLEL_COMPOSITES


def cost(_region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
    """Requests and bytes exactly, unless the service wants smaller parts; compute units by EECU_S_PER_GIGAVALUE."""
    count = len(channels) + 2
    parts = [part for geobox in geoboxes for part in request_boxes(geobox, bytes_per_px(count, _DTYPE))]
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    eecu_s = EECU_S_PER_GIGAVALUE * pixels * len(channels) * scene_count / 1e9
    return Cost(len(parts), pixels * count * np.dtype(_DTYPE).itemsize, eecu_s)


def _lattice_epsg(region: Region, geobox: GeoBox) -> int:
    """The grid's CRS; refused where the grid is not on the lattice that masks are made on."""
    epsg, affine = geobox.crs.epsg if geobox.crs else None, geobox.affine
    offsets = {affine.a - PIXEL_M, affine.e + PIXEL_M, affine.b, affine.d, affine.c % PIXEL_M, affine.f % PIXEL_M}
    if epsg is None or offsets != {0}:
        problem = f"the grid {tuple(affine)[:6]} of {geobox.crs} is not on the {PIXEL_M} m lattice of an EPSG code"
        raise refuse(region, None, problem, "Make grids with mining_platform.grids.")
    return int(epsg)


@dataclass(frozen=True)
class _Wanted:
    """What decides an expression, compared by its digest."""

    digest: str
    scenes: tuple[Scene, ...] = field(compare=False)
    channels: tuple[str, ...] = field(compare=False)
    recipe: MosaicRecipe = field(compare=False)
    epsg: int = field(compare=False)


def _wanted(scenes: Sequence[Scene], channels: Sequence[str], recipe: MosaicRecipe, epsg: int) -> _Wanted:
    content = [[asdict(scene) for scene in scenes], list(channels), recipe.id, epsg]
    digest = blake3(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return _Wanted(digest, tuple(scenes), tuple(channels), recipe, epsg)


@lru_cache(maxsize=16)
def _expression(wanted: _Wanted) -> Any:
    """The expression of a composite, made once for the many grids of a mosaic."""
    return ask(lambda ee: composite_expression(ee, wanted.scenes, wanted.channels, wanted.recipe, wanted.epsg))
