"""Content digests: the canonical form of JSON, the manifest of a directory and its check.

A manifest lists every file of a directory as (path, size, blake3), sorted by path. Its canonical
bytes are stored as `manifest.json`, and their blake3 is the digest of the whole: it rests on
names and content alone, never on times, owners or places.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from mining_platform.store import durable

MANIFEST_NAME = "manifest.json"
ABSENT = "the version's directory is missing"
"""The problem of a version that is not there at all."""
HASHING_THREADS = 4  # blake3 and fsync release the GIL; more threads gain nothing on small machines

_JSON_HINT = "Use only dict with text keys, list, tuple, str, int, float (finite), bool and None."


@dataclass(frozen=True, order=True)
class Entry:
    """One file of a manifest."""

    path: str
    """Relative to the directory, with `/`."""
    size: int
    """Bytes."""
    blake3: str
    """Hex digest of the content."""


def plain(value: Any, what: str) -> Any:
    """A JSON value in plain types: mappings become dicts, tuples lists.

    Raises ValueError that names `what` for NaN, infinities, keys that are not text and objects that
    JSON does not know.
    """
    return read_json(canonical_json(value, what))


def canonical_json(value: Any, what: str) -> bytes:
    """The one spelling of a JSON value: ASCII, sorted keys, no spaces, a newline at the end; raises as `plain`."""
    try:
        return spelled(_plain(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} cannot be written as JSON: {error}. {_JSON_HINT}") from None


_SPELLER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def spelled(value: Any) -> bytes:
    """As `canonical_json`, of what was read from JSON and so is plain already."""
    return _SPELLER.encode(value).encode("ascii") + b"\n"


_LEAVES = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not text")
        return {key: item if type(item) in _LEAVES else _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_json(content: bytes) -> Any:
    """The value of JSON bytes; ValueError where they are none."""
    try:
        return json.loads(content.decode("ascii") if content.isascii() else content)
    except RecursionError:
        raise ValueError("it is nested deeper than any file of the platform") from None


def digest_of(content: bytes) -> str:
    """Hex blake3 of bytes, 64 characters."""
    return blake3(content).hexdigest()


def file_digest(path: Path) -> str:
    """Hex blake3 of a regular file's content."""
    return blake3().update_mmap(path).hexdigest()


def read(directory: Path, name: str) -> bytes:
    """Content of a file of a directory; without a path object for it, which takes longer than the file where there are many."""
    with open(f"{directory}{os.sep}{name}", "rb") as file:  # noqa: PTH123
        return file.read()


def listing(directory: Path) -> tuple[dict[str, int], list[str]]:
    """Files (relative path to size in bytes) and directories (relative paths) below a directory, sorted.

    Raises ValueError that names the first entry that is neither: a link, socket, pipe or device.
    """
    files: dict[str, int] = {}
    directories: list[str] = []
    pending = [""]
    while pending:
        parent = pending.pop()
        with os.scandir(f"{directory}{os.sep}{parent}") as entries:
            for entry in entries:
                relative = f"{parent}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    directories.append(relative)
                    pending.append(f"{relative}/")
                elif entry.is_file(follow_symlinks=False):
                    files[relative] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise ValueError(f"{relative} is a link or special file; only regular files and directories are kept")
    return dict(sorted(files.items())), sorted(directories)


def entries(directory: Path, files: Mapping[str, int]) -> list[Entry]:
    """Manifest entries of the listed files, hashed side by side, in the order given."""
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        hashes = pool.map(lambda path: file_digest(directory / path), files)
        return [Entry(path, size, digest) for (path, size), digest in zip(files.items(), hashes, strict=True)]


def seal(directory: Path) -> str:
    """Write the manifest of a directory, make all its files read-only and durable; the digest of the whole."""
    files, directories = listing(directory)
    content = manifest_bytes(entries(directory, files))
    (directory / MANIFEST_NAME).write_bytes(content)
    durable.freeze(directory, [*files, MANIFEST_NAME], directories)
    return digest_of(content)


def manifest_bytes(rows: Iterable[Entry]) -> bytes:
    """Canonical form of a manifest: a JSON list of [path, size, blake3], sorted by path."""
    return canonical_json([[row.path, row.size, row.blake3] for row in sorted(rows)], "the manifest")


def read_manifest(content: bytes) -> list[Entry]:
    """Entries of a manifest's bytes; ValueError where they are not a manifest."""
    try:
        return [Entry(str(path), int(size), str(digest)) for path, size, digest in read_json(content)]
    except (ValueError, TypeError) as error:
        raise ValueError(f"not a manifest: {error}") from None


def problems(directory: Path, digest: str, *, deep: bool) -> list[str]:
    """What is wrong with a directory that claims to be `digest`; empty when it is whole.

    Always compared: the manifest with the digest, the names and the sizes. With `deep` every byte
    is hashed too. Each problem names its file.
    """
    try:
        content = read(directory, MANIFEST_NAME)
        files, directories = listing(directory)
    except FileNotFoundError:
        return [f"{MANIFEST_NAME} is missing" if directory.is_dir() else ABSENT]
    except (ValueError, OSError) as error:
        return [str(error)]
    if digest_of(content) != digest:
        return [f"{MANIFEST_NAME} was altered"]
    rows = read_manifest(content)
    found = _differences(rows, files, directories)
    if deep and not found:
        found = _altered(directory, rows)
    return found


def _differences(rows: Sequence[Entry], files: Mapping[str, int], directories: Sequence[str]) -> list[str]:
    listed = {row.path: row.size for row in rows}
    parents = {str(parent) for path in listed for parent in Path(path).parents} if directories else ()
    return [
        *(f"{path} is missing" for path in listed if path not in files),
        *(f"{path} has {files[path]} bytes, not {size}" for path, size in listed.items() if files.get(path, size) != size),
        *(f"{path} is not listed" for path in files if path not in listed and path != MANIFEST_NAME),
        *(f"{path}/ is not listed" for path in directories if path not in parents),
    ]


def _altered(directory: Path, rows: Sequence[Entry]) -> list[str]:
    try:
        now = entries(directory, {row.path: row.size for row in rows})
    except OSError as error:
        return [f"{Path(str(error.filename)).name} cannot be read ({error.strerror})"]
    return [f"{row.path} was altered" for row, found in zip(rows, now, strict=True) if row != found]
