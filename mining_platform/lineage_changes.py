"""Why a lineage record no longer answers to what would be made now, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mining_platform.lineage import Input, Record
from mining_platform.store import digests

MOST_CHARACTERS = 24  # of a value in the words on what changed


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
