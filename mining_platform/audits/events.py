"""The orchestrator's events held against the artifacts: each must know of the other.

The domain knows no orchestrator: its session hands in what it has heard of, see `runs.Known`.
"""

from collections.abc import Mapping
from dataclasses import replace

from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.audits.kept import read_kept
from mining_platform.audits.walk import Audit
from mining_platform.store import versions

NO_EVENTS = "the orchestrator has no event of any artifact: nothing was compared"
MENDED = "`mining-platform reconcile` tells the orchestrator"


def crossed(audit: Audit, store: ArtifactStore, known: Mapping[Ref, str], *, whole_store: bool) -> Audit:
    """The audit with what differs between the newest events (partition -> digest) and the current versions.

    Of the audit's own partitions, or of the whole store. An event of a version that is gone or never was is a break; an
    artifact without event, and an event of an older version, are told.
    """
    walked = {node.ref for node in audit.nodes.values()}
    asked = {*versions.all_refs(store), *known} if whole_store else walked
    if not known:
        return replace(audit, crossed=(NO_EVENTS,))
    told: list[str] = []
    breaks: list[str] = []
    for ref in sorted(asked):
        words, is_break = _difference(store, ref, known.get(ref))
        if words:
            (breaks if is_break else told).append(words)
    return replace(audit, crossed=(*told, *breaks), crossed_breaks=tuple(breaks))


def _difference(store: ArtifactStore, ref: Ref, digest: str | None) -> tuple[str, bool]:
    """How event and artifact differ, in words ("" where they do not), and whether that is a break."""
    kept = read_kept(store, ref)
    if digest == kept.current:
        return "", False
    if digest is None:
        return f"{ref}: artifact without event; {MENDED}", False
    if kept.current is None:
        return f"{ref}: event without artifact: version {digest[:12]} was reported, and nothing is published", True
    if kept.record_of(digest) is not None:
        return f"{ref}: the newest event is of version {digest[:12]}, the current one is {kept.current[:12]}; {MENDED}", False
    return f"{ref}: event without artifact: no record tells of version {digest[:12]}, which was reported", True
