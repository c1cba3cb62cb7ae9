"""Partitions and partition mappings, derived from the domain's graph.

What belongs here: turning `pipeline.Step` rows into Dagster partition definitions and mappings. What does
not: which partition rests on which; that is said once, in `mining_platform/graph.py`, and a test holds
the two together.
"""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from mining_platform.dataset_rows import ALL_YEARS, Dataset
from mining_platform.datasets import DATASETS
from mining_platform.graph import active_experiments, build_steps
from mining_platform.monitoring_steps import has_map_beside, monitored_regions, required_monitoring
from mining_platform.pipeline import Reach, Step, key_parts
from mining_platform.region_files import load_regions
from mining_platform.regions import Region

REGIONS = load_regions()
STEPS = build_steps(REGIONS)
ANY_KEYS = tuple(key for step in STEPS.values() for key in step.keys)


def asset_key(asset: str) -> dg.AssetKey:
    """Dagster's key of one of our asset names (`/` between parts)."""
    return dg.AssetKey(asset.split("/"))


def years_definition(years: set[int]) -> dg.TimeWindowPartitionsDefinition:
    """Yearly windows over exactly these years; Dagster has no yearly class of its own."""
    first, last = min(years), max(years)
    holes = [datetime(year, 1, 1) for year in range(first, last + 1) if year not in years]
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 1 1 *", fmt="%Y", start=str(first), end=str(last + 1), exclusions=holes or None
    )


def partitions_definition(step: Step) -> dg.PartitionsDefinition:
    """The step's keys; the grid `first x year` may hold keys that are not declared, which a run refuses.

    A step without keys, such as land cover where no region has a map, has an empty first dimension.
    """
    years = years_definition({int(key.split("|")[-1]) for key in step.keys or ANY_KEYS})
    if step.dimensions == "year":
        return years
    first_name = step.dimensions.split("|")[0]
    firsts = sorted({key.split("|")[0] for key in step.keys})
    return dg.MultiPartitionsDefinition({first_name: dg.StaticPartitionsDefinition(firsts), "year": years})


def _identity(dimension: str) -> dg.DimensionPartitionMapping:
    return dg.DimensionPartitionMapping(dimension, dg.IdentityPartitionMapping())


def _same(step: Step) -> dg.PartitionMapping:
    if step.dimensions == "year":
        return dg.IdentityPartitionMapping()
    first_name = step.dimensions.split("|")[0]
    return dg.MultiPartitionMapping({first_name: _identity(first_name), "year": _identity("year")})


def _years(years: Sequence[int]) -> dg.DimensionPartitionMapping:
    """From some years to every year downstream."""
    return dg.DimensionPartitionMapping("year", dg.SpecificPartitionsPartitionMapping([str(year) for year in years]))


def _experiments_of_regions(dataset: Dataset) -> dg.PartitionMapping:
    """From the regions of a dataset to the experiments on it, release by release."""
    ids = [experiment.id for experiment in active_experiments(REGIONS) if experiment.dataset == dataset.id]
    regions = dg.StaticPartitionMapping(dict.fromkeys(dataset.regions, ids))
    years = _years(dataset.years) if dataset.release == ALL_YEARS else _identity("year")
    return dg.MultiPartitionMapping({"region": dg.DimensionPartitionMapping("experiment", regions), "year": years})


def _of_release(dataset: Dataset, step: Step, upstream: Step) -> dg.PartitionMapping:
    """From what the one release of a dataset rests on; explicit, since all of the family's partitions are of that release.

    Partitions of `upstream` that are of other datasets' regions or years are left out by name.
    """
    if step.dimensions == upstream.dimensions == "region|year":
        years = sorted({int(key.split("|")[-1]) for key in upstream.keys} & set(dataset.years))
        return dg.MultiPartitionMapping({"region": _identity("region"), "year": _years(years)})
    own = {f"{region_id}|{year}" for region_id in dataset.regions for year in dataset.years} | set(map(str, dataset.releases))
    return dg.SpecificPartitionsPartitionMapping(sorted(own & set(upstream.keys)))


def _monitored_by(source: str) -> list[Region]:
    return [region for region in monitored_regions(REGIONS) if required_monitoring(region).source == source]


def _of_regions(regions: Sequence[Region]) -> dg.PartitionMapping:
    """The same key, of some regions only."""
    same = dg.StaticPartitionMapping({region.id: region.id for region in regions})
    return dg.MultiPartitionMapping({"region": dg.DimensionPartitionMapping("region", same), "year": _identity("year")})


def _past(step: Step) -> dg.PartitionMapping:
    """The same region, in that year and every year before; the first has none before it."""
    years = {int(key.split("|")[-1]) for key in step.keys}
    before = dg.TimeWindowPartitionMapping(start_offset=min(years) - max(years), allow_nonexistent_upstream_partitions=True)
    return dg.MultiPartitionMapping({"region": _identity("region"), "year": dg.DimensionPartitionMapping("year", before)})


def _deployed(step: Step) -> dg.PartitionMapping:
    """The models that monitored regions deploy: of a region its own, of a year all."""
    models = {(region.id, *key_parts(model)) for region in _monitored_by("model") for model in required_monitoring(region).models}
    if step.dimensions == "year":
        return dg.SpecificPartitionsPartitionMapping(sorted({"|".join(model) for _, *model in models}))
    ids = {name: sorted({region for region, other, _ in models if other == name}) for _, name, _ in models}
    experiments = dg.DimensionPartitionMapping("region", dg.StaticPartitionMapping(ids))
    return dg.MultiPartitionMapping({"experiment": experiments, "year": _years(sorted({int(year) for *_, year in models}))})


def _pictured(upstream: Step) -> dg.PartitionMapping:
    """Every mosaic of regions that a model monitors; a report shows the year's and the one before."""
    ids = {region.id for region in _monitored_by("model")}
    return dg.SpecificPartitionsPartitionMapping([key for key in upstream.keys if key_parts(key)[0] in ids])


def _monitoring(step: Step, upstream: Step, reach: Reach) -> dg.PartitionMapping | None:
    """Mappings between assets that follow mining through the years; None for other reaches."""
    match reach:
        case "past":
            return _past(step)
        case "mapped":
            return _of_regions(_monitored_by("land-cover"))
        case "scored":
            return _of_regions(_monitored_by("model"))
        case "compared":
            return _of_regions([region for region in monitored_regions(REGIONS) if has_map_beside(region)])
        case "deployed":
            return _deployed(step)
        case "pictured":
            return _pictured(upstream)
        case _:
            return None


def partition_mapping(step: Step, upstream: Step, reach: Reach) -> dg.PartitionMapping:
    """How partitions of `step` reach those of `upstream`."""
    if (own := _monitoring(step, upstream, reach)) is not None:
        return own
    if step.narrowing == "published" and upstream.dimensions == "year":
        return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    if reach == "experiment":
        return _experiments_of_regions(DATASETS[upstream.asset.split("/")[0]])
    if reach == "release":
        return _of_release(DATASETS[step.asset.split("/")[0]], step, upstream)
    if reach == "same" or step.dimensions == upstream.dimensions == "year":
        return _same(step)
    return dg.MultiToSingleDimensionPartitionMapping("year")


def dependencies(step: Step) -> list[dg.AssetDep]:
    """The step's upstream assets with their partition mappings."""
    return [
        dg.AssetDep(asset_key(name), partition_mapping=partition_mapping(step, STEPS[name], reach)) for name, reach in step.after
    ]
