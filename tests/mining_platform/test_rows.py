"""Tables: rows fit together."""

import pytest

from mining_platform import bands, profiles, regions, scene_collections
from mining_platform.clouds.rules import CLOUD_RULES
from mining_platform.compositing.recipes import RECIPES as MOSAIC_RECIPES
from mining_platform.dataset_rows import POINTS_MINING
from mining_platform.datasets import DATASETS, dataset
from mining_platform.labels.recipes import RECIPES
from mining_platform.packages.credits import LAND_COVER_CREDITS, SCENE_CREDITS
from mining_platform.ranges import RANGES
from mining_platform.sources import router


def test_there_are_eleven_ranges() -> None:
    assert len(RANGES) == 11
    assert RANGES[:3] == ("000", "000_010", "010_020")
    assert RANGES[-1] == "090_100"


def test_the_range_dataset_wants_what_the_document_gives() -> None:
    quotas = DATASETS["ranges"].quotas
    assert quotas["000"] == 1300
    assert [quotas[name] for name in RANGES[1:]] == [130] * 10
    assert sum(quotas.values()) == 2600


@pytest.mark.parametrize("row", DATASETS.values(), ids=lambda row: row.id)
def test_a_dataset_row_fits_the_other_tables(row: object) -> None:
    made = dataset(row.id)
    assert made.profile in profiles.PROFILES
    assert made.recipe in RECIPES
    assert set(made.quotas) == set(RANGES) or (made.points is not None and POINTS_MINING in made.quotas)
    assert abs(sum(made.split.fractions.values()) - 1) < 1e-12
    assert made.split.block_m % (made.window_px * 10) == 0, "blocks part windows cleanly only if they are whole windows"


def test_siblings_cover_the_same_regions_and_years() -> None:
    for name in ("ranges", "sim_ranges"):
        assert (DATASETS[name].regions, DATASETS[name].years) == (DATASETS[f"{name}_48"].regions, DATASETS[f"{name}_48"].years)


@pytest.mark.parametrize(
    ("look_up", "remedy"),
    [(dataset, "datasets.py"), (bands.band, "bands.py"), (profiles.profile, "profiles.py"), (bands.band_of_role, "bands.py")],
)
def test_an_unknown_row_is_refused_with_the_remedy(look_up: object, remedy: str) -> None:
    with pytest.raises(KeyError, match=remedy):
        look_up("nonsense")


def test_bands_are_found_by_role() -> None:
    assert bands.band_of_role("nir") == "B08"
    assert bands.band_of_role("red", ("B04", "B03", "B02")) == "B04"


def test_the_region_file_may_name_just_the_sources_that_the_router_knows() -> None:
    assert set(regions.LAND_COVER_SOURCES) == set(router.LAND_COVERS)
    assert set(regions.SCENE_SOURCES) == set(router.SCENES)


def test_every_source_and_sensor_has_its_credit() -> None:
    assert set(LAND_COVER_CREDITS) == {"simulated", *regions.LAND_COVER_SOURCES}
    assert set(SCENE_CREDITS) == {"simulated", *(row.sensor for row in scene_collections.COLLECTIONS.values())}


def test_collections_profiles_and_recipes_name_rows_that_exist() -> None:
    for row in scene_collections.COLLECTIONS.values():
        assert {bands.BANDS[band_id].sensor for band_id in profiles.PROFILES[row.profile].channels} == {row.sensor}
        assert row.recipe in MOSAIC_RECIPES
        assert {*row.stac, *row.earth_engine.values()} <= set(bands.PROVIDERS)
    for recipe in MOSAIC_RECIPES.values():
        assert set(CLOUD_RULES[recipe.clouds].layers) <= {*bands.BANDS, *bands.LAYERS}
        assert (recipe.percentile is not None) == (recipe.reducer == "percentile")
    providers = {name for row in (*bands.BANDS.values(), *bands.LAYERS.values()) for name in row.providers}
    assert providers == set(bands.PROVIDERS)
