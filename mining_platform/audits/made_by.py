"""What made this file: from a file on the disk, a package or a report to the versions that hold it, and how those were made."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.audits.kept import read_kept
from mining_platform.audits.nodes import Node
from mining_platform.audits.text_form import identities
from mining_platform.audits.walk import Audit
from mining_platform.lineage import Input
from mining_platform.packages.checksums import CHECKSUMS
from mining_platform.packages.ro_crate import RO_CRATE
from mining_platform.store import digests, versions

SHOWN_ALIKE = 3  # inputs of one asset that the text tells in full; the JSON form has all
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_PACKAGED = re.compile(r"#artifact/(.+)/([^/]*)/([0-9a-f]{64})")


class UnknownFile(ValueError):  # noqa: N818 - named by what is wrong
    """A file that no published version, package or report of this installation holds."""


@dataclass(frozen=True)
class Origin:
    """The versions that a file comes from, and how that is known."""

    words: str
    versions: tuple[Input, ...]


def origin_of(store: ArtifactStore, path: Path) -> Origin:
    """Where a file, or the folder of a package, comes from; UnknownFile where nothing here tells.

    1. A file whose bytes a published version holds comes from that version, wherever it lies now.
    2. A package, and each file that its `checksums.txt` lists, comes from the versions that its RO-Crate names.
    3. A page comes from the versions whose digests it names.
    """
    if not path.exists():
        raise UnknownFile(f"{path} is not there. Name a file, the folder of a package, or ASSET@PARTITION.")
    found = _held(store, path) if path.is_file() else None
    found = found or _packaged(store, path) or (_named(store, path) if path.suffix == ".html" else None)
    if found is None:
        named = f"{path.name}, blake3 {digests.file_digest(path)}" if path.is_file() else path.name
        raise UnknownFile(f"No version, package or report here holds {named}: it was altered since, or made elsewhere.")
    return found


def every_version(store: ArtifactStore) -> Iterator[tuple[Input, Path]]:
    """All versions that lie in the store, with their directories; current ones first in each partition."""
    for ref in versions.all_refs(store):
        kept = read_kept(store, ref)
        folder = kept.directory / versions.VERSIONS_NAME
        names = sorted((path.name for path in folder.iterdir()), key=lambda name: name != kept.current) if folder.is_dir() else []
        yield from ((Input(ref.asset, ref.partition, name), folder / name) for name in names if _DIGEST.fullmatch(name))


def _held(store: ArtifactStore, path: Path) -> Origin | None:
    wanted = digests.file_digest(path)
    found: list[tuple[Input, str]] = []
    for version, directory in every_version(store):
        try:
            rows = digests.read_manifest((directory / digests.MANIFEST_NAME).read_bytes())
        except (OSError, ValueError):
            continue
        found += [(version, row.path) for row in rows if row.blake3 == wanted]
        if version.digest == wanted:
            found.append((version, digests.MANIFEST_NAME))
    if not found:
        return None
    places = "; ".join(f"{name} of {Ref(each.asset, each.partition)} version {each.digest[:12]}" for each, name in found)
    return Origin(f"{path.name}, blake3 {wanted}, is {places}", tuple(dict.fromkeys(version for version, _ in found)))


def _packaged(store: ArtifactStore, path: Path) -> Origin | None:
    top = next((each for each in (path, *path.parents) if (each / CHECKSUMS).is_file() and (each / RO_CRATE).is_file()), None)
    if top is None:
        return None
    if path.is_file() and path.name != CHECKSUMS and not _is_listed(top, path):
        raise UnknownFile(f"{path} is not what {top / CHECKSUMS} lists: it was altered or added after the export.")
    known = {version for version, _ in every_version(store)}
    inputs = package_inputs(top)
    lost = [version for version in inputs if version not in known]
    words = f"{path.name} is of the package {top.name}, which was exported from {len(inputs)} versions"
    words += f"; {len(lost)} of them are not in this store" if lost else ""
    return Origin(words, tuple(inputs)) if inputs else None


def package_inputs(package: Path) -> list[Input]:
    """The versions that a package's RO-Crate says it was exported from; UnknownFile where it cannot be read."""
    try:
        graph = digests.read_json((package / RO_CRATE).read_bytes())["@graph"]
        names = [_PACKAGED.fullmatch(unquote(str(entity.get("@id", "")))) for entity in graph]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnknownFile(f"{package / RO_CRATE} cannot be read ({error}). Name the folder of a package.") from None
    return sorted(Input(name[1], name[2], name[3]) for name in names if name)


def _is_listed(top: Path, path: Path) -> bool:
    wanted = f"{digests.file_digest(path)}  {path.relative_to(top).as_posix()}"
    return wanted in (top / CHECKSUMS).read_text(encoding="utf-8").splitlines()


def _named(store: ArtifactStore, page: Path) -> Origin | None:
    named = set(_DIGEST.findall(page.read_text(encoding="utf-8", errors="replace")))
    found = tuple(version for version, _ in every_version(store) if version.digest in named)
    return Origin(f"{page.name} names {len(found)} versions of this store", found) if found else None


def made_by_lines(audit: Audit) -> Iterator[str]:
    """How the roots were made, each with what it rests on below it; a version is told once."""
    told: set[Input] = set()
    for root in audit.roots:
        yield from _lines(audit, root, "", told)


def _lines(audit: Audit, version: Input, indent: str, told: set[Input]) -> Iterator[str]:
    node = audit.nodes[version]
    head = f"{indent}{node.ref} {version.digest[:12]}, {audit.verdicts[version]}"
    if version in told:
        yield f"{head}: see above"
        return
    told.add(version)
    yield head
    yield from (f"{indent}  {line}" for line in making_lines(node))
    by_asset: dict[str, list[Input]] = defaultdict(list)
    for each in node.inputs:
        by_asset[each.asset].append(each)
    for asset, inputs in by_asset.items():
        for each in inputs[:SHOWN_ALIKE]:
            yield from _lines(audit, each, f"{indent}    ", told)
        if len(inputs) > SHOWN_ALIKE:
            yield f"{indent}    and {len(inputs) - SHOWN_ALIKE} more of {asset}"


def making_lines(node: Node) -> Iterator[str]:
    """Who made a version, when, with what; what it read from outside; what is broken about it."""
    yield from (f"BROKEN: {text}" for text in node.breaks)
    record = node.record
    if record is not None:
        dirty = " with changed files" if record.git_dirty else ""
        commit = f"commit {record.git_commit[:12]}{dirty}" if record.git_commit else "no checkout"
        run = f"run {record.run_id}" if record.run_id else "no run"
        yield f"made {record.finished[:19]} UTC by {run}, {commit}, code version {record.code_version}, Python {record.python}"
    yield from (f"from outside: {text}" for text in identities(node))
