"""What the rows of a dataset's family share: their partitions, how these reach those of a release, and settings as JSON."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mining_platform.artifacts import Ref, current_digest
from mining_platform.dataset_rows import ALL_YEARS, Dataset
from mining_platform.labels.recipes import RECIPES
from mining_platform.pipeline import Platform, Reach, key_parts
from mining_platform.regions import Region


def keys_of(dataset: Dataset, years: Iterable[int]) -> tuple[str, ...]:
    """`region|year` of all the dataset's regions in some years, sorted."""
    return tuple(sorted(f"{region_id}|{year}" for region_id in dataset.regions for year in years))


def keys_of_release(dataset: Dataset, release: str) -> tuple[str, ...]:
    """`region|year` of all that a release holds, by region, then year."""
    return tuple(f"{region_id}|{year}" for region_id in sorted(dataset.regions) for year in dataset.years_of(int(release)))


def in_release(dataset: Dataset, key: str) -> tuple[str, ...]:
    """`region|year` of the same region in all years of the release that a `region|year` is of."""
    region_id, year = key_parts(key)
    return tuple(f"{region_id}|{each}" for each in dataset.years_of(dataset.release_of(int(year))))


def release_keys(dataset: Dataset) -> tuple[str, ...]:
    """The releases of a dataset as partition keys, sorted."""
    return tuple(map(str, dataset.releases))


def release_reach(dataset: Dataset, within_a_year: Reach) -> Reach:
    """How a member of the family reaches the years of its release."""
    return "release" if dataset.release == ALL_YEARS else within_a_year


def with_map(dataset: Dataset, regions: Mapping[str, Region], asset: str, reach: Reach) -> tuple[tuple[str, Reach], ...]:
    """The asset, made of a region's land-cover map, as what a family comes after, where all of the dataset's regions have one."""
    mapped = all(regions[region_id].land_cover is not None for region_id in dataset.regions)
    return ((asset, reach),) if mapped else ()


def of_map(platform: Platform, key: str, asset: str) -> tuple[Ref, ...]:
    """An input made of the region's land-cover map, where it has one."""
    return (Ref(asset, key),) if platform.region_year(key)[0].land_cover is not None else ()


def reviewed(platform: Platform, dataset: Dataset, keys: Iterable[str]) -> tuple[Ref, ...]:
    """The published decisions on regions and years, `region|year`; where there are none, nobody decided anything."""
    refs = (Ref(f"{dataset.id}/reviews", key) for key in keys)
    return tuple(each for each in refs if current_digest(platform.artifacts, each) is not None)


def jsonable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with sets as sorted lists, and infinite limits as null."""
    plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in row.items()}
    return {name: None if value == math.inf else value for name, value in plain.items()}


def recipe_config(dataset: Dataset) -> dict[str, Any]:
    """The label recipe's row, JSON-able."""
    return jsonable(vars(RECIPES[dataset.recipe]))
