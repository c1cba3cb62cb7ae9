"""Lineage records: what one production of one artifact rested on, kept beside the data.

Each production of a partition appends one record, `records/000001.json` and on. A record carries
its own hash and the hash of the record before it, so a changed, lost or inserted record shows.
Records need nothing but the files: they outlive any database.
"""

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from mining_platform.store import digests, durable

MOST_CHARACTERS = 24  # of a value in the words on what changed
PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
GIT_TIMEOUT_S = 10
KEY_PACKAGES = (
    "mining-platform",
    "blake3",
    "dagster",
    "earthengine-api",
    "geopandas",
    "numba",
    "numpy",
    "odc-geo",
    "pandas",
    "pyarrow",
    "pyproj",
    "rasterio",
    "safetensors",
    "scikit-learn",
    "scipy",
    "shapely",
    "tensorstore",
    "torch",
    "xarray",
    "zarr",
)
"""Distributions whose version can change a result."""

_RECORD_NAME = re.compile(r"[0-9]{6,}\.json")


class LineageError(RuntimeError):
    """A record is altered, unreadable or out of its chain."""


@dataclass(frozen=True, order=True)
class Input:
    """One version that a production read."""

    asset: str
    partition: str
    digest: str


@dataclass(frozen=True)
class Production:
    """What the maker of an artifact knows about it."""

    asset: str
    partition: str
    digest: str
    inputs: tuple[Input, ...]
    """All of them, sorted."""
    facts_digest: str
    """blake3 of the version's `facts.json`, where scene ids and counts are."""
    code_version: str
    configuration: Mapping[str, Any]
    run_id: str
    started: datetime
    """UTC."""
    finished: datetime
    """UTC."""


@dataclass(frozen=True)
class Environment:
    """The program and machine a production ran on."""

    git_commit: str | None
    """None where the project is not a git checkout."""
    git_dirty: bool | None
    """True where files differ from the commit or are not in it."""
    packages: Mapping[str, str]
    """Versions of those of KEY_PACKAGES that are installed."""
    python: str
    platform: str
    processor: str


@dataclass(frozen=True)
class Record:
    """One production as it is kept."""

    number: int
    """From 1, without gaps."""
    asset: str
    partition: str
    digest: str
    inputs: tuple[Input, ...]
    facts_digest: str
    code_version: str
    configuration: Mapping[str, Any]
    run_id: str
    started: str
    """UTC, ISO 8601."""
    finished: str
    """UTC, ISO 8601."""
    git_commit: str | None
    git_dirty: bool | None
    packages: Mapping[str, str]
    python: str
    platform: str
    processor: str
    previous: str
    """Hash of the record before, empty for the first."""
    hash: str
    """blake3 of the canonical JSON of all other fields."""


def environment() -> Environment:
    """The running program and machine; looked up once per process, as the code in memory does not change either."""
    commit, dirty = git_state(PROJECT_DIRECTORY)
    return Environment(commit, dirty, _packages(), platform.python_version(), platform.platform(), _processor())


