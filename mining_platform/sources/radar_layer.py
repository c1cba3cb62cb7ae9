"""Radar of whatever source a region names: scenes listed once, channels computed part by part."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.radar import (
    POLARISATIONS,
    SCENE_MARGIN_M,
    RadarRecipe,
    RadarScene,
    declared_recipe,
    of_orbit,
    radar_facts,
    radar_on_grid,
    radar_scenes_of,
    read_around,
)
from mining_platform.regions import Region
from mining_platform.sources import archive_radar, earth_engine_radar, stac_radar
from mining_platform.sources.nearby import count_near
from mining_platform.sources.protocol import Cost, LayerReading, RadarSource, refusal
from mining_platform.sources.stac_metadata.layers import declared_layer

LAYER, THREADS = "radar", 4
RADARS: Mapping[str, RadarSource] = {"stac": stac_radar, "earth_engine": earth_engine_radar, "archive": archive_radar}


def radar_source(region: Region, year: int) -> RadarSource:
    """The source of a region's radar; SourceError where the region has none or names an unknown one."""
    source = declared_layer(region, LAYER, year).source
    if source not in RADARS:
        raise refusal(region, year, source, "no such source of radar", f"Use one of: {', '.join(RADARS)}.")
    return RADARS[source]


def fingerprint_radar(region: Region, year: int) -> dict[str, Any]:
    """See BesideSource."""
    return radar_source(region, year).fingerprint_radar(region, year)


def open_radar_layer(region: Region, year: int, channels: Sequence[str]) -> LayerReading:
    """Channels `S1-VV` and `S1-VH` in dB over a region's grid by the recipe and orbit it names, see BesideSource.

    KeyError for another channel or recipe; SourceError also where the orbit has no scene.
    """
    wanted, source = [_position(channel) for channel in channels], radar_source(region, year)
    recipe = recipe_of(region, year)
    scenes = _of_orbit(region, year, recipe)

    def compute(part: GeoBox) -> NDArray[np.floating]:
        return radar_on_grid(scenes, partial(source.open_radar, region), part, recipe)[wanted]

    simulated = region.beside[LAYER].simulated or any(scene.simulated for scene in scenes)
    return LayerReading(compute, radar_facts(scenes, recipe), simulated, THREADS)


def costs_radar(region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
    """See BesideSource; the scenes are listed where reading them takes something."""
    recipe, source = recipe_of(region, year), radar_source(region, year)
    read = [read_around(geobox, recipe) for geobox in geoboxes]
    once = [source.cost_radar(region, each) for each in read]
    if all(cost == Cost() for cost in once):
        return once
    scenes = _of_orbit(region, year, recipe)
    rasters = count_near([each.footprint for each in scenes], read, SCENE_MARGIN_M, [len(each.hrefs) for each in scenes])
    return [cost * count for cost, count in zip(once, rasters, strict=True)]


def recipe_of(region: Region, year: int) -> RadarRecipe:
    """The recipe of a region's radar; SourceError where the region has none."""
    beside = declared_layer(region, LAYER, year)
    return declared_recipe(beside.recipe, beside.orbit)


def _of_orbit(region: Region, year: int, recipe: RadarRecipe) -> list[RadarScene]:
    """Scenes of the year that the recipe takes; SourceError where there is none."""
    scenes = radar_scenes_of(radar_source(region, year).list_radar(region, year))
    try:
        return of_orbit(scenes, recipe.orbit)
    except ValueError as error:
        name, problem = region.beside[LAYER].source, str(error).rstrip(".")
        raise refusal(
            region, year, name, problem, "Name the other orbit, none, or another recipe, or ask for another year."
        ) from None


def _position(channel: str) -> int:
    names = [f"S1-{name}" for name in POLARISATIONS]
    if channel not in names:
        raise KeyError(f"Channel {channel} is none of Sentinel-1; those are {', '.join(names)}. Ask its own source for it.")
    return names.index(channel)
