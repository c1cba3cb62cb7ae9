"""The rows of the graph from a dataset's sample to its release: `<dataset>/patches` to `<dataset>/package`."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from mining_platform import profiles
from mining_platform.artifacts import Ref
from mining_platform.clouds.rules import CloudRule, cloud_rule, model_digest
from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.dataset_keys import (
    keys_of,
    keys_of_release,
    of_map,
    recipe_config,
    release_keys,
    release_reach,
    reviewed,
    with_map,
)
from mining_platform.dataset_rows import Dataset
from mining_platform.packages.credits import credits_of
from mining_platform.packages.layouts import LAYOUTS
from mining_platform.pipeline import Inputs, Platform, Reach, Step, ref
from mining_platform.regions import Region, required_scenes
from mining_platform.site_files import SitesFile
from mining_platform.sites import sites_fingerprint
from mining_platform.stacks import layers_of


def release_steps(dataset: Dataset, regions: Mapping[str, Region]) -> list[Step]:
    """From the sample to the release."""
    return [_patches(dataset, regions), _splits(dataset), _manifest(dataset, regions), _package(dataset, regions)]


def _scene_patches(dataset: Dataset) -> Step:
    """Patches of single scenes, which rest on the list of scenes; which polygons label them, their file's digest tells."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref(f"{dataset.id}/sample", key), Ref("scenes", key))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        rule = scene_rule(region)
        return {
            "px": dataset.px,
            "pixel_m": dataset.pixel_m,
            "channels": list(profiles.PROFILES[dataset.profile].channels),
            "recipe": recipe_config(dataset),
            "clouds": {**asdict(rule), "model": model_digest(rule)},
            "max_masked_share": dataset.max_masked_share,
            "sites": asdict(scene_sites(dataset)),
            "outside": sites_fingerprint(scene_sites(dataset), year),
        }

    after: tuple[tuple[str, Reach], ...] = ((f"{dataset.id}/sample", "same"), ("scenes", "same"))
    return Step(f"{dataset.id}/patches", "region|year", keys_of(dataset, dataset.years), after, inputs, config, "1")


def scene_rule(region: Region) -> CloudRule:
    """The rule that tells clouds in a region's scenes: that of its mosaics."""
    return cloud_rule(mosaic_recipe(required_scenes(region).recipe).clouds)


def scene_sites(dataset: Dataset) -> SitesFile:
    """The file of sites of a dataset of scenes; ValueError for another dataset."""
    if not isinstance(dataset.points, SitesFile):
        raise ValueError(f"Dataset {dataset.id!r} has no file of sites. Give its row one as `points`.")
    return dataset.points


def _patches(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    if dataset.sample_unit == "scene":
        return _scene_patches(dataset)
    layers = layers_of(profiles.PROFILES[dataset.profile].channels)

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        beside = (Ref(layer, key) for layer in layers)
        return (Ref(f"{dataset.id}/sample", key), Ref("mosaic", key), *beside, *of_map(platform, key, "label"))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        channels = profiles.PROFILES[dataset.profile].channels
        limit = dataset.max_masked_share_other
        other = {} if limit is None else {"max_masked_share_other": limit}
        return {
            "px": dataset.px,
            "channels": list(channels),
            "recipe": recipe_config(dataset),
            "max_masked_share": dataset.max_masked_share,
            **other,
        }

    own: tuple[tuple[str, Reach], ...] = tuple((name, "same") for name in (f"{dataset.id}/sample", "mosaic", *layers))
    after = (*own, *with_map(dataset, regions, "label", "same"))
    return Step(f"{dataset.id}/patches", "region|year", keys_of(dataset, dataset.years), after, inputs, config, "4")


def release_inputs(dataset: Dataset, assets: tuple[str, ...], yearly: tuple[str, ...]) -> Inputs:
    """Of a release: yearly assets of its own, and region assets of every region of the dataset in each of its years."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        years = dataset.years_of(int(key))
        regions = [ref(name, region_id, year) for name in assets for region_id in dataset.regions for year in years]
        return (*(Ref(name, key) for name in yearly), *regions)

    return inputs


def _splits(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        rule = dataset.split
        return {"rule": {**vars(rule), "fractions": dict(rule.fractions), "holdout": list(rule.holdout)}}

    assets, yearly = (f"{dataset.id}/sample",), (f"{dataset.id}/quotas",)
    after: tuple[tuple[str, Reach], ...] = ((assets[0], release_reach(dataset, "year")), (yearly[0], "year"))
    inputs = release_inputs(dataset, assets, yearly)
    return Step(f"{dataset.id}/splits", "year", release_keys(dataset), after, inputs, config, "2", "release")


def _manifest(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    own = tuple(f"{dataset.id}/{stage}" for stage in ("sample", "patches"))
    splits = f"{dataset.id}/splits"

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        keys = keys_of_release(dataset, key)
        maps = [each for k in keys for each in of_map(platform, k, "land_cover")]
        decided = reviewed(platform, dataset, keys)
        return (*release_inputs(dataset, (*own, "scenes"), (splits,))(platform, key), *maps, *decided)

    def config(platform: Platform, _key: str) -> dict[str, Any]:
        countries = {region_id: platform.regions[region_id].country for region_id in dataset.regions}
        return {"profile": dataset.profile, "recipe": dataset.recipe, "countries": countries}

    reach = release_reach(dataset, "year")
    after = (
        *((name, reach) for name in (*own, "scenes", f"{dataset.id}/reviews")),
        *with_map(dataset, regions, "land_cover", reach),
        (splits, "year"),
    )
    return Step(f"{dataset.id}/manifest", "year", release_keys(dataset), after, inputs, config, "4", "release")


def _package(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    yearly = tuple(f"{dataset.id}/{stage}" for stage in ("manifest", "quotas", "splits"))
    stores = f"{dataset.id}/patches"
    clips_maps = LAYOUTS[dataset.layout].clips_maps

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        released = release_inputs(dataset, (stores,), yearly)(platform, key)
        keys = keys_of_release(dataset, key) if clips_maps else ()
        return (*released, *(each for k in keys for each in of_map(platform, k, "land_cover")))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        regions = [platform.regions[name] for name in dataset.regions]
        layers = layers_of(profiles.PROFILES[dataset.profile].channels)
        terms = [each.line for each in credits_of(regions, dataset.years_of(int(key)), dataset.points, layers)]
        return {
            "layout": dataset.layout,
            "title": dataset.title,
            "credits": terms,
            "software": metadata.version("mining-platform"),
        }

    reach = release_reach(dataset, "year")
    clipped = with_map(dataset, regions, "land_cover", reach) if clips_maps else ()
    after: tuple[tuple[str, Reach], ...] = ((stores, reach), *((name, "year") for name in yearly), *clipped)
    return Step(f"{dataset.id}/package", "year", release_keys(dataset), after, inputs, config, "4", "release")
