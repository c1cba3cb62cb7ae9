"""Radar of whatever source a region names: scenes listed once, channels computed part by part."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.radar import (
    DEFAULT_RADAR_RECIPE,
    POLARISATIONS,
    of_orbit,
    radar_facts,
    radar_on_grid,
    radar_recipe,
    radar_scenes_of,
)
from mining_platform.regions import Region
from mining_platform.sources import archive_radar, earth_engine_radar, stac_radar
from mining_platform.sources.protocol import LayerReading, RadarSource, refusal
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


def open_radar_layer(region: Region, year: int, channels: Sequence[str], recipe_id: str = DEFAULT_RADAR_RECIPE) -> LayerReading:
    """Channels `S1-VV` and `S1-VH` in dB over a region's grid, see BesideSource; KeyError for another channel or recipe.

    SourceError also where the recipe's orbit has no scene.
    """
    wanted, recipe = [_position(channel) for channel in channels], radar_recipe(recipe_id)
    source = radar_source(region, year)
    scenes = radar_scenes_of(source.list_radar(region, year))
    try:
        of_orbit(scenes, recipe.orbit)
    except ValueError as error:
        name = region.beside[LAYER].source
        raise refusal(region, year, name, str(error).rstrip("."), "Ask for another recipe, or another year.") from None

    def compute(part: GeoBox) -> NDArray[np.floating]:
        return radar_on_grid(scenes, partial(source.open_radar, region), part, recipe)[wanted]

    simulated = region.beside[LAYER].simulated or any(scene.simulated for scene in scenes)
    return LayerReading(compute, radar_facts(scenes, recipe), simulated, THREADS)


def _position(channel: str) -> int:
    names = [f"S1-{name}" for name in POLARISATIONS]
    if channel not in names:
        raise KeyError(f"Channel {channel} is none of Sentinel-1; those are {', '.join(names)}. Ask its own source for it.")
    return names.index(channel)
