"""Partitions and partition mappings, derived from the domain's graph.

What belongs here: turning `pipeline.Step` rows into Dagster partition definitions and mappings. What does
not: which partition rests on which; that is said once, in `mining_platform/graph.py`, and a test holds
the two together.
"""

from datetime import datetime

import dagster as dg

from mining_platform.datasets import DATASETS
from mining_platform.graph import active_experiments, build_steps
from mining_platform.pipeline import Reach, Step
from mining_platform.region_files import load_regions

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


def _experiments_of_regions(dataset_id: str) -> dg.PartitionMapping:
    """From the regions of a dataset to the experiments on it, year by year."""
    ids = [experiment.id for experiment in active_experiments(REGIONS) if experiment.dataset == dataset_id]
    regions = dg.StaticPartitionMapping(dict.fromkeys(DATASETS[dataset_id].regions, ids))
    return dg.MultiPartitionMapping({"region": dg.DimensionPartitionMapping("experiment", regions), "year": _identity("year")})


def partition_mapping(step: Step, upstream: Step, reach: Reach) -> dg.PartitionMapping:
    """How partitions of `step` reach those of `upstream`."""
    if step.narrowing == "published" and upstream.dimensions == "year":
        return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    if reach == "experiment":
        return _experiments_of_regions(upstream.asset.split("/")[0])
    if reach == "same" or step.dimensions == upstream.dimensions == "year":
        return _same(step)
    return dg.MultiToSingleDimensionPartitionMapping("year")


def dependencies(step: Step) -> list[dg.AssetDep]:
    """The step's upstream assets with their partition mappings."""
    return [
        dg.AssetDep(asset_key(name), partition_mapping=partition_mapping(step, STEPS[name], reach)) for name, reach in step.after
    ]
