"""The rows of the graph: which assets there are, their partitions, and what each partition rests on.

Dagster's definitions and the planner both read this table, so that there is one truth about inputs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from shapely.geometry import mapping as geojson_of

from mining_platform import bands
from mining_platform.artifacts import Ref
from mining_platform.clouds.rules import cloud_rule, model_digest
from mining_platform.compositing.recipes import PIXELS_VERSION, mosaic_recipe
from mining_platform.datasets import DATASETS, Dataset, mining_codes
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.labels.recipes import RECIPES
from mining_platform.pipeline import Config, Inputs, Platform, Reach, Step, key_parts, ref
from mining_platform.regions import Region, required_scenes

DATASET_STAGES = ("candidates", "quotas", "sample", "patches", "splits", "manifest", "package")


def inactive_reason(dataset: Dataset, regions: Mapping[str, Region]) -> str | None:
    """Why a dataset's assets are left out with these regions; None if it is complete."""
    for region_id in dataset.regions:
        if region_id not in regions:
            return f"region {region_id} is not in the region file"
        undeclared = set(dataset.years) - set(regions[region_id].years)
        if undeclared:
            return f"region {region_id} does not declare {', '.join(map(str, sorted(undeclared)))}"
    if len({regions[region_id].simulated for region_id in dataset.regions}) > 1:
        return "it mixes simulated and real regions"
    return None


def active_datasets(regions: Mapping[str, Region]) -> list[Dataset]:
    """Datasets whose regions and years are all declared."""
    return [dataset for dataset in DATASETS.values() if inactive_reason(dataset, regions) is None]


def active_experiments(regions: Mapping[str, Region]) -> list[Experiment]:
    """Experiments on active datasets."""
    active = {dataset.id for dataset in active_datasets(regions)}
    return [experiment for experiment in EXPERIMENTS.values() if experiment.dataset in active]


def build_steps(regions: Mapping[str, Region]) -> dict[str, Step]:
    """All assets by key, in an order in which each comes after what it rests on."""
    datasets, experiments = active_datasets(regions), active_experiments(regions)
    sampled: tuple[tuple[str, Reach], ...] = tuple((f"{dataset.id}/sample", "same") for dataset in datasets)
    before = [_land_cover(regions), _scenes(regions)]
    drawn = [step for dataset in datasets for step in (_candidates(dataset), _quotas(dataset), _sample(dataset))]
    grids = [_mosaic(regions, datasets, sampled), _label(regions, datasets, sampled), _mosaic_quality(regions)]
    made = [step for dataset in datasets for step in (_patches(dataset), _splits(dataset), _manifest(dataset), _package(dataset))]
    learned = [_model(experiments), _evaluation(experiments)] if experiments else []
    return {step.asset: step for step in (*before, *drawn, *grids, *made, *learned)}


def _no_inputs(_platform: Platform, _key: str) -> tuple[Ref, ...]:
    return ()


def _same(*assets: str) -> Inputs:
    return lambda _platform, key: tuple(Ref(asset, key) for asset in assets)


def _region_years(regions: Iterable[Region]) -> tuple[str, ...]:
    return tuple(sorted(f"{region.id}|{year}" for region in regions for year in region.years))


def _dataset_keys(dataset: Dataset) -> tuple[str, ...]:
    return tuple(sorted(f"{region_id}|{year}" for region_id in dataset.regions for year in dataset.years))


def _year_keys(dataset: Dataset) -> tuple[str, ...]:
    return tuple(str(year) for year in sorted(dataset.years))


