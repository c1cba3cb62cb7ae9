"""What the partitions of a plan are expected to take: time, bytes read and written; and how long all take some workers.

Times are by `rates.Rates`. A partition reads all of its inputs, every byte of which is verified, so what it reads is their size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mining_platform.artifacts import Ref
from mining_platform.pipeline import Platform, Step
from mining_platform.rates import Rate, Rates, published_bytes
from mining_platform.sizes import size_of, stored_size_of
from mining_platform.staleness import UNTOLD, Planned

RUN_S = 0.35
"""Seconds that a run of one partition takes beside its work: benchmarks/orchestration.py."""
FAR = 10.0
"""Times the largest partition measured: beyond this a forecast is told to be far from what it rests on."""


@dataclass(frozen=True)
class Forecast:
    """What one partition is expected to take."""

    ref: Ref
    size: float
    """In the unit of the rate; 0 where it does not count."""
    unit: str
    seconds: float | None
    """None where nothing of its kind was ever measured."""
    written_bytes: float | None
    read_bytes: float
    rate: Rate | None

    @property
    def far(self) -> bool:
        """Whether the partition is much larger than all that its rate was measured on."""
        return bool(self.rate and self.rate.largest and self.size > FAR * self.rate.largest)


@dataclass(frozen=True)
class Duration:
    """How long a plan takes."""

    total_s: float
    """One partition after another."""
    path_s: float
    """The longest chain of partitions that wait for each other: no number of workers is faster."""

    def bounds_s(self, workers: int) -> tuple[float, float]:
        """At least and at most, where none idles while something is ready: Graham (1969), Bounds on multiprocessing timing."""
        share = self.total_s / workers
        return max(share, self.path_s), share + self.path_s * (1 - 1 / workers)


def forecasts(platform: Platform, steps: Mapping[str, Step], planned: Iterable[Planned], rates: Rates) -> list[Forecast]:
    """What those that are to be made are expected to take, in the order of the plan."""
    bytes_of: dict[Ref, float] = {}
    found = []
    for item in planned:
        if item.state in ("missing", "stale"):
            one = _forecast(platform, steps[item.ref.asset], item.ref, rates, bytes_of)
            bytes_of[item.ref] = one.written_bytes or 0.0
            found.append(one)
    return found


def _forecast(platform: Platform, step: Step, ref: Ref, rates: Rates, bytes_of: dict[Ref, float]) -> Forecast:
    rate = rates.of(step, ref.partition)
    size, unit, stored = _sizes(platform, step, ref.partition)
    parents = step.inputs(platform, ref.partition)
    for parent in parents:
        if parent not in bytes_of:
            bytes_of[parent] = float(published_bytes(platform.artifacts, parent) or 0)
    read = sum(bytes_of[parent] for parent in parents)
    if rate is None:
        return Forecast(ref, size, unit, None, None, read, None)
    return Forecast(ref, size, unit, RUN_S + rate.seconds_of(size), rate.bytes.at(stored), read, rate)


def _sizes(platform: Platform, step: Step, key: str) -> tuple[float, str, float]:
    """Size, unit, and what the bytes follow; 0 where a source or an input cannot tell."""
    try:
        return *(size_of(platform, step, key) or (0.0, "")), stored_size_of(platform, step, key)
    except UNTOLD:
        return 0.0, "", 0.0


def duration(platform: Platform, steps: Mapping[str, Step], told: Sequence[Forecast]) -> Duration:
    """How long partitions take that are in an order in which each comes after what it rests on; unknown times count nothing."""
    ends: dict[Ref, float] = {}
    for one in told:
        parents = steps[one.ref.asset].inputs(platform, one.ref.partition)
        ends[one.ref] = max((ends.get(parent, 0.0) for parent in parents), default=0.0) + (one.seconds or 0.0)
    return Duration(sum(one.seconds or 0.0 for one in told), max(ends.values(), default=0.0))
