"""The rows of the graph: which assets there are, their partitions, and what each partition rests on.

Dagster's definitions and the planner both read this table, so that there is one truth about inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.bands import band
from mining_platform.dataset_rows import Dataset
from mining_platform.dataset_steps import drawing_steps, outline_of
from mining_platform.datasets import DATASETS
from mining_platform.experiment_trials import trial_settings
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.grid_steps import grid_steps, region_years
from mining_platform.models.base_weights import weights_identity
from mining_platform.monitoring_steps import monitoring_steps
from mining_platform.pipeline import Config, Platform, Reach, Step, key_parts
from mining_platform.profiles import profile
from mining_platform.regions import Region, required_scenes
from mining_platform.release_steps import release_inputs, release_steps
from mining_platform.scene_collections import collection
from mining_platform.stacks import INDEX, channels_of_layer, layers_of


def inactive_reason(dataset: Dataset, regions: Mapping[str, Region]) -> str | None:
    """Why a dataset's assets are left out with these regions; None if it is complete."""
    for region_id in dataset.regions:
        if region_id not in regions:
            return f"region {region_id} is not in the region file"
        undeclared = set(dataset.years) - set(regions[region_id].years)
        if undeclared:
            return f"region {region_id} does not declare {', '.join(map(str, sorted(undeclared)))}"
        if regions[region_id].land_cover is None and dataset.points is None:
            return f"region {region_id} has no land-cover map, and the dataset no points"
        if lacking := lacking_channels(dataset, regions[region_id]):
            return f"region {region_id} has no {', '.join(lacking)}"
    if len({regions[region_id].simulated for region_id in dataset.regions}) > 1:
        return "it mixes simulated and real regions"
    return None


def lacking_channels(dataset: Dataset, region: Region) -> list[str]:
    """Layers beside the scenes, and bands of them, that a dataset's channels need and a region does not have.

    A mosaic has the bands of its region's profile; single scenes have all of their sensor's.
    """
    channels = profile(dataset.profile).channels
    layers = [layer for layer in layers_of(channels) if layer not in region.beside]
    if region.scenes is None:
        return [*layers, "scenes"]
    of_layers = {channel for layer in layers_of(channels) for channel in channels_of_layer(layer, channels)}
    own = [channel for channel in channels if channel not in of_layers and band(channel).sensor != INDEX]
    if dataset.sample_unit == "mosaic":
        return [*layers, *(channel for channel in own if channel not in region.scenes.channels)]
    sensor = collection(region.scenes.collection).sensor
    return [*layers, *(channel for channel in own if band(channel).sensor != sensor)]


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
    before = [_land_cover(regions), _scenes(regions)]
    drawn = [step for dataset in datasets for step in drawing_steps(dataset, regions)]
    grids = grid_steps(regions, [dataset for dataset in datasets if dataset.sample_unit == "mosaic"])
    made = [step for dataset in datasets for step in release_steps(dataset, regions)]
    learned = [_model(experiments), _evaluation(experiments), _experiment_summary(experiments)] if experiments else []
    followed = monitoring_steps(regions)
    audited = [_lineage_audit(datasets, experiments, followed)] if datasets else []
    return {step.asset: step for step in (*before, *drawn, *grids, *made, *learned, *followed, *audited)}


def _no_inputs(_platform: Platform, _key: str) -> tuple[Ref, ...]:
    return ()