def _land_cover(regions: Mapping[str, Region]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        fingerprint = platform.land_covers.fingerprint_land_cover(region, year)
        return {"source": asdict(region.land_cover) if region.land_cover else None, "outside": fingerprint, **_outline(region)}

    keys = _region_years(region for region in regions.values() if region.land_cover)
    return Step("land_cover", "region|year", keys, (), _no_inputs, config, "1")


def _outline(region: Region) -> dict[str, Any]:
    return {"epsg": region.epsg, "outline": geojson_of(region.geometry)}


def _scenes(regions: Mapping[str, Region]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        fingerprint = platform.scenes.fingerprint_scenes(region, year)
        return {"source": required_scenes(region).identity, "outside": fingerprint, **_outline(region)}

    keys = _region_years(region for region in regions.values() if region.scenes)
    return Step("scenes", "region|year", keys, (), _no_inputs, config, "1")


def _windows_of(platform: Platform, datasets: list[Dataset], key: str) -> tuple[Ref, ...]:
    """Samples whose windows decide which chunks of a sampled region are computed."""
    region, year = platform.region_year(key)
    if region.coverage == "full":
        return ()
    return tuple(Ref(f"{d.id}/sample", key) for d in datasets if region.id in d.regions and year in d.years)


def _grid_config(platform: Platform, key: str) -> dict[str, Any]:
    region, _ = platform.region_year(key)
    bounds = region.geobox.boundingbox
    return {"epsg": region.epsg, "bounds_m": [bounds.left, bounds.bottom, bounds.right, bounds.top], "coverage": region.coverage}


def _mosaic(regions: Mapping[str, Region], datasets: list[Dataset], sampled: tuple[tuple[str, Reach], ...]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref("scenes", key), *_windows_of(platform, datasets, key))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        scenes = required_scenes(platform.region_year(key)[0])
        recipe = mosaic_recipe(scenes.recipe)
        rule = cloud_rule(recipe.clouds)
        rows = {"recipe": asdict(recipe), "clouds": {**asdict(rule), "model": model_digest(rule)}}
        return {"channels": list(scenes.channels), **rows, **_grid_config(platform, key)}

    keys = _region_years(region for region in regions.values() if region.scenes)
    after: tuple[tuple[str, Reach], ...] = (("scenes", "same"), *sampled)
    return Step("mosaic", "region|year", keys, after, inputs, config, PIXELS_VERSION, "available", resumable=True)


def _mosaic_quality(regions: Mapping[str, Region]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        region, _ = platform.region_year(key)
        return (Ref("mosaic", key), *((Ref("label", key),) if region.land_cover else ()))

    def config(_platform: Platform, key: str) -> dict[str, Any]:
        return {"codes": list(mining_codes(key_parts(key)[0]))}

    keys = _region_years(region for region in regions.values() if region.scenes)
    after: tuple[tuple[str, Reach], ...] = (("mosaic", "same"), ("label", "same"))
    return Step("mosaic_quality", "region|year", keys, after, inputs, config, "2")


def _label(regions: Mapping[str, Region], datasets: list[Dataset], sampled: tuple[tuple[str, Reach], ...]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref("land_cover", key), *_windows_of(platform, datasets, key))

    keys = _region_years(region for region in regions.values() if region.land_cover)
    return Step("label", "region|year", keys, (("land_cover", "same"), *sampled), inputs, _grid_config, "1", "available")


def _candidates(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {
            "px": dataset.px,
            "recipe": recipe_config(dataset),
            "min_valid_share": dataset.min_valid_share,
            "zero_candidates": dataset.zero_candidates,
            "seed": dataset.seed,
        }

    asset = f"{dataset.id}/candidates"
    after: tuple[tuple[str, Reach], ...] = (("land_cover", "same"),)
    return Step(asset, "region|year", _dataset_keys(dataset), after, _same("land_cover"), config, "1")


def recipe_config(dataset: Dataset) -> dict[str, Any]:
    """The label recipe's row, JSON-able."""
    row = asdict(RECIPES[dataset.recipe])
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in row.items()}


def _quotas(dataset: Dataset) -> Step:
    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return tuple(ref(f"{dataset.id}/candidates", region_id, key) for region_id in dataset.regions)

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {"wanted": dict(dataset.quotas), "regions": list(dataset.regions)}

    after: tuple[tuple[str, Reach], ...] = ((f"{dataset.id}/candidates", "year"),)
    return Step(f"{dataset.id}/quotas", "year", _year_keys(dataset), after, inputs, config, "1", "available")


def _sample(dataset: Dataset) -> Step:
    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return (Ref(f"{dataset.id}/candidates", key), Ref(f"{dataset.id}/quotas", key_parts(key)[1]))

    after: tuple[tuple[str, Reach], ...] = ((f"{dataset.id}/candidates", "same"), (f"{dataset.id}/quotas", "year"))
    return Step(f"{dataset.id}/sample", "region|year", _dataset_keys(dataset), after, inputs, _no_config, "1")


def _no_config(_platform: Platform, _key: str) -> dict[str, Any]:
    return {}


def _patches(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        channels = bands.PROFILES[dataset.profile].channels
        return {
            "px": dataset.px,
            "channels": list(channels),
            "recipe": recipe_config(dataset),
            "max_masked_share": dataset.max_masked_share,
        }

    names = (f"{dataset.id}/sample", "mosaic", "label")
    after: tuple[tuple[str, Reach], ...] = tuple((name, "same") for name in names)
    return Step(f"{dataset.id}/patches", "region|year", _dataset_keys(dataset), after, _same(*names), config, "1")


def _release(dataset: Dataset, assets: tuple[str, ...], yearly: tuple[str, ...]) -> Inputs:
    """Yearly assets of the same year, and region assets of every region of the dataset."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        regions = [ref(name, region_id, key) for name in assets for region_id in dataset.regions]
        return (*(Ref(name, key) for name in yearly), *regions)

    return inputs


def _splits(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {"rule": {**vars(dataset.split), "fractions": dict(dataset.split.fractions)}}

    assets, yearly = (f"{dataset.id}/sample",), (f"{dataset.id}/quotas",)
    after: tuple[tuple[str, Reach], ...] = ((assets[0], "year"), (yearly[0], "year"))
    return Step(
        f"{dataset.id}/splits", "year", _year_keys(dataset), after, _release(dataset, assets, yearly), config, "1", "release"
    )


def _manifest(dataset: Dataset) -> Step:
    def config(platform: Platform, _key: str) -> dict[str, Any]:
        countries = {region_id: platform.regions[region_id].country for region_id in dataset.regions}
        return {"profile": dataset.profile, "recipe": dataset.recipe, "countries": countries}

    assets = tuple(f"{dataset.id}/{stage}" for stage in ("sample", "patches"))
    assets = (*assets, "land_cover", "scenes")
    yearly = (f"{dataset.id}/splits",)
    after: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name in (*assets, *yearly))
    return Step(
        f"{dataset.id}/manifest", "year", _year_keys(dataset), after, _release(dataset, assets, yearly), config, "1", "release"
    )


def _package(dataset: Dataset) -> Step:
    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {"layout": "proportion-ranges", "title": dataset.title}

    assets = (f"{dataset.id}/patches", "land_cover")
    yearly = (f"{dataset.id}/manifest", f"{dataset.id}/quotas")
    after: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name in (*assets, *yearly))
    return Step(
        f"{dataset.id}/package", "year", _year_keys(dataset), after, _release(dataset, assets, yearly), config, "1", "release"
    )


def _experiment_keys(experiments: list[Experiment]) -> tuple[str, ...]:
    return tuple(sorted(f"{e.id}|{year}" for e in experiments for year in DATASETS[e.dataset].years))


def _experiment_step(asset: str, experiments: list[Experiment], config: Config, first: tuple[str, ...]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        experiment_id, year = key_parts(key)
        dataset = DATASETS[EXPERIMENTS[experiment_id].dataset]
        release = _release(dataset, (f"{dataset.id}/patches",), (f"{dataset.id}/manifest",))
        return (*(Ref(name, key) for name in first), *release(platform, year))

    ids = sorted({experiment.dataset for experiment in experiments})
    after: tuple[tuple[str, Reach], ...] = (
        *((name, "same") for name in first),
        *((f"{dataset_id}/patches", "experiment") for dataset_id in ids),
        *((f"{dataset_id}/manifest", "year") for dataset_id in ids),
    )
    return Step(asset, "experiment|year", _experiment_keys(experiments), after, inputs, config, "1", "release")


def _model(experiments: list[Experiment]) -> Step:
    def config(_platform: Platform, key: str) -> dict[str, Any]:
        return {"experiment": asdict(EXPERIMENTS[key_parts(key)[0]])}

    return _experiment_step("model", experiments, config, ())


def _evaluation(experiments: list[Experiment]) -> Step:
    def config(_platform: Platform, key: str) -> dict[str, Any]:
        return {"seed": EXPERIMENTS[key_parts(key)[0]].seed, "resamples": 1000}

    return _experiment_step("evaluation", experiments, config, ("model",))
