"""The words of the graph: an installation, a step, its partitions, and which inputs a production reads.

Partition keys are `region|year`, `year` or `experiment|year`. The steps themselves are rows of `graph.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.computing import HERE, Compute
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.experiment_trials import Trial
from mining_platform.experiments import EXPERIMENTS
from mining_platform.regions import Region
from mining_platform.sources import beside
from mining_platform.sources.protocol import BesideSource, LandCoverSource, SceneSource

Dimensions = Literal["region|year", "year", "experiment|year"]
Reach = Literal["same", "year", "release", "experiment", "past", "mapped", "scored", "deployed", "pictured", "compared"]
"""How an asset's partition maps to the upstream's: the same key; every key of the same year; of a dataset that releases all its
years together, those of the release, of the same region where there is one; those of the experiment's dataset and release.

Of monitored regions: the same region in that year and all before (`past`); the same key of those monitored by their map
(`mapped`) or by a model (`scored`), or by a model beside a map (`compared`); the models that these deploy; their keys of that
year and the one before (`pictured`)."""

Narrowing = Literal["none", "available", "release", "published"]
"""Which of the declared inputs a production reads: all; of candidates and samples those that are published;
those of the regions that the release's quotas count; those that are published."""


OPTIONAL_STAGES = ("/candidates", "/sample")


class PartitionError(ValueError):
    """A partition key that no region, dataset or experiment declares."""


@dataclass(frozen=True)
class Platform:
    """One installation: its regions, its published artifacts, its sources, who works for it and the limits of its experiments."""

    home: Path
    regions: Mapping[str, Region]
    artifacts: ArtifactStore
    land_covers: LandCoverSource
    scenes: SceneSource
    beside: BesideSource = beside
    trial: Trial | None = None
    """Limits to every experiment; None for the settings of their rows."""
    compute: Compute = HERE
    """Who works on the parts of mosaics, of passes over maps, of patch stores and of maps of scores."""

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
    resumable: bool = False
    """Whether the stage goes on with the files that an interrupted production of the same left."""
    external: bool = False
    """Whether people publish the asset, at any time: it is never planned, and an input only where it is published."""
    regions: tuple[str, ...] = ()
    """`region|year` of what yearly partitions are of, beside datasets."""
    needed: tuple[str, ...] = ()
    """Assets among `after` that cannot be left out, where a narrowing leaves out what is not published."""
    follows_last_year: bool = False
    """Whether `config` tells of the partition of the year before, so that this is made first where both are; it is no input."""

    def awaited(self, platform: Platform, key: str) -> tuple[Ref, ...]:
        """Whatever is made before a partition, where both are made: its inputs, and what its settings tell of."""
        before = (Ref(self.asset, str(int(key) - 1)),) if self.follows_last_year else ()
        return (*self.inputs(platform, key), *before)

    @cached_property
    def _known_keys(self) -> frozenset[str]:
        return frozenset(self.keys)

    def check_key(self, key: str, regions: Mapping[str, Region]) -> str:
        """The key itself; PartitionError naming what is declared, and the remedy, if it is not declared."""
        if key in self._known_keys:
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
    if step.narrowing == "published":
        there = {each for each in declared if current_digest(platform.artifacts, each) is not None}
        return tuple(each for each in declared if each in there or each.asset in step.needed) if there else declared
    if step.narrowing == "available":
        return _available(platform, declared)
    if step.narrowing == "release":
        counted = release_regions(platform, dataset_of(step, key), key_parts(key)[1])
        return tuple(each for each in declared if _is_counted(each, counted, platform))
    return declared


def may_be_left_out(step: Step, parent: Ref) -> bool:
    """Whether a production can do without a declared input, as long as others of its kind are there."""
    if step.narrowing == "published":
        return parent.asset not in step.needed
    if step.narrowing == "available":
        return parent.asset.endswith(OPTIONAL_STAGES)
    needed = parent.asset in ("model", "evaluation") or parent.asset.endswith("/reviews")
    return step.narrowing == "release" and "|" in parent.partition and not needed


def _available(platform: Platform, declared: tuple[Ref, ...]) -> tuple[Ref, ...]:
    """The inputs without candidates and samples that are not published; all of them where none is."""
    optional = {each for each in declared if each.asset.endswith(OPTIONAL_STAGES)}
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


def datasets_of(step: Step, key: str) -> tuple[Dataset, ...]:
    """The datasets that a partition without a region of its own is of: one, or of what looks at a whole year all of it."""
    if step.narrowing != "published":
        return (dataset_of(step, key),)
    packaged = [DATASETS[asset.partition("/")[0]] for asset, _ in step.after if asset.endswith("/package")]
    learned = [] if step.regions else [DATASETS[name] for name in dict.fromkeys(each.dataset for each in EXPERIMENTS.values())]
    return tuple(dataset for dataset in packaged or learned if int(key) in dataset.releases)


def years_beside(step: Step, key: str) -> tuple[int, ...]:
    """The years that a partition is of: its own and, of a dataset, all of its release, or all before where it rests on those."""
    first, year = key_parts(key)[0], int(key_parts(key)[1])
    if any(reach == "past" for _, reach in step.after):
        return tuple(int(each) for region, each in map(key_parts, step.keys) if region == first and int(each) <= year)
    if "/" not in step.asset and step.dimensions != "experiment|year":
        return (year,)
    dataset = dataset_of(step, key)
    return dataset.years_of(dataset.release_of(year))
