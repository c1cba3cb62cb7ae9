"""The graph of the platform: which assets there are, their partitions, what each partition rests on.

One row (`Step`) an asset. Dagster's definitions, the planner and `produce` all read this table, so that
there is one truth about inputs. Partition keys are `region|year`, `year` or `experiment|year`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shapely.geometry import mapping as geojson_of

from mining_platform import bands
from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.datasets import DATASETS, Dataset
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.labels.recipes import RECIPES
from mining_platform.regions import Region
from mining_platform.sources.protocol import LandCoverSource, SceneSource

Dimensions = Literal["region|year", "year", "experiment|year"]
Reach = Literal["same", "year", "experiment"]
"""How an asset's partition maps to the upstream's: the same key; every key of the same year; the
`region|year` keys of the experiment's dataset and year."""

Narrowing = Literal["none", "available", "release"]
"""Which of the declared inputs a production reads: all; of candidates and samples those that are published;
those of the regions that the release's quotas count."""

DATASET_STAGES = ("candidates", "quotas", "sample", "patches", "splits", "manifest", "package")


class PartitionError(ValueError):
    """A partition key that no region, dataset or experiment declares."""


@dataclass(frozen=True)
class Platform:
    """One installation: its regions, its published artifacts and its sources."""

    home: Path
    regions: Mapping[str, Region]
    artifacts: ArtifactStore
    land_covers: LandCoverSource
    scenes: SceneSource

    def region_year(self, key: str) -> tuple[Region, int]:
        """Region and year of a `region|year` key."""
        region_id, year = key_parts(key)
        return self.regions[region_id], int(year)


Inputs = Callable[[Platform, str], tuple[Ref, ...]]
Config = Callable[[Platform, str], dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """One asset: its partitions, what they rest on, and what besides the inputs decides their content."""

    asset: str
    """Asset key, `/` between parts."""
    dimensions: Dimensions
    keys: tuple[str, ...]
    """Declared partition keys, sorted."""
    after: tuple[tuple[str, Reach], ...]
    """Upstream assets and how their partitions are reached."""
    inputs: Inputs
    """Every upstream partition that a key may rest on."""
    config: Config
    """Settings and fingerprints of outside data that decide the content, JSON-able."""
    version: str
    """Version of the code that computes the asset; raised when results change."""
    narrowing: Narrowing = "none"

    def check_key(self, key: str, regions: Mapping[str, Region]) -> str:
        """The key itself; PartitionError naming what is declared, and the remedy, if it is not declared."""
        if key in self.keys:
            return key
        raise PartitionError(f"{self.asset} has no partition {key!r}. {_declared(self, key, regions)}")


def _declared(step: Step, key: str, regions: Mapping[str, Region]) -> str:
    first, _ = key_parts(key)
    if step.dimensions == "region|year" and first in regions:
        return _declared_years(regions[first], step)
    known = sorted({key_parts(declared)[0] or declared for declared in step.keys})
    return f"Known: {', '.join(known)}. Keys have the form {step.dimensions!r}."


def _declared_years(region: Region, step: Step) -> str:
    years = [key_parts(key)[1] for key in step.keys if key_parts(key)[0] == region.id]
    cover = region.land_cover
    source = f"{cover.source} collection {cover.collection}, {cover.years[0]} to {cover.years[1]}" if cover else "none"
    return (
        f"Region {region.id} has the years {', '.join(years) or 'none'} here (land cover: {source}). "
        "Choose one of these, or add the year to the region in the region file if its source has it."
    )


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
    grids = [_mosaic(regions, datasets, sampled), _label(regions, datasets, sampled)]
    made = [step for dataset in datasets for step in (_patches(dataset), _splits(dataset), _manifest(dataset), _package(dataset))]
    learned = [_model(experiments), _evaluation(experiments)] if experiments else []
    return {step.asset: step for step in (*before, *drawn, *grids, *made, *learned)}


def key_parts(key: str) -> tuple[str, str]:
    """First part (region or experiment id, empty for a year's key) and year of a partition key."""
    first, _, year = key.rpartition("|")
    return first, year


def ref(asset: str, region_id: str, year: int | str) -> Ref:
    """Reference of a `region|year` partition."""
    return Ref(asset, f"{region_id}|{year}")


def release_regions(platform: Platform, dataset: Dataset, year: str) -> tuple[str, ...]:
    """Regions that the year's quotas count; all of the dataset's while there are no quotas yet."""
    quotas = Ref(f"{dataset.id}/quotas", year)
    if current_digest(platform.artifacts, quotas) is None:
        return dataset.regions
    return tuple(open_artifact(platform.artifacts, quotas).facts["regions"])


def inputs_now(platform: Platform, step: Step, key: str) -> tuple[Ref, ...]:
    """The upstream partitions that a production of `key` reads as things stand.

    A region that has no candidates is left out of the quotas, and with them out of the release. A sampled region's
    mosaic takes the samples that are there, and is stale once there are more. Where there is none of either, all are
    returned, so that the missing ones are named.
    """
    declared = step.inputs(platform, key)
    if step.narrowing == "available":
        return _available(platform, declared)
    if step.narrowing == "release":
        counted = release_regions(platform, dataset_of(step, key), key_parts(key)[1])
        return tuple(each for each in declared if _is_counted(each, counted, platform))
    return declared


def _available(platform: Platform, declared: tuple[Ref, ...]) -> tuple[Ref, ...]:
    """The inputs without candidates and samples that are not published; all of them where none is."""
    optional = {each for each in declared if each.asset.endswith(("/candidates", "/sample"))}
    absent = {each for each in optional if current_digest(platform.artifacts, each) is None}
    return declared if absent == optional else tuple(each for each in declared if each not in absent)


def _is_counted(each: Ref, counted: tuple[str, ...], platform: Platform) -> bool:
    first, _ = key_parts(each.partition)
    return first not in platform.regions or first in counted


def dataset_of(step: Step, key: str) -> Dataset:
    """The dataset that a step's partition belongs to; KeyError for assets that serve all datasets."""
    if step.dimensions == "experiment|year":
        return DATASETS[EXPERIMENTS[key_parts(key)[0]].dataset]
    return DATASETS[step.asset.partition("/")[0]]


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
        return {"source": asdict(region.scenes) if region.scenes else None, "outside": fingerprint, **_outline(region)}

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
        return {"channels": list(bands.PROFILES["s2-12"].channels), **_grid_config(platform, key)}

    keys = _region_years(region for region in regions.values() if region.scenes)
    return Step("mosaic", "region|year", keys, (("scenes", "same"), *sampled), inputs, config, "1", "available")


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
