"""Which partitions to make, and in which order.

The one planner: `materialize`, `demo`, `plan`, `status` and the yearly refresh all go through it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as fnmatch_all
from fnmatch import fnmatch

from mining_platform.artifacts import Ref
from mining_platform.artifacts import at_one_moment as pointers_at_one_moment
from mining_platform.pipeline import Platform, Step, datasets_of, inputs_now, key_parts, may_be_left_out, years_beside
from mining_platform.sources.asked_once import asked_once
from mining_platform.staleness import Planned, assess, is_published


class PlanError(ValueError):
    """A selection that matches nothing; the message names what there is."""


@dataclass(frozen=True)
class Selection:
    """What a person asks for; an empty field does not restrict."""

    assets: tuple[str, ...] = ()
    """Asset keys, dataset ids (the whole family) or patterns such as `*/candidates`."""
    regions: tuple[str, ...] = ()
    """Region ids, or patterns such as `legal-amazon-*`."""
    years: tuple[int, ...] = ()
    experiments: tuple[str, ...] = ()
    upstream: bool = True
    """Also what the chosen partitions rest on, that of other years of their releases included."""
    models_of_other_years: bool = True
    """Among that, also models of other years, such as deployed ones; without, those that are published stay as they are."""


def select(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> list[Ref]:
    """The partitions of a selection, each after what it rests on; PlanError where nothing matches."""
    selection = _spelled_out(platform, selection)
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
    return _in_order(steps, chosen)


def _spelled_out(platform: Platform, selection: Selection) -> Selection:
    """The selection with the ids of regions in place of patterns; a pattern that no region matches stays, and matches nothing."""
    named = (sorted(fnmatch_all(platform.regions, word)) or [word] for word in selection.regions)
    return replace(selection, regions=tuple(dict.fromkeys(region_id for each in named for region_id in each)))


def _in_order(steps: Mapping[str, Step], refs: Iterable[Ref]) -> list[Ref]:
    """Each after what it rests on."""
    position = {asset: number for number, asset in enumerate(steps)}
    return sorted(refs, key=lambda ref: (position[ref.asset], ref.partition))


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
    named = [region_id for region_id, of_year in map(key_parts, step.regions) if of_year == year]
    of_step = [named, *(dataset.regions for dataset in datasets_of(step, key))]
    return any(set(regions) & set(selection.regions) for regions in of_step)


def _with_upstream(platform: Platform, steps: Mapping[str, Step], selection: Selection, chosen: set[Ref]) -> set[Ref]:
    found, waiting = set(chosen), list(chosen)
    while waiting:
        ref = waiting.pop()
        step = steps[ref.asset]
        widened = _widened(selection, step, ref.partition)
        for parent in step.inputs(platform, ref.partition):
            upstream = steps[parent.asset]
            of_another_year = upstream.dimensions == "experiment|year" and not selection.models_of_other_years
            followed = selection if of_another_year and is_published(platform, parent) else widened
            if followed.experiments and not may_be_left_out(step, parent):
                followed = replace(followed, experiments=())  # what detections need is made, chosen or not
            if parent not in found and not upstream.external and _wanted(upstream, parent.partition, followed):
                found.add(parent)
                waiting.append(parent)
    return found


def _widened(selection: Selection, step: Step, key: str) -> Selection:
    """The selection with the years that a partition is of."""
    return replace(selection, years=(*selection.years, *years_beside(step, key))) if selection.years else selection


def _nothing(steps: Mapping[str, Step], selection: Selection) -> str:
    asked = ", ".join(
        f"{name} {', '.join(map(str, value))}" for name, value in vars(selection).items() if isinstance(value, tuple) and value
    )
    examples = "; ".join(
        f"{step.asset}: {step.keys[0]} … {step.keys[-1]}" for step in _steps_named(steps, selection.assets) if step.keys
    )
    return f"No declared partition matches {asked or 'this selection'}. Declared are {examples}."


def at_one_moment(platform: Platform) -> Platform:
    """The installation as it is from here on, for looks that make nothing: pointers are read, and services asked, once each."""
    return replace(platform, artifacts=pointers_at_one_moment(platform.artifacts), scenes=asked_once(platform.scenes))


def plan(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> list[Planned]:
    """Each partition of a selection with its state; one that rests on a stale one, or on one that cannot be made, says so."""
    now = at_one_moment(platform)
    return _planned(now, steps, select(now, steps, selection))


def planned(platform: Platform, steps: Mapping[str, Step], refs: Sequence[Ref]) -> list[Planned]:
    """As `plan`, of partitions that are known, each after what it rests on."""
    return _planned(at_one_moment(platform), steps, refs)


def standings(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> list[Planned]:
    """As `plan`, of what is published alone."""
    now = at_one_moment(platform)
    return _planned(now, steps, [ref for ref in select(now, steps, selection) if is_published(now, ref)])


def standing(platform: Platform, steps: Mapping[str, Step], ref: Ref) -> Planned:
    """The state of one published partition, as `plan` tells it of one among all that it rests on."""
    now = at_one_moment(platform)
    below = _with_upstream(now, steps, Selection(), {ref}) - {ref}
    ordered = _in_order(steps, (each for each in below if is_published(now, each)))
    return _planned(now, steps, [*ordered, ref])[-1]


def _planned(platform: Platform, steps: Mapping[str, Step], refs: Sequence[Ref]) -> list[Planned]:
    stale: set[Ref] = set()
    lost: dict[Ref, Ref] = {}
    found = []
    for ref in refs:
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
        elif item.state in ("missing", "stale"):
            stale.add(ref)
        found.append(item)
    return found


def stale_refs(platform: Platform, steps: Mapping[str, Step], selection: Selection) -> tuple[list[Ref], list[Planned]]:
    """What of a selection was published and is no longer fresh, with the inputs that it lacks; each after what it rests on.

    Beside it: what was published and cannot be made as things stand, or of which cannot be told whether it is fresh.
    """
    now = at_one_moment(platform)
    ordered, wanted, untold = select(now, steps, selection), set[Ref](), list[Planned]()
    for ref in ordered:
        if not is_published(now, ref):
            continue
        item = assess(now, steps, ref)
        if item.state in ("cannot", "not asked"):
            untold.append(item)
        elif item.reasons or wanted.intersection(inputs_now(now, steps[ref.asset], ref.partition)):
            wanted |= {ref, *_lacking(now, steps, ref)}
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
