"""What is to be made again where sources changed, and what the new land-cover maps say otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.land_cover_changes import class_changes
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.plans import Selection, select
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.staleness import is_published


def affected(platform: Platform, steps: Mapping[str, Step], roots: Iterable[Ref], experiments: Sequence[str]) -> list[Ref]:
    """The published partitions that rest on some, themselves included, each after what it rests on; of experiments only some.

    Nothing that was never published, and nothing that rests on other sources alone.
    """
    wanted, ordered = set(roots), select(platform, steps, Selection(experiments=tuple(experiments)))
    for ref in ordered:
        if is_published(platform, ref) and wanted.intersection(inputs_now(platform, steps[ref.asset], ref.partition)):
            wanted.add(ref)
    return [ref for ref in ordered if ref in wanted]


def land_cover_versions(store: ArtifactStore, refs: Iterable[Ref]) -> dict[Ref, str]:
    """Digests of the current land-cover maps among some partitions: to be held against those after a refresh."""
    found = {ref: current_digest(store, ref) for ref in refs if ref.asset == "land_cover"}
    return {ref: digest for ref, digest in found.items() if digest}


def restated_classes(store: ArtifactStore, before: Mapping[Ref, str]) -> list[dict[str, Any]]:
    """A row for each region, year and class that maps differ in, now and before; of maps that are no longer kept, none."""
    rows = []
    for ref, digest in sorted(before.items()):
        if current_digest(store, ref) == digest:
            continue
        try:
            old, new = open_artifact(store, ref, digest), open_artifact(store, ref)
        except ArtifactError:
            continue  # the older version was removed since
        changes = class_changes(old.path / LAND_COVER_FILE, new.path / LAND_COVER_FILE)
        rows += [{"partition": ref.partition, **vars(change)} for change in changes]
    return rows
