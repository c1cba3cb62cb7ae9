"""Artifacts and the orchestrator's events brought together again, after a crash between the two or a lost database.

The artifacts are the truth: an event can be told again from them, never the reverse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mining_platform import lineage
from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, finish_publication, open_artifact, records
from mining_platform.runs import Tell
from mining_platform.store import versions

Kind = Literal["unpublished", "untold", "told of another version", "lost", "damaged"]
REPAIRABLE: tuple[Kind, ...] = ("unpublished", "untold", "told of another version")
WORDS: Mapping[Kind, str] = {
    "unpublished": "a run was killed after it had recorded this version and before readers saw it",
    "untold": "published, and the orchestrator has no event of it",
    "told of another version": "the orchestrator's newest event is of another version",
    "lost": "the orchestrator has an event of it, and there is no such artifact; materialize it again",
    "damaged": "its records or its pointer cannot be read; see `mining-platform audit`",
}


@dataclass(frozen=True, order=True)
class Difference:
    """One partition on which artifacts and events do not agree."""

    ref: Ref
    kind: Kind
    digest: str
    """Version that the artifacts tell of; of a lost one, that of the event."""

    @property
    def words(self) -> str:
        """What it means."""
        return WORDS[self.kind]


def differences(store: ArtifactStore, known: Mapping[Ref, str]) -> list[Difference]:
    """Where artifacts and events differ, sorted; `known` has the digest of the newest event of each partition."""
    found = []
    published: set[Ref] = set()
    for ref in versions.all_refs(store):
        try:
            chain = records(store, ref)
            pointer = versions.read_pointer(store, ref)
        except (ArtifactError, lineage.LineageError):
            found.append(Difference(ref, "damaged", ""))
            published.add(ref)
            continue
        if chain and not versions.points_to(store, ref, chain[-1]):
            found.append(Difference(ref, "unpublished", chain[-1].digest))
            published.add(ref)
        elif pointer is not None:
            published.add(ref)
            if known.get(ref) != pointer.digest:
                found.append(Difference(ref, "told of another version" if ref in known else "untold", pointer.digest))
    found += [Difference(ref, "lost", digest) for ref, digest in known.items() if ref not in published]
    return sorted(found)


def repair(store: ArtifactStore, difference: Difference, tell: Tell) -> bool:
    """Publish what was finished, and tell of what is published; whether the difference is gone. Raises as `open_artifact`."""
    if difference.kind not in REPAIRABLE:
        return False
    if difference.kind == "unpublished" and not finish_publication(store, difference.ref, "reconcile"):
        return False
    artifact = open_artifact(store, difference.ref)
    tell(artifact.ref, artifact.digest, artifact.facts)
    return True
