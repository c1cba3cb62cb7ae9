"""Composites: the same as a plain computation on random scenes, in bounded memory, an error where a recipe cannot be applied."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from benchmarks.comparison import peak_memory
from mining_platform.clouds.rules import CLOUD_RULES
from mining_platform.compositing.composites import compose_locally
from mining_platform.compositing.recipes import RECIPES, mosaic_recipe
from mining_platform.compositing.reducers import plain_medoid, plain_percentile, values_of_day
from mining_platform.grids import lattice_geobox
from mining_platform.scenes import Scene
from tests.synthetic import EPSG, region

CHANNELS = ("B04", "B03")
MIB = 2**20


def scene(number: int, **fields: Any) -> Scene:
    when = datetime(2024, 1, 1, 14, tzinfo=UTC) + timedelta(days=number)
    told = {"hrefs": {}, "simulated": True, **fields}
    return Scene(f"S{number:03d}", when, when.date().isoformat(), "sentinel-2a", "21MXN", 0.0, 3.0, 0, EPSG, **told)


class Made:
    """Scenes of random pixels on any grid: red and green 0 where there are none, every fourth pixel cloudy."""

    def open_scene_band(self, _region: Any, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
        assert nearest
        height, width = geobox.shape
        seed = np.uint32(int(scene.scene_id[1:]) * 7919 + sum(map(ord, band_id)) * 31)
        row, column = ~geobox.affine * (0, 0)
        down = (np.arange(height) - round(column)).astype(np.uint32)[:, None] * np.uint32(2654435761)
        noise = down ^ ((np.arange(width) - round(row)).astype(np.uint32) * np.uint32(40503))
        values = ((noise ^ seed) * np.uint32(2246822519)) >> np.uint32(16)
        if band_id == "SCL":
            return np.where(values % 4 == 0, 9, 4).astype(np.uint8)
        return np.where(values % 11 == 0, 0, values % 9000 + 1).astype(np.uint16)


def plain(scenes: Sequence[Scene], box: GeoBox, reduce: Callable[..., NDArray[Any]]) -> NDArray[np.int64]:
    """The composite without masks by NumPy, half up."""
    stack = np.stack([[Made().open_scene_band(None, each, name, box, nearest=True) for name in CHANNELS] for each in scenes])
    values = np.where((stack[:, :1] != 0) & (stack != 0), stack, np.nan)
    image = np.floor(np.nan_to_num(reduce(values, axis=0)) + 0.5).astype(np.int64)
    return image * (image > 0).all(axis=0)


@pytest.mark.filterwarnings("ignore:All-NaN slice encountered")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_composite_is_what_numpy_says(count: int) -> None:
    box = lattice_geobox(600_000, 9_299_000, 600_310, 9_299_270, EPSG)
    scenes = [scene(number) for number in range(count)]
    for recipe, reduce in (("all-median", np.nanmedian), ("scl-p25", partial(np.nanpercentile, q=25))):
        found = compose_locally(Made(), region(), scenes, CHANNELS, box, replace(RECIPES[recipe], clouds="none"))
        np.testing.assert_array_equal(found.image, plain(scenes, box, reduce))
        assert (found.observed_count.max(), found.image.dtype) == (count, np.uint16)


def test_every_recipe_names_a_cloud_rule_and_an_unknown_one_is_refused() -> None:
    assert {recipe.clouds for recipe in RECIPES.values()} == set(CLOUD_RULES)
    with pytest.raises(KeyError, match=r"Unknown mosaic recipe 'mean'; known: scl-median.*Add a row"):
        mosaic_recipe("mean")


def test_a_recipe_that_needs_the_suns_place_says_which_scene_lacks_it() -> None:
    box = lattice_geobox(600_000, 9_299_900, 600_100, 9_300_000, EPSG)
    with pytest.raises(ValueError, match="Scene S003 has no usable sun angles"):
        compose_locally(Made(), region(), [scene(3)], CHANNELS, box, RECIPES["probability-median"])


def compose_many(count: int) -> Callable[[], Any]:
    """For `peak_memory`: a composite of so many scenes on 1,024 x 1,024 pixels."""
    box = lattice_geobox(600_000, 9_289_760, 610_240, 9_300_000, EPSG)
    compose_locally(Made(), region(), [scene(0)], CHANNELS, box[:32, :32], RECIPES["scl-median"])  # compiles
    scenes = [scene(number) for number in range(count)]
    return lambda: compose_locally(Made(), region(), scenes, CHANNELS, box, RECIPES["scl-median"])


def days_of_many_scenes() -> Callable[[], Any]:
    """As `compose_many`, eight days of six scenes that fill each other's gaps: as many days as are composed at once."""
    box = lattice_geobox(600_000, 9_289_760, 610_240, 9_300_000, EPSG)
    recipe = RECIPES["all-median"]
    compose_locally(Made(), region(), [scene(0)], CHANNELS, box[:32, :32], recipe)  # compiles
    scenes = [replace(scene(number), solar_day=f"day {number // 6}") for number in range(48)]
    return lambda: compose_locally(Made(), region(), scenes, CHANNELS, box, recipe)


def few() -> Callable[[], Any]:
    return compose_many(4)


def many() -> Callable[[], Any]:
    return compose_many(60)


@pytest.mark.parametrize("recipe", ["scl-median", "scl-p25", "scl-medoid"])
def test_scenes_of_a_day_that_fill_each_other_are_one_day_for_every_reducer(recipe: str) -> None:
    box = lattice_geobox(600_000, 9_299_000, 600_310, 9_299_270, EPSG)
    scenes = [replace(scene(number), solar_day=f"day {number // 3}") for number in range(12)]
    found = compose_locally(Made(), region(), scenes, CHANNELS, box, replace(RECIPES[recipe], clouds="none"))
    numbers = np.stack([[Made().open_scene_band(None, each, name, box, nearest=True) for name in CHANNELS] for each in scenes])
    days = []
    for first, second, third in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        days.append(np.where(first[0] != 0, first, np.where(second[0] != 0, second, third)))
        days[-1][:, days[-1][0] == 0] = 0
    stack = np.stack(days, axis=1)
    expected = {
        "scl-median": lambda: np.stack([plain_percentile(band, 50) for band in stack]),
        "scl-p25": lambda: np.stack([plain_percentile(band, 25) for band in stack]),
        "scl-medoid": lambda: values_of_day(stack, plain_medoid(stack)),
    }[recipe]()
    gap = (expected == 0).any(axis=0)
    np.testing.assert_array_equal(found.image, expected * ~gap)
    np.testing.assert_array_equal(found.clear_count, (stack[0] != 0).sum(axis=0) * ~gap)
    assert (numbers[:, 0] == 0).any()
    assert (stack[1] == 0).any()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_scenes() -> None:
    output = (len(CHANNELS) + 2) * 1024**2 * 2
    assert max(peak_memory(f"{__name__}:{case}") for case in ("few", "many", "days_of_many_scenes")) <= output + 64 * MIB