@cache
def _packages() -> dict[str, str]:
    versions = {}
    for name in KEY_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def _processor() -> str:
    """Processor type with its model, since results of floating-point libraries may differ between models."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([platform.machine(), *(models[:1] or [platform.processor()])]).strip()


@cache
def git_state(directory: Path) -> tuple[str | None, bool | None]:
    """Commit and dirty flag of a checkout whose top is `directory`; (None, None) for anything else."""
    top, commit = _git(directory, "rev-parse", "--show-toplevel"), _git(directory, "rev-parse", "--verify", "HEAD")
    if not top or Path(top).resolve() != directory.resolve() or not commit:
        return None, None
    changes = _git(directory, "status", "--porcelain")
    return commit, None if changes is None else bool(changes)


def _git(directory: Path, *arguments: str) -> str | None:
    """Output of a git command that only reads; None where it fails, hangs or git is absent."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
            env={**variables, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def append_record(directory: Path, production: Production, commit: Callable[[str, bytes], None] = lambda *_: None) -> Record:
    """Append a record to the chain in `directory` and bring it to the disk; the caller holds the lease.

    `commit` is given its name and bytes first, and may refuse by raising. Raises LineageError where the chain so far is not
    sound. In both cases nothing is appended.
    """
    chain = read_records(directory)
    number = len(chain) + 1
    content = {
        **asdict(production),
        **asdict(environment()),
        "number": number,
        "started": production.started.isoformat(timespec="milliseconds"),
        "finished": production.finished.isoformat(timespec="milliseconds"),
        "previous": chain[-1].hash if chain else "",
    }
    content["hash"] = _hash(content, f"record {number}")
    stored, path = digests.canonical_json(content, f"record {number}"), record_path(directory, number)
    commit(path.name, stored)
    durable.make_directory(directory)
    durable.write(path, stored)
    return read_record(directory, number)


def record_path(directory: Path, number: int) -> Path:
    """Where a record of that number is kept."""
    return directory / _record_name(number)


def _record_name(number: int) -> str:
    return f"{number:06d}.json"


def has_record(directory: Path, number: int) -> bool:
    """Whether there is a record of that number."""
    return os.path.exists(f"{directory}{os.sep}{_record_name(number)}")  # noqa: PTH110 - asked of all partitions of a plan


def _is_own(stored: bytes, content: Mapping[str, Any]) -> bool:
    """Whether the bytes of a record are those that were written: they have its hash, which stands where it was put, and no other.

    The hash is of all bytes but its own, so these are as they were, in their one spelling; keys are sorted, so the next one is
    known. Only a field of the record can stand there: one further down would leave the record without a hash.
    """
    if not isinstance(content["hash"], str):
        return False
    before, own, after = stored.partition(b'"hash":' + digests.spelled(content["hash"]).rstrip() + b",")
    return bool(own) and after.startswith(_AFTER_HASH) and digests.digest_of(before + after) == content["hash"]


def _hash(content: Mapping[str, Any], what: str) -> str:
    return digests.digest_of(digests.canonical_json({key: content[key] for key in content if key != "hash"}, what))


def read_record(directory: Path, number: int) -> Record:
    """One record, checked against its own hash; LineageError names it where it is absent or altered."""
    try:
        stored = digests.read(directory, _record_name(number))
        content = digests.read_json(stored)
    except FileNotFoundError:
        raise LineageError(f"Lineage record {_place(directory, number)} is missing. {_REMEDY}") from None
    except (ValueError, OSError) as error:
        raise LineageError(f"Lineage record {_place(directory, number)} is unreadable ({error}). {_REMEDY}") from None
    if not isinstance(content, dict) or content.keys() != _FIELDS or not _is_own(stored, content):
        raise LineageError(f"Lineage record {_place(directory, number)} was altered. {_REMEDY}")
    if content["number"] != number:
        raise LineageError(f"Lineage record {_place(directory, number)} says it is number {content['number']}. {_REMEDY}")
    return Record(**{**content, "inputs": tuple(Input(**each) for each in content["inputs"])})


_FIELDS = {field.name for field in fields(Record)}
_AFTER_HASH = f'"{min(name for name in _FIELDS if name > "hash")}":'.encode()
_REMEDY = (
    "Restore the file from a backup, or move the whole `records` directory aside and materialize the partition again: "
    "its history then starts anew."
)


def _place(directory: Path, number: int) -> str:
    """The last part of a record's path that tells asset and partition apart for a reader."""
    return "/".join(record_path(directory, number).parts[-4:])


def read_records(directory: Path) -> list[Record]:
    """All records of a partition, oldest first, hashes and chain checked; LineageError names the first bad one."""
    if not directory.is_dir():
        return []
    numbers = sorted(int(path.stem) for path in directory.iterdir() if _RECORD_NAME.fullmatch(path.name))
    chain: list[Record] = []
    for number in range(1, (numbers or [0])[-1] + 1):
        record = read_record(directory, number)
        if record.previous != (chain[-1].hash if chain else ""):
            raise LineageError(f"Lineage record {_place(directory, number)} does not follow the one before. {_REMEDY}")
        chain.append(record)
    return chain


def check_anchor(directory: Path, chain: Sequence[Record], *, number: int, record_hash: str) -> None:
    """Hold a chain against the number and hash of one record known from elsewhere; LineageError where they differ."""
    place = _place(directory, number)
    if number > len(chain):
        raise LineageError(f"Lineage record {place} is missing. {_REMEDY}")
    if chain[number - 1].hash != record_hash:
        raise LineageError(f"Lineage record {place} was replaced by another. {_REMEDY}")


def changes(record: Record, *, inputs: Sequence[Input], code_version: str, configuration: bytes) -> tuple[str, ...]:
    """Why a record no longer answers to these inputs, code and configuration; () where it does.

    Inputs come first, in their order, then code, then configuration values by their path. `configuration` is canonical JSON.
    """
    before = {(each.asset, each.partition): each.digest for each in record.inputs}
    now = {(each.asset, each.partition): each.digest for each in inputs}
    found = [f"input {_name(key)} {'changed' if key in before else 'is new'}" for key in now if now[key] != before.get(key)]
    found += [f"input {_name(key)} is no longer used" for key in before if key not in now]
    if record.code_version != code_version:
        found.append(f"code version {record.code_version} -> {code_version}")
    if digests.spelled(record.configuration) == configuration:
        return tuple(found)
    return (*found, *_changed_values(dict(_spelled(record.configuration)), dict(_spelled(digests.read_json(configuration)))))


def _changed_values(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for path in sorted({**old, **new}):
        if path not in old:
            yield f"configuration {path} is new: {_short(new[path])}"
        elif path not in new:
            yield f"configuration {path} is gone, it was {_short(old[path])}"
        elif old[path] != new[path]:
            yield f"configuration {path} changed: {_short(old[path])} -> {_short(new[path])}"


def _spelled(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value below a mapping, by its path, in its canonical spelling, which parts `true` from `1` as `==` does not."""
    if isinstance(value, Mapping) and (value or not path):
        for key, each in value.items():
            yield from _spelled(each, f"{path}.{key}" if path else key)
    else:
        yield path, digests.canonical_json(value, path).decode().strip()


def _short(spelled: str) -> str:
    return spelled if len(spelled) <= MOST_CHARACTERS else f"{spelled[: MOST_CHARACTERS - 1]}…"


def _name(key: tuple[str, str]) -> str:
    asset, partition = key
    return f"{asset}@{partition}" if partition else asset
