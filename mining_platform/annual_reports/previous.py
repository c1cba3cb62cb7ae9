"""What the last release of an annual report told otherwise, and why."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from mining_platform.annual_reports.contents import RestatedYear
from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.audits.changes import CAUSES, Pair, Pairs, changes_of
from mining_platform.audits.nodes import Node
from mining_platform.audits.sides import ANY_YEAR, Key
from mining_platform.audits.walk import Audit, audit
from mining_platform.lineage import Input, Record
from mining_platform.pipeline import key_parts
from mining_platform.store.versions import records

LEAST_HA = 0.01
"""A smaller difference is not told: it is below what reports show."""


def previous_release(store: ArtifactStore, ref: Ref, inputs: Sequence[Ref]) -> Record | None:
    """The newest record of a report that rested on other versions than `inputs` have now; None where there is none.

    Before its first making, the newest record of the report of the year before. Making a report
    again from equal inputs finds the same one.
    """
    now = {(each.asset, each.partition, current_digest(store, each)) for each in inputs}
    others = [each for each in records(store, ref) if {(one.asset, one.partition, one.digest) for one in each.inputs} != now]
    if others:
        return others[-1]
    before = records(store, Ref(ref.asset, str(int(ref.partition) - 1)))
    return before[-1] if before else None


@dataclass(frozen=True)
class Since:
    """What differs from the release before."""

    restated: tuple[RestatedYear, ...]
    unknown: tuple[str, ...]
    """Ids of regions, told of now, whose hectares of that release nothing tells any more."""
    kept: Mapping[str, Any]
    """Facts of the report: that release's digest and hectares found, by region and year, which outlast its versions."""


def since_previous(store: ArtifactStore, ref: Ref, before: Record, inputs: Mapping[Ref, str]) -> Since:
    """Hectares found that differ between a release and what the `inputs` of the report `ref` (digests by partition) tell now.

    Only years that both tell of, and regions that are told of now. Of versions that are no longer kept the hectares are those
    that the current version of the report kept, where it follows the same release.
    """
    old, gone = _found(store, {Ref(each.asset, each.partition): each.digest for each in before.inputs})
    new, _ = _found(store, inputs)
    old |= {place: hectares for place, hectares in _kept_found(store, ref, before.digest).items() if place[0] in gone}
    regions, years = {region for region, _ in new}, {year for _, year in old} & {year for _, year in new}
    unknown = (gone & regions) - {region for region, _ in old}
    differing = [
        (region, year)
        for region, year in sorted(old.keys() | new.keys())
        if year in years and region in regions - unknown and _differ(old.get((region, year)), new.get((region, year)))
    ]
    now = [Input(each.asset, each.partition, digest) for each, digest in inputs.items()]
    causes = _causes(store, before.inputs, now, {region for region, _ in differing}, years)
    rows = (RestatedYear(*place, old.get(place), new.get(place), causes[place[0]]) for place in differing)
    return Since(tuple(rows), tuple(sorted(unknown)), _facts(before.digest, old))


def _found(store: ArtifactStore, inputs: Mapping[Ref, str]) -> tuple[dict[tuple[str, int], float], set[str]]:
    """Hectares found by region and year, as the changes among some versions tell, and regions whose version is not kept."""
    told: dict[tuple[str, int], float] = {}
    gone: set[str] = set()
    for ref, digest in inputs.items():
        if ref.asset != "changes":
            continue
        region = key_parts(ref.partition)[0]
        try:
            facts = open_artifact(store, ref, digest).facts
        except ArtifactError:
            gone.add(region)
            continue
        told |= {(region, int(year)): float(hectares) for year, hectares in facts["found_ha"].items()}
    return told, gone


def _facts(digest: str, found: Mapping[tuple[str, int], float]) -> dict[str, Any]:
    by_region: dict[str, dict[str, float]] = {}
    for (region, year), hectares in sorted(found.items()):
        by_region.setdefault(region, {})[str(year)] = hectares
    return {"previous": {"digest": digest, "found_ha": by_region}}


def _kept_found(store: ArtifactStore, ref: Ref, digest: str) -> dict[tuple[str, int], float]:
    """Hectares of the release of that digest, by region and year, as the current version of a report keeps them."""
    try:
        kept = open_artifact(store, ref).facts.get("previous", {})
    except ArtifactError:
        return {}
    found = kept["found_ha"] if kept.get("digest") == digest else {}
    return {(region, int(year)): float(hectares) for region, years in found.items() for year, hectares in years.items()}


def _differ(before: float | None, after: float | None) -> bool:
    return before is None or after is None or abs(before - after) >= LEAST_HA


def _causes(
    store: ArtifactStore, before: Sequence[Input], after: Sequence[Input], regions: Set[str], years: Set[int]
) -> dict[str, tuple[str, ...]]:
    """Why hectares of some years differ, keys of CAUSES, by region."""
    changed = [[each for each in inputs if _region_of_changes(each) in regions] for inputs in (before, after)]
    sides = [audit(store, roots, deep=False) for roots in changed]
    found = {region: {change.cause for change in changes_of(_differing(sides, region, years))} for region in regions}
    return {region: tuple(cause for cause in CAUSES if cause in told) for region, told in found.items()}


def _region_of_changes(version: Input) -> str | None:
    return key_parts(version.partition)[0] if version.asset == "changes" else None


def _differing(sides: Sequence[Audit], region: str, years: Set[int]) -> Pairs:
    """What a region's changes rest on in some years, each beside the same partition of the other side, down to what is equal.

    The changes themselves are compared whatever their year.
    """
    left, right = (next((side.nodes[root] for root in side.roots if _region_of_changes(root) == region), None) for side in sides)
    found = {("changes", f"{region}|{ANY_YEAR}"): (left, right)}
    waiting = [(key, pair) for key, pair in _inputs(sides, left, right) if int(key_parts(key[1])[1]) in years]
    while waiting:
        key, pair = waiting.pop()
        if key not in found:
            found[key] = pair
            waiting += _inputs(sides, *pair)
    return found


def _inputs(sides: Sequence[Audit], left: Node | None, right: Node | None) -> Iterable[tuple[Key, Pair]]:
    """Inputs of two versions of a partition, paired; none where they are equal or only one side has it."""
    if left is None or right is None or left.version.digest == right.version.digest:
        return ()
    old, new = (
        {(each.asset, each.partition): side.nodes[each] for each in node.inputs}
        for side, node in zip(sides, (left, right), strict=True)
    )
    return [(key, (old.get(key), new.get(key))) for key in sorted(old.keys() | new.keys())]
