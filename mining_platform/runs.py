"""Making partitions one after another, or several at once, and what an orchestrator does for that.

How a single partition is made is the caller's affair (`Execute`): the Dagster runner, or a fake in tests.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
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
class Crew:
    """Makes partitions, several at once where it has several workers."""

    execute: Execute
    """Called by as many threads as there are workers."""
    workers: int = 1
    has_room: Callable[[Ref, Collection[Ref]], bool] = lambda _ref, _under_way: True
    """Whether a partition may be made beside those under way: what trains a model waits for another that does."""


@dataclass(frozen=True)
class Session:
    """An installation opened for work: what there is, how partitions are made, and who is told and who knows of them."""

    platform: Platform
    steps: Mapping[str, Step]
    execute: Execute
    tell: Tell
    known: Known = dict
    hired: Callable[[int], AbstractContextManager[Crew]] | None = None
    """Gives so many workers, each a process of its own; None where only this process makes partitions."""

    def crew(self, workers: int) -> AbstractContextManager[Crew]:
        """Whoever makes partitions, so many at once; for one worker this process."""
        return self.hired(workers) if self.hired and workers > 1 else nullcontext(Crew(self.execute))


def run(
    platform: Platform,
    steps: Mapping[str, Step],
    refs: Iterable[Ref],
    crew: Crew,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
    may_begin: Callable[[Ref], bool] = lambda _ref: True,
) -> list[Outcome]:
    """Make partitions; what rests on a failed one is blocked, everything else goes on. Outcomes come in the order of `refs`.

    In `refs` each stands after what it rests on. One worker makes them in that order; several make whatever rests on nothing
    that is still to be made. A yearly asset goes on with what its regions have published before. Where one may
    not begin, nothing is begun any more.
    """
    wanted, losses = tuple(refs), _Losses(platform, steps)

    def concluded(outcome: Outcome) -> Outcome:
        losses.note(outcome)
        on_outcome(outcome)
        return outcome

    if crew.workers > 1:
        return _several(_Queue(platform, steps, wanted), crew, losses, concluded, may_begin)
    outcomes = []
    for ref in wanted:
        if not may_begin(ref):
            break
        outcomes.append(concluded(losses.hindered(ref) or crew.execute(ref)))
    return outcomes


def _several(
    queue: "_Queue", crew: Crew, losses: "_Losses", concluded: Callable[[Outcome], Outcome], may_begin: Callable[[Ref], bool]
) -> list[Outcome]:
    outcomes: dict[Ref, Outcome] = {}
    under_way: dict[Future[Outcome], Ref] = {}
    going = True
    with ThreadPoolExecutor(crew.workers) as threads:
        while True:
            while going and len(under_way) < crew.workers:
                ref = queue.next(lambda each: crew.has_room(each, tuple(under_way.values())))
                if ref is None:
                    break
                going = may_begin(ref)
                hindered = losses.hindered(ref) if going else None
                if hindered:
                    outcomes[ref] = concluded(hindered)
                    queue.resolve(ref)
                elif going:
                    under_way[threads.submit(crew.execute, ref)] = ref
            if not under_way:
                return [outcomes[ref] for ref in queue.refs if ref in outcomes]
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                ref = under_way.pop(future)
                outcomes[ref] = concluded(future.result())
                queue.resolve(ref)


class _Queue:
    """Partitions that wait, and for which others."""

    def __init__(self, platform: Platform, steps: Mapping[str, Step], refs: Sequence[Ref]) -> None:
        self.refs = refs
        known = set(refs)
        self._awaited = {ref: known.intersection(steps[ref.asset].awaited(platform, ref.partition)) for ref in refs}
        self._waiting_for: dict[Ref, list[Ref]] = {}
        for ref, parents in self._awaited.items():
            for parent in parents:
                self._waiting_for.setdefault(parent, []).append(ref)
        self._chain: dict[Ref, int] = {}
        for ref in reversed(refs):
            self._chain[ref] = 1 + max((self._chain[each] for each in self._waiting_for.get(ref, ())), default=0)
        self._ready = {ref: None for ref, parents in self._awaited.items() if not parents}

    def next(self, has_room: Callable[[Ref], bool]) -> Ref | None:
        """Of what is ready and has room the one with the longest chain behind it, the first of equals; None for none."""
        chosen = max(filter(has_room, self._ready), key=self._chain.__getitem__, default=None)
        if chosen is not None:
            del self._ready[chosen]
        return chosen

    def resolve(self, ref: Ref) -> None:
        """Nobody waits for this one any more, be it made or not."""
        for each in self._waiting_for.pop(ref, ()):
            self._awaited[each].discard(ref)
            if not self._awaited[each]:
                self._ready[each] = None


@dataclass
class _Losses:
    """What was not made in a run, and what was behind that."""

    platform: Platform
    steps: Mapping[str, Step]
    lost: dict[Ref, Ref] = field(default_factory=dict)
    """Partition -> the one that failed first."""

    def hindered(self, ref: Ref) -> Outcome | None:
        """What becomes of a partition that cannot be begun; None where it can."""
        try:
            cause = self._cause(ref)
        except (ArtifactError, LineageError) as error:
            return Outcome(ref, "failed", "", 0.0, str(error))
        if cause is None:
            return None
        self.lost[ref] = cause
        return Outcome(ref, "blocked", "", 0.0, f"rests on {cause}, which failed")

    def note(self, outcome: Outcome) -> None:
        """Remember a partition that failed."""
        if outcome.state == "failed":
            self.lost[outcome.ref] = outcome.ref

    def _cause(self, ref: Ref) -> Ref | None:
        """The failure that keeps a partition from being made in this run, if any."""
        if not self.lost:
            return None
        step = self.steps[ref.asset]
        for parent in inputs_now(self.platform, step, ref.partition):
            usable = step.dimensions != "region|year" and is_published(self.platform, parent)
            if parent in self.lost and not usable:
                return self.lost[parent]
        return None
