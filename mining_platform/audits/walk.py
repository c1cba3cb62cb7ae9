"""The walk: from versions to all that they rest on, by their lineage records alone.

Nothing but the files of the artifact store is read. What only others know (whether code or configuration changed, what the
orchestrator has heard of) comes in as a callable or is joined later.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mining_platform.artifacts import ArtifactStore, MissingArtifact, Ref
from mining_platform.audits.kept import Kept, read_kept
from mining_platform.audits.nodes import Node, examine, hashed, name_of
from mining_platform.lineage import Input, Record
from mining_platform.store import versions

Verdict = Literal["whole", "superseded", "stale", "unsound", "broken"]
VERDICTS: Mapping[Verdict, str] = {
    "whole": "all it rests on is there and unchanged",
    "superseded": "whole, but a newer version of its partition was published since",
    "stale": "whole, but inputs, code or configuration changed since",
    "unsound": "whole itself, but something it rests on is broken",
    "broken": "its files or records are not what was published",
}
"""From best to worst, in words."""
ORDER: tuple[Verdict, ...] = tuple(VERDICTS)

MOST_NAMED = 5  # breaks in a message

Since = Callable[[Ref, Record], tuple[str, ...]]
"""What of code, configuration and declared inputs changed since a record; () where nothing did."""


@dataclass(frozen=True)
class Audit:
    """All that some versions rest on, judged."""

    roots: tuple[Input, ...]
    """The versions that were asked about."""
    nodes: Mapping[Input, Node]
    """Roots and everything upstream, sorted."""
    verdicts: Mapping[Input, Verdict]
    deep: bool
    """Whether every byte was hashed; else names, sizes, manifests, facts and records only."""
    crossed: tuple[str, ...] | None = None
    """How the orchestrator's events differ from the artifacts; None where it was not asked."""
    crossed_breaks: tuple[str, ...] = ()
    """Those of its events that tell of versions that were never published or are gone."""

    @property
    def breaks(self) -> list[str]:
        """Every break, naming version and file."""
        own = [f"{name_of(version)}: {text}" for version, node in self.nodes.items() for text in node.breaks]
        return [*own, *self.crossed_breaks]

    @property
    def verdict(self) -> Verdict:
        """The worst of the roots' own, and `broken` where anything is."""
        if self.breaks:
            return "broken"
        return max((self.verdicts[root] for root in self.roots), key=ORDER.index, default="whole")


class AuditError(RuntimeError):
    """Something that was to be audited as whole is broken."""


def require_whole(audit: Audit) -> Audit:
    """The audit itself; AuditError naming its breaks where there are any."""
    if audit.breaks:
        named = "; ".join(audit.breaks[:MOST_NAMED])
        more = f"; and {len(audit.breaks) - MOST_NAMED} more" if len(audit.breaks) > MOST_NAMED else ""
        raise AuditError(f"Broken: {named}{more}. Restore the files from a backup, or materialize again.")
    return audit


def nothing_known(_ref: Ref, _record: Record) -> tuple[str, ...]:
    """Where nobody knows today's code and configuration."""
    return ()


def roots_of(store: ArtifactStore, asset: str | None = None, partition: str | None = None) -> tuple[Input, ...]:
    """Versions to begin with: one partition's current one, those of all partitions of an asset, or every one in the store.

    Of a whole store also the older versions that are still kept. MissingArtifact where there is none.
    """
    if asset is None:
        return tuple(version for ref in versions.all_refs(store) for version in _versions(store, ref))
    refs = [ref for ref in versions.all_refs(store) if ref.asset == asset and partition in (None, ref.partition)]
    found = [Input(ref.asset, ref.partition, digest) for ref in refs if (digest := read_kept(store, ref).current)]
    if found:
        return tuple(found)
    known = sorted({ref.asset for ref in versions.all_refs(store)})
    asked = f"{asset}@{partition}" if partition else asset
    there = f"Published are {', '.join(known)}." if known else "Nothing is published yet."
    raise MissingArtifact(f"{asked} was never made. {there} `mining-platform status` lists all partitions.")


def _versions(store: ArtifactStore, ref: Ref) -> Iterable[Input]:
    kept = read_kept(store, ref)
    folder = kept.directory / versions.VERSIONS_NAME
    present = {path.name for path in folder.iterdir() if len(path.name) == len("0" * 64)} if folder.is_dir() else set()
    told = {record.digest for record in kept.records}
    found = {kept.current} | (present & told) if kept.current else present
    yield from (Input(ref.asset, ref.partition, digest) for digest in sorted(found))


def audit(store: ArtifactStore, roots: Iterable[Input], *, deep: bool, since: Since = nothing_known) -> Audit:
    """Walk from versions to all that they rest on and judge each; with `deep` every byte is hashed."""
    roots = tuple(dict.fromkeys(roots))
    kept: dict[Ref, Kept] = {}
    nodes: dict[Input, Node] = {}
    waiting = list(roots)
    while waiting:
        version = waiting.pop()
        if version in nodes:
            continue
        ref = Ref(version.asset, version.partition)
        if ref not in kept:
            kept[ref] = read_kept(store, ref)
        versions.bring(store, ref, version.digest)
        nodes[version] = examine(kept[ref], version)
        waiting += nodes[version].inputs
    examined = hashed(list(nodes.values())) if deep else list(nodes.values())
    judged = {node.version: _with_changes(node, kept, since) for node in sorted(examined, key=lambda node: node.version)}
    return Audit(roots, judged, verdicts_of(judged), deep)


def _with_changes(node: Node, kept: Mapping[Ref, Kept], since: Since) -> Node:
    """The node with what changed since it was made; of superseded versions nobody asks."""
    if node.record is None or not node.is_current:
        return node
    found = []
    for version in node.inputs:
        now = kept[Ref(version.asset, version.partition)].current
        if now is not None and now != version.digest:
            found.append(f"input {Ref(version.asset, version.partition)} was superseded: {version.digest[:12]} -> {now[:12]}")
    return replace(node, since=(*found, *since(node.ref, node.record)))


def verdicts_of(nodes: Mapping[Input, Node]) -> dict[Input, Verdict]:
    """A verdict on each version; `unsound` passes on to all that rests on it."""
    ill: set[Input] = set()
    consumers: dict[Input, list[Input]] = {}
    for version, node in nodes.items():
        for each in node.inputs:
            consumers.setdefault(each, []).append(version)
    waiting = [version for version, node in nodes.items() if node.breaks]
    while waiting:
        for consumer in consumers.get(waiting.pop(), ()):
            if consumer not in ill:
                ill.add(consumer)
                waiting.append(consumer)
    return {version: _verdict(node, rests_on_ill=version in ill) for version, node in nodes.items()}


def _verdict(node: Node, *, rests_on_ill: bool) -> Verdict:
    if node.breaks:
        return "broken"
    if rests_on_ill:
        return "unsound"
    if not node.is_current:
        return "superseded"
    return "stale" if node.since else "whole"
