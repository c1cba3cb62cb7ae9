"""The rows of the graph that a dataset's family is made of: `<dataset>/candidates` to `<dataset>/package`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from shapely.geometry import mapping as geojson_of

from mining_platform import profiles
from mining_platform.artifacts import Ref, current_digest
from mining_platform.clouds.rules import CloudRule, cloud_rule, model_digest
from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.datasets import Dataset
from mining_platform.labels.recipes import RECIPES
from mining_platform.negatives import NEGATIVES
from mining_platform.packages.credits import credits_of
from mining_platform.packages.layouts import LAYOUTS
from mining_platform.pipeline import Inputs, Platform, Reach, Step, key_parts, ref
from mining_platform.point_files import PointsFile
from mining_platform.points import points_fingerprint
from mining_platform.regions import Region, required_scenes
from mining_platform.reviews.publishing import REVIEWS_VERSION
from mining_platform.site_files import SitesFile
from mining_platform.sites import sites_fingerprint
from mining_platform.stacks import layers_of
from mining_platform.territory_files import territory_fingerprints

DATASET_STAGES = ("candidates", "quotas", "sample", "patches", "splits", "manifest", "package")


def drawing_steps(dataset: Dataset, regions: Mapping[str, Region]) -> tuple[Step, ...]:
    """From the map or the points to the sample, with what people decide about its windows."""
    return _reviews(dataset), _candidates(dataset, regions), _quotas(dataset), _sample(dataset)


def release_steps(dataset: Dataset, regions: Mapping[str, Region]) -> list[Step]:
    """From the sample to the release."""
    return [_patches(dataset, regions), _splits(dataset), _manifest(dataset, regions), _package(dataset, regions)]


def outline_of(region: Region) -> dict[str, Any]:
    """The region's place, as part of a configuration."""
    return {"epsg": region.epsg, "outline": geojson_of(region.geometry)}


def _dataset_keys(dataset: Dataset) -> tuple[str, ...]:
    return tuple(sorted(f"{region_id}|{year}" for region_id in dataset.regions for year in dataset.years))


def _keys_of_year(dataset: Dataset, year: str) -> tuple[str, ...]:
    return tuple(f"{region_id}|{year}" for region_id in sorted(dataset.regions))


def _year_keys(dataset: Dataset) -> tuple[str, ...]:
    return tuple(str(year) for year in sorted(dataset.years))


def _with_map(dataset: Dataset, regions: Mapping[str, Region], asset: str) -> tuple[tuple[str, Reach], ...]:
    """The asset, made of a region's land-cover map, as what a family comes after, where all of the dataset's regions have one."""
    mapped = all(regions[region_id].land_cover is not None for region_id in dataset.regions)
    return ((asset, "same"),) if mapped else ()


def _of_map(platform: Platform, key: str, asset: str) -> tuple[Ref, ...]:
    """An input made of the region's land-cover map, where it has one."""
    return (Ref(asset, key),) if platform.region_year(key)[0].land_cover is not None else ()


def _reviews(dataset: Dataset) -> Step:
    """Made by people who look at patches, and so no step of the plan: sample, patches and reviews would wait for each other."""

    def inputs(_platform: Platform, _key: str) -> tuple[Ref, ...]:
        return ()

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {}

    keys = _dataset_keys(dataset)
    return Step(f"{dataset.id}/reviews", "region|year", keys, (), inputs, config, REVIEWS_VERSION, external=True)


def _reviewed(platform: Platform, dataset: Dataset, keys: Iterable[str]) -> tuple[Ref, ...]:
    """The published decisions on regions and years, `region|year`; where there are none, nobody decided anything."""
    refs = (Ref(f"{dataset.id}/reviews", key) for key in keys)
    return tuple(each for each in refs if current_digest(platform.artifacts, each) is not None)


