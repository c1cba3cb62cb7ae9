"""Making partitions one after another, and what an orchestrator does for that.

How a single partition is made is the caller's affair (`Execute`): the Dagster runner, or a fake in tests.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mining_platform.artifacts import ArtifactError, Ref
from mining_platform.lineage import LineageError
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.staleness import is_published

State = Literal["made", "skipped", "failed", "blocked"]


@dataclass(frozen=True)
class Outcome:
    """What became of one partition."""

    ref: Ref
    state: State
    digest: str
    seconds: float
    message: str = ""


class Execute(Protocol):
    """Makes one partition; failures are told in the outcome, never raised."""

    def __call__(self, ref: Ref) -> Outcome:
        """Make the partition of `ref` and tell what became of it."""
        ...


class Tell(Protocol):
    """Tells the orchestrator of a version that was published outside of its runs, such as people's decisions."""

    def __call__(self, ref: Ref, digest: str, facts: Mapping[str, Any]) -> None:
        """Make `digest` the known version of `ref`, with its facts; nothing where it is known already."""
        ...


class Known(Protocol):
    """What the orchestrator has heard of, for an audit to hold against the artifacts."""

    def __call__(self) -> Mapping[Ref, str]:
        """Digest of the newest version that it knows of each partition; empty where it knows none."""
        ...


@dataclass(frozen=True)
class Session:
    """An installation opened for work: what there is, how partitions are made, and who is told and who knows of them."""

    platform: Platform
    steps: Mapping[str, Step]
    execute: Execute
    tell: Tell
    known: Known = dict


def run(
    platform: Platform,
    steps: Mapping[str, Step],
    refs: Iterable[Ref],
    execute: Execute,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> list[Outcome]:
    """Make partitions in order; what rests on a failed one is blocked, everything else goes on.

    A yearly asset goes on with what its regions have published before.
    """
    lost: dict[Ref, Ref] = {}
    outcomes = []
    for ref in refs:
        try:
            cause = _cause(platform, steps[ref.asset], ref, lost)
        except (ArtifactError, LineageError) as error:
            cause, outcome = None, Outcome(ref, "failed", "", 0.0, str(error))
        else:
            outcome = Outcome(ref, "blocked", "", 0.0, f"rests on {cause}, which failed") if cause else execute(ref)
        if outcome.state in ("failed", "blocked"):
            lost[ref] = cause or ref
        on_outcome(outcome)
        outcomes.append(outcome)
    return outcomes


def _cause(platform: Platform, step: Step, ref: Ref, lost: Mapping[Ref, Ref]) -> Ref | None:
    """The failure that keeps a partition from being made in this session, if any."""
    if not lost:
        return None
    for parent in inputs_now(platform, step, ref.partition):
        usable = step.dimensions != "region|year" and is_published(platform, parent)
        if parent in lost and not usable:
            return lost[parent]
    return None
