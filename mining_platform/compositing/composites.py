"""Scenes on one grid -> one cloud-free composite, by a recipe. Memory is bounded whatever the number of scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.clouds.rules import clear_and_observed, cloud_rule
from mining_platform.compositing import reducers
from mining_platform.compositing.medians import median_of_values
from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region
from mining_platform.scenes import Scene, SolarDay, harmonised, solar_days
from mining_platform.sources.protocol import PixelSource

STRIP_BYTES = 24 * 2**20
"""Most bytes that a strip takes for all its days; more days make lower strips."""
BYTES_A_DAY = {"median": 3, "percentile": 3, "medoid": 8}
"""By reducer, bytes for a pixel and day: what is taken, one band, and for the medoid distances and validity."""


@dataclass(frozen=True)
class DayTakes:
    """From which scene of one solar day each pixel is taken."""

    scenes: tuple[Scene, ...]
    """Those of which some pixel is taken."""
    place: NDArray[np.unsignedinteger]
    """(y, x) 1 for the first of the scenes, 2 for the second ...; 0 where no scene is clear. A byte, however many scenes."""


@dataclass(frozen=True)
class _Work:
    """What the functions below read scenes with."""

    source: PixelSource
    region: Region
    channels: tuple[str, ...]
    recipe: MosaicRecipe

    def layer(self, scene: Scene, band_id: str, geobox: GeoBox) -> NDArray[Any]:
        return self.source.open_scene_band(self.region, scene, band_id, geobox, nearest=True)

    def band(self, scene: Scene, band_id: str, geobox: GeoBox) -> NDArray[np.uint16]:
        nearest = self.recipe.resampling == "nearest"
        numbers = self.source.open_scene_band(self.region, scene, band_id, geobox, nearest=nearest)
        return harmonised(numbers, scene) if bands.band(band_id).unit == "reflectance" else numbers


def compose_locally(
    source: PixelSource, region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
) -> Composite:
    """The composite of scenes that are read band by band.

    Scenes of one solar day count once: the least cloudy first, its gaps filled from the others. A pixel has a value where
    every channel has a clear one. Raises as the source does, and ValueError where the recipe cannot be applied to a scene.
    """
    work, days = _Work(source, region, tuple(channels), recipe), solar_days(scenes)
    rows = strip_rows(geobox, len(days), recipe)
    strips = [_compose_strip(work, days, geobox[top : top + rows, :]) for top in range(0, geobox.shape[0], rows)]
    return Composite(
        np.concatenate([strip.image for strip in strips], axis=1),
        np.concatenate([strip.clear_count for strip in strips]),
        np.concatenate([strip.observed_count for strip in strips]),
    )


def strip_rows(geobox: GeoBox, days: int, recipe: MosaicRecipe) -> int:
    """Rows of a grid that are composed at a time: as few strips as stay within STRIP_BYTES, of even height."""
    height, width = geobox.shape
    most = max(STRIP_BYTES // (max(days, 1) * width * BYTES_A_DAY[recipe.reducer]), 1)
    return -(-height // -(-height // min(most, height)))


def _compose_strip(work: _Work, days: Sequence[SolarDay], box: GeoBox) -> Composite:
    takes, observed_count = _takes(work, days, box)
    image = np.zeros((len(work.channels), *box.shape), np.uint16)
    clear_count = np.zeros(box.shape, np.uint16)
    for day in takes:
        clear_count += day.place != 0
    if takes:
        _reduce(work, takes, box, image)
    gap = (image == 0).any(axis=0)
    image[:, gap] = 0
    clear_count[gap] = 0
    return Composite(image, clear_count, observed_count)


def _takes(work: _Work, days: Sequence[SolarDay], box: GeoBox) -> tuple[list[DayTakes], NDArray[np.uint16]]:
    """The days that have clear pixels, and the number of days with data (y, x)."""
    rule, found = cloud_rule(work.recipe.clouds), []
    observed_count = np.zeros(box.shape, np.uint16)
    for day in days:
        scenes: list[Scene] = []
        place, seen = np.zeros(box.shape, np.min_scalar_type(len(day))), np.zeros(box.shape, bool)
        for scene in day:
            clear, observed = clear_and_observed(rule, scene, work.channels, partial(work.layer, scene), box)
            take = clear & (place == 0)
            seen |= observed
            if take.any():
                scenes.append(scene)
                place[take] = len(scenes)
        observed_count += seen
        if scenes:
            found.append(DayTakes(tuple(scenes), place))
    return found, observed_count


def _reduce(work: _Work, takes: Sequence[DayTakes], box: GeoBox, image: NDArray[np.uint16]) -> None:
    """Fill (band, y, x) with the recipe's reduction over days."""
    recipe = work.recipe
    if recipe.reducer == "medoid":
        _medoid(work, takes, box, image)
        return
    for band, channel in enumerate(work.channels):
        stack = _stack(work, takes, channel, box)
        if recipe.reducer == "percentile" and recipe.percentile is not None:
            image[band] = reducers.percentile_of_values(stack, recipe.percentile)
        else:
            image[band] = median_of_values(stack)


def _medoid(work: _Work, takes: Sequence[DayTakes], box: GeoBox, image: NDArray[np.uint16]) -> None:
    """All bands of the day nearest to the median; bands are read twice, so that one band of all days is held at a time.

    What is no reflectance has no part in the distance, since a kelvin is no share of light; the day needs a value of it.
    """
    distance = np.zeros((len(takes), *box.shape), np.uint32)
    valid = np.ones((len(takes), *box.shape), bool)
    for channel in work.channels:
        stack = _stack(work, takes, channel, box)
        if bands.band(channel).unit == "reflectance":
            reducers.add_distance(distance, valid, stack, median_of_values(stack))
        else:
            np.logical_and(valid, stack, out=valid)
    chosen = reducers.nearest_day(distance, valid)
    for band, channel in enumerate(work.channels):
        image[band] = reducers.values_of_day(_stack(work, takes, channel, box), chosen)


def _stack(work: _Work, takes: Sequence[DayTakes], channel: str, box: GeoBox) -> NDArray[np.uint16]:
    """Clear harmonised digital numbers of a channel, (day, y, x); 0 where the day has none."""
    stack = np.zeros((len(takes), *box.shape), np.uint16)
    for values, day in zip(stack, takes, strict=True):
        for place, scene in enumerate(day.scenes, start=1):
            np.copyto(values, work.band(scene, channel, box), where=day.place == place)
    return stack