def _candidates(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return _of_map(platform, key, "land_cover")

    def config(platform: Platform, key: str) -> dict[str, Any]:
        told: dict[str, Any] = {"px": dataset.window_px, "recipe": recipe_config(dataset), "seed": dataset.seed}
        told["allow_overlap"] = dataset.allow_overlap
        told |= {"filter": _jsonable(asdict(dataset.window_filter)), "territories": territory_fingerprints(dataset.window_filter)}
        if dataset.points is not None:
            told |= {"points": asdict(dataset.points), "outside": _fingerprint(dataset.points, int(key_parts(key)[1]))}
            told |= {"wanted": sorted(dataset.quotas), "negatives": _negatives(list(dataset.quotas))}
            return {**told, **outline_of(platform.region_year(key)[0])}
        negatives = {"shares": dict(dataset.negatives), "rules": _negatives(list(dataset.negatives))}
        sliding = {"step_px": dataset.sliding_px, "from": dataset.sliding_from} if dataset.sliding_px else None
        return {**told, "zero_candidates": dataset.zero_candidates, "negatives": negatives, "sliding": sliding}

    after = _with_map(dataset, regions, "land_cover")
    return Step(f"{dataset.id}/candidates", "region|year", _dataset_keys(dataset), after, inputs, config, "2")


def _fingerprint(named: PointsFile | SitesFile, year: int) -> dict[str, Any]:
    """What identifies the content of a file of points, or of sites in a year."""
    return sites_fingerprint(named, year) if isinstance(named, SitesFile) else points_fingerprint(named)


def _negatives(names: list[str]) -> list[dict[str, Any]]:
    """The rows of negative recipes, JSON-able, in order; what is no recipe is left out."""
    return [_jsonable(asdict(NEGATIVES[name])) for name in names if name in NEGATIVES]


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with sets as sorted lists, and infinite limits as null."""
    plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in row.items()}
    return {name: None if value == math.inf else value for name, value in plain.items()}


def recipe_config(dataset: Dataset) -> dict[str, Any]:
    """The label recipe's row, JSON-able."""
    return _jsonable(asdict(RECIPES[dataset.recipe]))


def _quotas(dataset: Dataset) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        found = (ref(f"{dataset.id}/candidates", region_id, key) for region_id in dataset.regions)
        return (*found, *_reviewed(platform, dataset, _keys_of_year(dataset, key)))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        wanted = [[*stratum, number] for stratum, number in dataset.strata.items()]
        return {"wanted": wanted, "regions": list(dataset.regions)}

    after: tuple[tuple[str, Reach], ...] = ((f"{dataset.id}/candidates", "year"), (f"{dataset.id}/reviews", "year"))
    return Step(f"{dataset.id}/quotas", "year", _year_keys(dataset), after, inputs, config, "2", "available")


def _sample(dataset: Dataset) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        own = (Ref(f"{dataset.id}/candidates", key), Ref(f"{dataset.id}/quotas", key_parts(key)[1]))
        return (*own, *_reviewed(platform, dataset, [key]))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {"block_m": dataset.split.block_m, "allow_overlap": dataset.allow_overlap}

    own: tuple[tuple[str, Reach], ...] = tuple((f"{dataset.id}/{stage}", "same") for stage in ("candidates", "reviews"))
    after = (*own, (f"{dataset.id}/quotas", "year"))
    return Step(f"{dataset.id}/sample", "region|year", _dataset_keys(dataset), after, inputs, config, "3")


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
    return Step(f"{dataset.id}/patches", "region|year", _dataset_keys(dataset), after, inputs, config, "1")


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
        return (Ref(f"{dataset.id}/sample", key), Ref("mosaic", key), *beside, *_of_map(platform, key, "label"))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        channels = profiles.PROFILES[dataset.profile].channels
        return {
            "px": dataset.px,
            "channels": list(channels),
            "recipe": recipe_config(dataset),
            "max_masked_share": dataset.max_masked_share,
        }

    own: tuple[tuple[str, Reach], ...] = tuple((name, "same") for name in (f"{dataset.id}/sample", "mosaic", *layers))
    after = (*own, *_with_map(dataset, regions, "label"))
    return Step(f"{dataset.id}/patches", "region|year", _dataset_keys(dataset), after, inputs, config, "4")


def release_inputs(dataset: Dataset, assets: tuple[str, ...], yearly: tuple[str, ...]) -> Inputs:
    """Yearly assets of the same year, and region assets of every region of the dataset."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        regions = [ref(name, region_id, key) for name in assets for region_id in dataset.regions]
        return (*(Ref(name, key) for name in yearly), *regions)

    return inputs


def _splits(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        rule = dataset.split
        return {"rule": {**vars(rule), "fractions": dict(rule.fractions), "holdout": list(rule.holdout)}}

    assets, yearly = (f"{dataset.id}/sample",), (f"{dataset.id}/quotas",)
    after: tuple[tuple[str, Reach], ...] = ((assets[0], "year"), (yearly[0], "year"))
    inputs = release_inputs(dataset, assets, yearly)
    return Step(f"{dataset.id}/splits", "year", _year_keys(dataset), after, inputs, config, "2", "release")


def _manifest(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    own = tuple(f"{dataset.id}/{stage}" for stage in ("sample", "patches"))
    splits = f"{dataset.id}/splits"

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        maps = [each for region_id in dataset.regions for each in _of_map(platform, f"{region_id}|{key}", "land_cover")]
        decided = _reviewed(platform, dataset, _keys_of_year(dataset, key))
        return (*release_inputs(dataset, (*own, "scenes"), (splits,))(platform, key), *maps, *decided)

    def config(platform: Platform, _key: str) -> dict[str, Any]:
        countries = {region_id: platform.regions[region_id].country for region_id in dataset.regions}
        return {"profile": dataset.profile, "recipe": dataset.recipe, "countries": countries}

    maps: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name, _ in _with_map(dataset, regions, "land_cover"))
    named = (*own, "scenes", splits, f"{dataset.id}/reviews")
    after: tuple[tuple[str, Reach], ...] = (*((name, "year") for name in named), *maps)
    return Step(f"{dataset.id}/manifest", "year", _year_keys(dataset), after, inputs, config, "4", "release")


def _package(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    yearly = tuple(f"{dataset.id}/{stage}" for stage in ("manifest", "quotas", "splits"))
    stores = f"{dataset.id}/patches"
    clips_maps = LAYOUTS[dataset.layout].clips_maps

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        released = release_inputs(dataset, (stores,), yearly)(platform, key)
        keys = (f"{region_id}|{key}" for region_id in dataset.regions)
        return (*released, *(each for k in keys if clips_maps for each in _of_map(platform, k, "land_cover")))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        regions = [platform.regions[name] for name in dataset.regions]
        layers = layers_of(profiles.PROFILES[dataset.profile].channels)
        terms = [each.line for each in credits_of(regions, [int(key)], dataset.points, layers)]
        return {
            "layout": dataset.layout,
            "title": dataset.title,
            "credits": terms,
            "software": metadata.version("mining-platform"),
        }

    clipped = _with_map(dataset, regions, "land_cover") if clips_maps else ()
    maps: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name, _ in clipped)
    after: tuple[tuple[str, Reach], ...] = (*((name, "year") for name in (stores, *yearly)), *maps)
    return Step(f"{dataset.id}/package", "year", _year_keys(dataset), after, inputs, config, "4", "release")
