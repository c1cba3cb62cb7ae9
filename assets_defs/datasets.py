"""One factory that makes a family of assets for each dataset row: `<dataset>/candidates` to `<dataset>/package`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg

from assets_defs.partitions import REGIONS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.dataset_rows import Dataset
from mining_platform.graph import active_datasets
from mining_platform.pipeline import Platform
from mining_platform.stages import datasets, packages

DatasetStage = Callable[..., dict[str, Any]]
"""A stage of `stages.datasets`: (dataset, platform, key, inputs, out) -> facts."""

MEMBERS: tuple[tuple[str, DatasetStage, set[str], str], ...] = (
    (
        "candidates",
        datasets.find_candidates,
        {"parquet"},
        "Every window with mining, and drawn windows without by negative recipe: area-exact shares, ranges, eligibility.",
    ),
    (
        "quotas",
        datasets.share_quotas,
        {"parquet"},
        "How many windows each range, negative recipe and region gives to the year's release, from counts alone; what is short.",
    ),
    (
        "sample",
        datasets.draw_sample,
        {"parquet"},
        "The chosen windows: a prefix of the region's own order in each stratum.",
    ),
    ("patches", datasets.cut_patches, {"zarr"}, "Images and labels cut at the windows: a sharded Zarr v3 store and its index."),
    ("splits", datasets.part_windows, {"parquet"}, "Training, validation and test by whole groups, audited for leaks."),
    ("manifest", datasets.list_patches, {"parquet"}, "The patch table of the release: one row a patch, with a schema."),
    (
        "package",
        packages.write_release,
        {"png", "csv"},
        "The release as published: files in its layout, described for people and archives.",
    ),
)


def dataset_family(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of one dataset row."""
    return [_member(dataset, *member) for member in MEMBERS]


def _member(dataset: Dataset, stage_name: str, stage: DatasetStage, kinds: set[str], description: str) -> dg.AssetsDefinition:
    text = f"{dataset.title}. {description}"

    @dg.asset(**spec(f"{dataset.id}/{stage_name}", kinds=kinds, description=text))
    def member(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        return published(context, platform, partial(stage, dataset))

    return member


def reviews_of(dataset: Dataset) -> dg.AssetSpec:
    """What people decide about the windows of one dataset row: an external asset, which `mining-platform review` publishes."""
    text = f"{dataset.title}. What people decided about its windows: accepted, rejected, relabelled; by `mining-platform review`."
    return dg.AssetSpec(**spec(f"{dataset.id}/reviews", kinds={"parquet"}, description=text))


ASSETS = [asset for dataset in active_datasets(REGIONS) for asset in dataset_family(dataset)]
REVIEWS = [reviews_of(dataset) for dataset in active_datasets(REGIONS)]
