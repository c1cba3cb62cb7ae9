"""What the last release of an annual report told otherwise, and why."""

from collections.abc import Mapping, Sequence

from mining_platform.annual_reports.contents import RestatedYear
from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.audits.changes import CAUSES, changes_between
from mining_platform.audits.sides import Side
from mining_platform.audits.walk import audit
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


def restated_years(store: ArtifactStore, before: Record, inputs: Mapping[Ref, str]) -> tuple[RestatedYear, ...]:
    """By region and year, hectares found that differ between a release and what `inputs` (digests by partition) tell now.

    Only years that both tell of, and regions that are told of now; versions that are no longer kept count as not told.
    """
    old = _found(store, {Ref(each.asset, each.partition): each.digest for each in before.inputs})
    new = _found(store, inputs)
    years = {year for _, year in old} & {year for _, year in new}
    regions = {region for region, _ in new}
    differing = [
        (region, year)
        for region, year in sorted(old.keys() | new.keys())
        if year in years and region in regions and _differ(old.get((region, year)), new.get((region, year)))
    ]
    if not differing:
        return ()
    causes = _causes(store, before.inputs, [Input(ref.asset, ref.partition, digest) for ref, digest in inputs.items()])
    return tuple(
        RestatedYear(region, year, old.get((region, year)), new.get((region, year)), causes.get(region, ()))
        for region, year in differing
    )


def _found(store: ArtifactStore, inputs: Mapping[Ref, str]) -> dict[tuple[str, int], float]:
    """Hectares found by region and year, as the changes among some versions tell."""
    told: dict[tuple[str, int], float] = {}
    for ref, digest in inputs.items():
        if ref.asset != "changes":
            continue
        try:
            facts = open_artifact(store, ref, digest).facts
        except ArtifactError:
            continue  # an older version that was removed since
        told |= {(key_parts(ref.partition)[0], int(year)): float(hectares) for year, hectares in facts["found_ha"].items()}
    return told


def _differ(before: float | None, after: float | None) -> bool:
    return before is None or after is None or abs(before - after) >= LEAST_HA


def _causes(store: ArtifactStore, before: Sequence[Input], after: Sequence[Input]) -> dict[str, tuple[str, ...]]:
    """Why the two differ, keys of CAUSES, by region; causes that are of no region are every region's."""
    sides = (Side(name, audit(store, roots, deep=False)) for name, roots in (("before", before), ("after", after)))
    found = [(key_parts(change.key[1])[0], change.cause) for change in changes_between(*sides)]
    regions = {key_parts(each.partition)[0] for each in after if each.asset == "changes"}
    shared = {cause for region, cause in found if region not in regions}
    by_region = {region: shared | {cause for of, cause in found if of == region} for region in regions}
    return {region: tuple(cause for cause in CAUSES if cause in told) for region, told in by_region.items()}
