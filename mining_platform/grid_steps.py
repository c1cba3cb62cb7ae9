"""The rows of the graph that lie on a region's grid: mosaic, layers beside it, label, and evidence about the mosaic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mining_platform import profiles, stacks
from mining_platform.artifacts import Ref
from mining_platform.clouds.rules import cloud_rule, model_digest
from mining_platform.compositing.recipes import PIXELS_VERSION, mosaic_recipe
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import mining_codes
from mining_platform.osm_keys import OSM_KEYS
from mining_platform.pipeline import Platform, Reach, Step, key_parts
from mining_platform.radar import declared_recipe
from mining_platform.regions import LAYERS_BESIDE, Region, required_scenes

ALWAYS: Mapping[str, tuple[str, ...]] = {
    "radar": ("S1-VV", "S1-VH"),
    "elevation": ("DEM", "SLOPE"),
    "osm_context": tuple(f"OSM-{key}" for key in OSM_KEYS),
}
"""Channels of each layer whatever the datasets ask for."""


def grid_steps(regions: Mapping[str, Region], datasets: Sequence[Dataset]) -> list[Step]:
    """Mosaic, layers, label and evidence; each layer only where a region has it."""
    sampled: tuple[tuple[str, Reach], ...] = tuple((f"{dataset.id}/sample", "same") for dataset in datasets)
    there = [name for name in LAYERS_BESIDE if any(name in region.beside for region in regions.values())]
    return [
        _mosaic(regions, datasets, sampled),
        *(_layer(name, regions, datasets, sampled) for name in there),
        _label(regions, datasets, sampled),
        _mosaic_quality(regions),
    ]


def region_years(regions: Iterable[Region]) -> tuple[str, ...]:
    """The `region|year` keys of regions, sorted."""
    return tuple(sorted(f"{region.id}|{year}" for region in regions for year in region.years))


def layer_channels(layer: str, region_id: str, datasets: Iterable[Dataset]) -> tuple[str, ...]:
    """Channels of a region's layer: those it always has, and those that datasets over the region ask for besides."""
    stacked = (profiles.PROFILES[dataset.profile].channels for dataset in datasets if region_id in dataset.regions)
    asked = (channel for channels in stacked for channel in stacks.channels_of_layer(layer, channels))
    return tuple(dict.fromkeys((*ALWAYS[layer], *asked)))


def _windows_of(platform: Platform, datasets: Sequence[Dataset], key: str) -> tuple[Ref, ...]:
    """Samples whose windows decide which chunks of a sampled region are computed."""
    region, year = platform.region_year(key)
    if region.coverage == "full":
        return ()
    return tuple(Ref(f"{d.id}/sample", key) for d in datasets if region.id in d.regions and year in d.years)


def _grid_config(platform: Platform, key: str) -> dict[str, Any]:
    region, _ = platform.region_year(key)
    bounds = region.geobox.boundingbox
    return {"epsg": region.epsg, "bounds_m": [bounds.left, bounds.bottom, bounds.right, bounds.top], "coverage": region.coverage}


def _mosaic(regions: Mapping[str, Region], datasets: Sequence[Dataset], sampled: tuple[tuple[str, Reach], ...]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref("scenes", key), *_windows_of(platform, datasets, key))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        scenes = required_scenes(platform.region_year(key)[0])
        recipe = mosaic_recipe(scenes.recipe)
        rule = cloud_rule(recipe.clouds)
        rows = {"recipe": asdict(recipe), "clouds": {**asdict(rule), "model": model_digest(rule)}}
        return {"channels": list(scenes.channels), **rows, **_grid_config(platform, key)}

    keys = region_years(region for region in regions.values() if region.scenes)
    after: tuple[tuple[str, Reach], ...] = (("scenes", "same"), *sampled)
    return Step("mosaic", "region|year", keys, after, inputs, config, PIXELS_VERSION, "available", resumable=True)


def _mosaic_quality(regions: Mapping[str, Region]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        region, _ = platform.region_year(key)
        return (Ref("mosaic", key), *((Ref("label", key),) if region.land_cover else ()))

    def config(_platform: Platform, key: str) -> dict[str, Any]:
        return {"codes": list(mining_codes(key_parts(key)[0]))}

    keys = region_years(region for region in regions.values() if region.scenes)
    after: tuple[tuple[str, Reach], ...] = (("mosaic", "same"), ("label", "same"))
    return Step("mosaic_quality", "region|year", keys, after, inputs, config, "2")


def _label(regions: Mapping[str, Region], datasets: Sequence[Dataset], sampled: tuple[tuple[str, Reach], ...]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref("land_cover", key), *_windows_of(platform, datasets, key))

    keys = region_years(region for region in regions.values() if region.land_cover)
    return Step("label", "region|year", keys, (("land_cover", "same"), *sampled), inputs, _grid_config, "1", "available")


def _layer(
    layer: str, regions: Mapping[str, Region], datasets: Sequence[Dataset], sampled: tuple[tuple[str, Reach], ...]
) -> Step:
    """Radar, height or context; each reads a source of its own and rests on nothing but the windows."""
    of_layer = [dataset for dataset in datasets if layer in stacks.layers_of(profiles.profile(dataset.profile).channels)]

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return _windows_of(platform, of_layer, key)

    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        beside = region.beside[layer]
        return {
            "source": beside.identity,
            "outside": platform.beside.fingerprint(layer, region, year),
            "channels": list(layer_channels(layer, region.id, of_layer)),
            **({"recipe": asdict(declared_recipe(beside.recipe, beside.orbit))} if layer == "radar" else {}),
            **_grid_config(platform, key),
        }

    keys = region_years(region for region in regions.values() if layer in region.beside)
    named = {f"{dataset.id}/sample" for dataset in of_layer}
    after = tuple(each for each in sampled if each[0] in named)
    return Step(layer, "region|year", keys, after, inputs, config, "2", "available")