def _land_cover(regions: Mapping[str, Region]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        fingerprint = platform.land_covers.fingerprint_land_cover(region, year)
        return {
            "source": dict(vars(region.land_cover)) if region.land_cover else None,
            "outside": fingerprint,
            **outline_of(region),
        }

    keys = region_years(region for region in regions.values() if region.land_cover)
    return Step("land_cover", "region|year", keys, (), _no_inputs, config, "1")


def _scenes(regions: Mapping[str, Region]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        fingerprint = platform.scenes.fingerprint_scenes(region, year)
        return {"source": required_scenes(region).identity, "outside": fingerprint, **outline_of(region)}

    keys = region_years(region for region in regions.values() if region.scenes)
    return Step("scenes", "region|year", keys, (), _no_inputs, config, "1")


def _experiment_keys(experiments: list[Experiment]) -> tuple[str, ...]:
    return tuple(sorted(f"{e.id}|{year}" for e in experiments for year in DATASETS[e.dataset].releases))


def _experiment_step(
    asset: str, experiments: list[Experiment], config: Config, first: tuple[str, ...], version: str, *, resumable: bool = False
) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        experiment_id, year = key_parts(key)
        dataset = DATASETS[EXPERIMENTS[experiment_id].dataset]
        release = release_inputs(dataset, (f"{dataset.id}/patches",), (f"{dataset.id}/manifest",))
        return (*(Ref(name, key) for name in first), *release(platform, year))

    ids = sorted({experiment.dataset for experiment in experiments})
    after: tuple[tuple[str, Reach], ...] = (
        *((name, "same") for name in first),
        *((f"{dataset_id}/patches", "experiment") for dataset_id in ids),
        *((f"{dataset_id}/manifest", "year") for dataset_id in ids),
    )
    keys = _experiment_keys(experiments)
    return Step(asset, "experiment|year", keys, after, inputs, config, version, "release", resumable=resumable)


def _model(experiments: list[Experiment]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        row = EXPERIMENTS[key_parts(key)[0]]
        base = {"weights": weights_identity(row.weights)} if row.weights else {}
        return {"experiment": asdict(row), **base, **trial_settings(platform.trial)}

    return _experiment_step("model", experiments, config, (), "2", resumable=True)


def _evaluation(experiments: list[Experiment]) -> Step:
    def config(platform: Platform, key: str) -> dict[str, Any]:
        return {"seed": EXPERIMENTS[key_parts(key)[0]].seed, "resamples": 1000, **trial_settings(platform.trial)}

    return _experiment_step("evaluation", experiments, config, ("model",), "3")


def experiments_of_year(experiments: Iterable[Experiment], year: str) -> list[Experiment]:
    """Those of which there is a partition of that year, in their order."""
    return [each for each in experiments if int(year) in DATASETS[each.dataset].releases]


def _experiment_summary(experiments: list[Experiment]) -> Step:
    """All experiments of a year beside each other: whichever are evaluated, the others by name."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return tuple(Ref("evaluation", f"{each.id}|{key}") for each in experiments_of_year(experiments, key))

    def config(_platform: Platform, key: str) -> dict[str, Any]:
        return {"experiments": [each.id for each in experiments_of_year(experiments, key)], "resamples": 1000}

    keys = tuple(sorted({str(year) for each in experiments for year in DATASETS[each.dataset].releases}))
    return Step("experiment_summary", "year", keys, (("evaluation", "year"),), inputs, config, "1", "published")


def _lineage_audit(datasets: list[Dataset], experiments: list[Experiment], followed: Sequence[Step]) -> Step:
    """The audit of whatever is published of a year: models, evaluations, packages and report, and all that they rest on."""
    learned = ("model", "evaluation") if experiments else ()
    reports = [step for step in followed if step.asset == "annual_report"]
    reported = {key for step in reports for key in step.keys}

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        of_year = [each for each in experiments if int(key) in DATASETS[each.dataset].releases]
        models = (Ref(asset, f"{each.id}|{key}") for asset in learned for each in of_year)
        report = (Ref("annual_report", key),) if key in reported else ()
        return (*models, *(Ref(f"{each.id}/package", key) for each in datasets if int(key) in each.releases), *report)

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {}

    keys = tuple(sorted({str(year) for dataset in datasets for year in dataset.releases} | reported))
    audited = (*learned, *(f"{each.id}/package" for each in datasets), *(["annual_report"] if reported else []))
    after: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name in audited)
    regions = tuple(sorted({key for step in reports for key in step.regions}))
    return Step("lineage_audit", "year", keys, after, inputs, config, "1", "published", regions=regions)
