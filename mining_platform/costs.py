"""What partitions take from services that count requests, bytes or compute units; known before a run, and limited.

Pixels are counted: of mosaics, of layers beside them and of land-cover maps. Lists of scenes and other metadata are not, nor are
requests that are sent again, or cut smaller than foreseen, because a service had trouble. Limits hold for what a `limited` run
makes, partition by partition, and hours for what a `clocked` run begins: not for what is made without, such as from the web UI.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from odc.geo.geobox import GeoBox

from mining_platform.artifacts import Ref, current_digest, open_artifact
from mining_platform.chunks import CHUNK_PX, all_blocks, block_slices
from mining_platform.datasets import DATASETS
from mining_platform.layer_costs import cost_of_layer
from mining_platform.mosaics import GROUP_SIDE, group_geoboxes
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.regions import LAYERS_BESIDE, Region, required_scenes
from mining_platform.runs import Execute, Outcome
from mining_platform.scene_costs import cost_of_patches, scene_count
from mining_platform.sizes import expected_pixels, scenes_over_a_place
from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE
from mining_platform.sources.protocol import Cost, NotAskedError
from mining_platform.stages.imagery import blocks_to_compute
from mining_platform.staleness import UNTOLD, Planned, assess

GROUPS_A_WINDOW = 4  # a window smaller than a chunk touches at most this many chunks, each in another group of a mosaic's


class CostError(ValueError):
    """A run would take more than it may; the message says how much, and what to do."""


@dataclass(frozen=True)
class Estimate:
    """What one partition takes."""

    ref: Ref
    cost: Cost
    at_most: bool
    """Whether this is an upper bound, because the windows that decide are not drawn yet."""
    expected: bool = False
    """Whether scenes and windows were not counted but expected, because a service was not asked."""


def estimate(platform: Platform, step: Step, key: str) -> Estimate:
    """What making a partition takes as things stand; an error of staleness.UNTOLD where its source or an input cannot tell."""
    if step.asset == "land_cover":
        region, year = platform.region_year(key)
        return Estimate(Ref(step.asset, key), platform.land_covers.cost_land_cover(region, year), False)
    if step.asset.endswith("/patches"):
        return Estimate(Ref(step.asset, key), *cost_of_patches(platform, step, key))
    if step.asset in LAYERS_BESIDE:
        return Estimate(Ref(step.asset, key), *cost_of_layer(platform, step, key))
    if step.asset != "mosaic":
        return Estimate(Ref(step.asset, key), Cost(), False)
    try:
        scenes = scene_count(platform, key)
    except NotAskedError:
        return Estimate(Ref(step.asset, key), _expected_cost(platform, key), True, expected=True)
    region, _ = platform.region_year(key)
    boxes, at_most = _foreseen_geoboxes(platform, step, key)
    return Estimate(Ref(step.asset, key), platform.scenes.cost(region, scenes, required_scenes(region).channels, boxes), at_most)


def _expected_cost(platform: Platform, key: str) -> Cost:
    """What the chunks that are to be expected take at most, each of the scenes that see a place in a year."""
    region, _ = platform.region_year(key)
    chunk = region.geobox[block_slices(region.geobox, (0, 0))]
    scenes = round(scenes_over_a_place(platform, key))
    one = platform.scenes.cost(region, scenes, required_scenes(region).channels, [chunk])
    return one * math.ceil(expected_pixels(platform, key) / (chunk.shape[0] * chunk.shape[1]))


def _foreseen_geoboxes(platform: Platform, step: Step, key: str) -> tuple[list[GeoBox], bool]:
    """Grids that a mosaic is composed on; and whether they are an upper bound, for as many windows as datasets want."""
    region, year = platform.region_year(key)
    if region.coverage == "full":
        return group_geoboxes(region.geobox, all_blocks(region.geobox)), False
    inputs = inputs_now(platform, step, key)
    samples = [ref for ref in inputs if ref.asset.endswith("/sample")]
    if samples and all(current_digest(platform.artifacts, ref) is not None for ref in samples):
        artifacts = {ref: open_artifact(platform.artifacts, ref) for ref in samples}
        return group_geoboxes(region.geobox, blocks_to_compute(region, artifacts) or []), False
    return _most_geoboxes(region, year), True


def _most_geoboxes(region: Region, year: int) -> list[GeoBox]:
    """Grids that take no less than those of any windows, as many as datasets want.

    A chunk that a window touches adds one to the grids or nothing, and two chunks to their area at most: two chunks of a
    group that touch at a corner alone have all four composed.
    """
    side_px = CHUNK_PX * GROUP_SIDE
    rows, columns = (size // side_px for size in region.geobox.shape)
    most = _most_windows(region, year) * GROUPS_A_WINDOW
    if most >= rows * columns:
        return group_geoboxes(region.geobox, all_blocks(region.geobox))
    corners = [(GROUP_SIDE * (group // columns), GROUP_SIDE * (group % columns)) for group in range(most)]
    return group_geoboxes(region.geobox, [(i, j + right) for i, j in corners for right in range(GROUP_SIDE)])


def _most_windows(region: Region, year: int) -> int:
    rows = (row for row in DATASETS.values() if row.sample_unit == "mosaic" and region.id in row.regions and year in row.years)
    return sum(sum(row.quotas.values()) for row in rows)


@dataclass
class Budget:
    """What a run may still take; None does not limit."""

    max_requests: int | None
    max_bytes: int | None
    max_hours: float | None = None
    max_eecu_hours: float | None = None
    eecu_rate: float = EECU_S_PER_GIGAVALUE
    """Compute unit seconds of Earth Engine for 10^9 values, by which compute units are counted."""
    spent: Cost = field(default_factory=Cost)
    refused: list[Ref] = field(default_factory=list)
    """What was not made because it would have taken too much."""
    stopped: str = ""
    """Why the run ended before all was made; empty while it goes on."""

    @property
    def limits(self) -> bool:
        """Whether what is taken from services is limited."""
        return any(most is not None for most in (self.max_requests, self.max_bytes, self.max_eecu_hours))

    def late(self, spent_s: float, expected_s: float, what: str) -> str:
        """Why something may not be begun after so many seconds; empty where it may."""
        whole_h = (spent_s + expected_s) / 3600
        if self.max_hours is None or whole_h <= self.max_hours:
            return ""
        return (
            f"{what} is expected to bring this run to {whole_h:.2f} hours, more than the {self.max_hours:g} it may take. "
            "Raise --max-hours, or choose less."
        )

    def refusal(self, cost: Cost, what: str) -> str | None:
        """Why something may not be made, None where it may."""
        wanted = self.spent + cost
        for name, most, total in (
            ("requests", self.max_requests, wanted.requests),
            ("bytes", self.max_bytes, wanted.bytes),
            ("EECU-hours", self.max_eecu_hours, self.own(wanted).eecu_s / 3600),
        ):
            if most is not None and total > most:
                return (
                    f"{what} would bring this run to {round(total, 2)} {name}, more than the {most} it may take. "
                    f"Raise --max-{name.lower()}, or choose less."
                )
        return None

    def own(self, cost: Cost) -> Cost:
        """A cost as sources tell it, with compute units by the rate of this budget."""
        return replace(cost, eecu_s=cost.eecu_s * self.eecu_rate / EECU_S_PER_GIGAVALUE)

    def check(self, estimates: Sequence[Estimate], expected_s: float = 0.0) -> None:
        """CostError where all of it together is more than the run may take, leaving out what is an upper bound."""
        known = [item for item in estimates if not item.at_most]
        problem = self.refusal(total(known), f"What is to be made ({len(known)} partitions)")
        problem = problem or self.late(0.0, expected_s, "What is to be made")
        if problem:
            raise CostError(problem)


def estimates(platform: Platform, steps: Mapping[str, Step], planned: Iterable[Planned]) -> list[Estimate]:
    """What the partitions of a plan that are to be made take, those that take something; what cannot be made is left out."""
    found = []
    for item in planned:
        if item.state in ("missing", "stale"):
            try:
                found.append(estimate(platform, steps[item.ref.asset], item.ref.partition))
            except UNTOLD:
                continue  # the plan itself says what keeps it from being made
    return [item for item in found if item.cost != Cost()]


def total(estimates: Iterable[Estimate]) -> Cost:
    """The cost of all."""
    return sum((item.cost for item in estimates), Cost())


def limited(execute: Execute, platform: Platform, steps: Mapping[str, Step], budget: Budget) -> Execute:
    """An `Execute` that fails a partition which would take more than is left, before anything is asked for.

    Several threads may call it: what one is about to take is no longer left for another.
    """
    alone = Lock()

    def within(ref: Ref) -> Outcome:
        if not budget.limits or assess(platform, steps, ref).state == "fresh":
            return execute(ref)
        try:
            cost = estimate(platform, steps[ref.asset], ref.partition).cost
        except UNTOLD as error:
            return Outcome(ref, "failed", "", 0.0, str(error))
        with alone:
            problem = budget.refusal(cost, str(ref))
            if problem:
                budget.refused.append(ref)
                return Outcome(ref, "failed", "", 0.0, problem)
            budget.spent += cost
        outcome = execute(ref)
        if outcome.state == "skipped":
            with alone:
                budget.spent += cost * -1
        return outcome

    return within


def clocked(
    budget: Budget, expected_s: Mapping[Ref, float], clock: Callable[[], float] = time.monotonic
) -> Callable[[Ref], bool]:
    """Whether there is time for a partition, by the clock from here on and what it is expected to take; see `budget.stopped`."""
    started = clock()

    def has_time(ref: Ref) -> bool:
        budget.stopped = budget.late(clock() - started, expected_s.get(ref, 0.0), str(ref))
        return not budget.stopped

    return has_time
