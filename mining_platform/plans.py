"""Which partitions to make, in which order, and making them one after another.

The one planner: `materialize`, `demo`, `plan`, `status` and the yearly refresh all go through it. How a
single partition is made is the caller's affair (`Execute`): the Dagster runner, or a fake in tests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Any, Literal, Protocol

from mining_platform.artifacts import ArtifactError, Ref, current_digest, freshness
from mining_platform.clouds.s2cloudless_model import ModelMissing
from mining_platform.lineage import LineageError
from mining_platform.pipeline import PartitionError, Platform, Step, datasets_of, inputs_now, key_parts, may_be_left_out
from mining_platform.regions import RegionError
from mining_platform.sources.offline import OfflineMaps, OfflineScenes
from mining_platform.sources.protocol import NotAskedError, SourceError

State = Literal["made", "skipped", "failed", "blocked"]

UNTOLD = (SourceError, RegionError, PartitionError, ArtifactError, LineageError, ModelMissing)
"""Why it cannot be told of a partition whether it is fresh, or what it takes: the same keeps it from being made."""


UNASKED = "its service was not asked"


class PlanError(ValueError):
    """A selection that matches nothing; the message names what there is."""


@dataclass(frozen=True)
class Selection:
    """What a person asks for; an empty field does not restrict."""

    assets: tuple[str, ...] = ()
    """Asset keys, dataset ids (the whole family) or patterns such as `*/candidates`."""
    regions: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    experiments: tuple[str, ...] = ()
    upstream: bool = True
    """Also what the chosen partitions rest on."""


@dataclass(frozen=True)
class Planned:
    """One partition of a plan and why it needs to be made; no reasons means fresh."""

    ref: Ref
    reasons: tuple[str, ...]
    problem: str | None = None
    """Why it cannot be made as things stand, such as a missing source."""

    @property
    def state(self) -> str:
        """`fresh`, `missing`, `stale` or `cannot`."""
        if self.problem:
            return "cannot"
        if not self.reasons:
            return "fresh"
        return "missing" if "not made yet" in self.reasons else "stale"


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


def offline(platform: Platform) -> Platform:
    """The installation as it plans without asking any service: what only a service knows is then told as not asked."""
    return replace(platform, scenes=OfflineScenes(platform.scenes), land_covers=OfflineMaps(platform.land_covers))


@dataclass(frozen=True)
class Session:
    """An installation opened for work: what there is, how partitions are made, and who is told and who knows of them."""

    platform: Platform
    steps: Mapping[str, Step]
    execute: Execute
    tell: Tell
    known: Known = dict


def select(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> list[Ref]:
    """The partitions of a selection, each after what it rests on; PlanError where nothing matches."""
    chosen = {
        Ref(step.asset, key)
        for step in _steps_named(steps, selection.assets)
        for key in step.keys
        if _wanted(step, key, selection)
    }
    if not chosen:
        raise PlanError(_nothing(steps, selection))
    if selection.upstream:
        chosen = _with_upstream(platform, steps, selection, chosen)
    position = {asset: number for number, asset in enumerate(steps)}
    return sorted(chosen, key=lambda ref: (position[ref.asset], ref.partition))


def _steps_named(steps: Mapping[str, Step], names: Sequence[str]) -> Iterable[Step]:
    made = [step for step in steps.values() if not step.external]
    for name in names or ("*",):
        found = [step for step in made if fnmatch(step.asset, name) or step.asset.partition("/")[0] == name]
        if not found:
            known = ", ".join(step.asset for step in made)
            raise PlanError(f"No asset is called {name!r}. Known: {known}; a dataset id stands for its whole family.")
        yield from found


def _wanted(step: Step, key: str, selection: Selection) -> bool:
    first, year = key_parts(key)
    if selection.years and int(year) not in selection.years:
        return False
    if selection.experiments and step.dimensions == "experiment|year" and first not in selection.experiments:
        return False
    if not selection.regions:
        return True
    if step.dimensions == "region|year":
        return first in selection.regions
    return any(set(dataset.regions) & set(selection.regions) for dataset in datasets_of(step, key))


def _with_upstream(platform: Platform, steps: Mapping[str, Step], selection: Selection, chosen: set[Ref]) -> set[Ref]:
    found, waiting = set(chosen), list(chosen)
    while waiting:
        ref = waiting.pop()
        step = steps[ref.asset]
        for parent in step.inputs(platform, ref.partition):
            upstream = steps[parent.asset]
            if parent not in found and not upstream.external and _wanted(upstream, parent.partition, selection):
                found.add(parent)
                waiting.append(parent)
    return found


def _nothing(steps: Mapping[str, Step], selection: Selection) -> str:
    asked = ", ".join(
        f"{name} {', '.join(map(str, value))}" for name, value in vars(selection).items() if value and name != "upstream"
    )
    examples = "; ".join(
        f"{step.asset}: {step.keys[0]} … {step.keys[-1]}" for step in _steps_named(steps, selection.assets) if step.keys
    )
    return f"No declared partition matches {asked or 'this selection'}. Declared are {examples}."


def assess(platform: Platform, steps: Mapping[str, Step], ref: Ref) -> Planned:
    """Whether a partition is fresh, and if not, why: input, code or configuration."""
    step = steps[ref.asset]
    try:
        key = step.check_key(ref.partition, platform.regions)
        reasons = freshness(
            platform.artifacts,
            ref,
            inputs=inputs_now(platform, step, key),
            code_version=step.version,
            config=step.config(platform, key),
        )
    except NotAskedError:
        return Planned(ref, (UNASKED,) if is_published(platform, ref) else ("not made yet", UNASKED))
    except UNTOLD as error:
        return Planned(ref, () if is_published(platform, ref) else ("not made yet",), str(error))
    return Planned(ref, reasons)


def is_published(platform: Platform, ref: Ref) -> bool:
    """Whether a partition has a current version whose pointer can be read."""
    try:
        return current_digest(platform.artifacts, ref) is not None
    except ArtifactError:
        return False


def plan(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> list[Planned]:
    """Each partition of a selection with its state; one that rests on a stale one, or on one that cannot be made, says so."""
    stale: set[Ref] = set()
    lost: dict[Ref, Ref] = {}
    planned = []
    for ref in select(platform, steps, selection):
        item = assess(platform, steps, ref)
        step = steps[ref.asset]
        parents = step.inputs(platform, ref.partition)
        cause = _foreseen_cause(step, parents, lost)
        if cause and not item.problem:
            item = Planned(ref, item.reasons, f"rests on {cause}, which cannot be made")
        awaited = tuple(f"input {parent} is to be made" for parent in parents if parent in stale)
        if awaited and not item.reasons:
            item = Planned(ref, awaited, item.problem)
        if item.state == "cannot":
            lost[ref] = cause or ref
        elif item.state != "fresh":
            stale.add(ref)
        planned.append(item)
    return planned


def stale_refs(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> tuple[list[Ref], list[Planned]]:
    """What of a selection was published and is no longer fresh, with the inputs that it lacks; each after what it rests on.

    Beside it: what was published and cannot be made as things stand, or of which cannot be told whether it is fresh.
    """
    ordered, wanted, untold = select(platform, steps, selection), set[Ref](), list[Planned]()
    for ref in ordered:
        if not is_published(platform, ref):
            continue
        item = assess(platform, steps, ref)
        if item.state == "cannot":
            untold.append(item)
        elif item.reasons or wanted.intersection(inputs_now(platform, steps[ref.asset], ref.partition)):
            wanted |= {ref, *_lacking(platform, steps, ref)}
    return [ref for ref in ordered if ref in wanted], untold


def _lacking(platform: Platform, steps: Mapping[str, Step], ref: Ref) -> set[Ref]:
    """What a partition rests on, directly or not, that is not published."""
    found: set[Ref] = set()
    waiting = [ref]
    while waiting:
        each = waiting.pop()
        for parent in inputs_now(platform, steps[each.asset], each.partition):
            if parent not in found and not is_published(platform, parent):
                found.add(parent)
                waiting.append(parent)
    return found


def _foreseen_cause(step: Step, parents: Sequence[Ref], lost: Mapping[Ref, Ref]) -> Ref | None:
    """What will keep a partition from being made: a lost input that it needs, or all of those it could do without some of."""
    spare = {parent for parent in parents if may_be_left_out(step, parent)}
    for parent in parents:
        if parent in lost and (parent not in spare or spare <= lost.keys()):
            return lost[parent]
    return None


def run(
    platform: Platform,
    steps: Mapping[str, Step],
    refs: Sequence[Ref],
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
