"""One version of an audit: what its record says of it, and whether its files are still what was published."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.audits.kept import Kept
from mining_platform.lineage import Input, Record
from mining_platform.store import digests, versions

SIMULATED = "rests on simulated data"
NEVER = "it was never published, or pointer and records were deleted with all they told: no reader gets it"


@dataclass(frozen=True)
class Node:
    """One version that was walked to."""

    version: Input
    directory: Path
    """Of its files, which may be absent."""
    is_current: bool
    """Whether readers of its partition get it."""
    record: Record | None
    """Its newest production."""
    productions: int
    """How often equal content was made."""
    files: Mapping[str, digests.Entry]
    """By path; empty where the manifest cannot be trusted."""
    facts: Mapping[str, Any]
    breaks: tuple[str, ...]
    """What is wrong with it, each naming its file."""
    since: tuple[str, ...] = ()
    """What changed since it was made: inputs, code, configuration. No break."""
    notes: tuple[str, ...] = field(default=())

    @property
    def ref(self) -> Ref:
        """Asset and partition."""
        return Ref(self.version.asset, self.version.partition)

    @property
    def bytes(self) -> int:
        """Size of its files together."""
        return sum(entry.size for entry in self.files.values())

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Versions that its production read; none where no record tells."""
        return self.record.inputs if self.record else ()


def name_of(version: Input) -> str:
    """`ranges/patches@lourenco|2022, version 0123456789ab`."""
    return f"{Ref(version.asset, version.partition)}, version {version.digest[:12]}"


def examine(kept: Kept, version: Input) -> Node:
    """A version as its record, manifest, names and sizes tell of it; no content is hashed but that of manifest and facts."""
    directory = kept.directory / versions.VERSIONS_NAME / version.digest
    record = kept.record_of(version.digest)
    found = digests.problems(directory, version.digest, deep=False)
    files = _files(directory, version.digest)
    facts, problem = _facts(directory, files)
    breaks = [*kept.breaks, *found, *problem]
    never = kept.pointer is None and not kept.records and not kept.breaks
    if record is None and directory.is_dir() and not never:
        breaks.append("no readable lineage record tells how it was made")
    listed = files.get(versions.FACTS_NAME)
    if record is not None and listed is not None and listed.blake3 != record.facts_digest:
        breaks.append(f"record {record.number:06d}.json is of other facts: the record or the version was exchanged")
    return Node(
        version=version,
        directory=directory,
        is_current=kept.current == version.digest,
        record=record,
        productions=sum(each.digest == version.digest for each in kept.records),
        files=files,
        facts=facts,
        breaks=tuple(dict.fromkeys(breaks)),
        notes=(*kept.notes, *((NEVER,) if never else ()), *((SIMULATED,) if facts.get("simulated") else ())),
    )


def _files(directory: Path, digest: str) -> dict[str, digests.Entry]:
    try:
        content = (directory / digests.MANIFEST_NAME).read_bytes()
        rows = digests.read_manifest(content) if digests.digest_of(content) == digest else []
    except (OSError, ValueError):
        return {}
    return {row.path: row for row in rows}


def _facts(directory: Path, files: Mapping[str, digests.Entry]) -> tuple[dict[str, Any], list[str]]:
    """Facts as published, and what is wrong with their file; no facts where they are not those of the manifest."""
    listed = files.get(versions.FACTS_NAME)
    try:
        content = (directory / versions.FACTS_NAME).read_bytes()
    except OSError:
        return {}, []  # the listing names it already
    if listed is None or digests.digest_of(content) != listed.blake3:
        altered = listed is not None and len(content) == listed.size
        return {}, [f"{versions.FACTS_NAME} was altered"] if altered else []
    facts = digests.read_json(content)
    return (facts, []) if isinstance(facts, dict) else ({}, [f"{versions.FACTS_NAME} holds no facts"])


def hashed(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with every listed file of the right size hashed, and altered ones among their breaks."""
    with ThreadPoolExecutor(digests.HASHING_THREADS) as pool:
        altered = list(pool.map(_altered, nodes))
    return [
        replace(node, breaks=tuple(dict.fromkeys((*node.breaks, *found)))) for node, found in zip(nodes, altered, strict=True)
    ]


def _altered(node: Node) -> list[str]:
    return list(_altered_files(node.directory, node.files.values()))


def _altered_files(directory: Path, rows: Iterable[digests.Entry]) -> Iterable[str]:
    for row in rows:
        path = directory / row.path
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size != row.size:
                continue  # names and sizes were told before
            if digests.file_digest(path) != row.blake3:
                yield f"{row.path} was altered"
        except OSError as error:
            yield f"{row.path} cannot be read ({error.strerror})"
