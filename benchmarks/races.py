"""Processes that use one artifact store at the same time: readers beside a writer and a collector, writers of one partition.

All of them are real processes. A version holds one number in all its files, so a reading that mixes two versions shows, and so
does one that goes back. Tests of the faults and `python -m benchmarks.reliability` run the same functions.
"""

import itertools
import json
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, ArtifactStore, LeaseHeld, Ref, open_artifact, produce
from mining_platform.audits.walk import audit, roots_of
from mining_platform.store import garbage

SOURCE, USER = Ref("mosaic", "lourenco|2022"), Ref("ranges/patches", "lourenco|2022")
FILES, FILE_BYTES = 8, 20_000
WRITING_S = 0.02  # of a writer of a partition that several write, so that they meet
PAUSE_S = 0.002  # between two productions: garbage is collected where nobody is at work

Outcomes = Counter[str]


def put(store: ArtifactStore, ref: Ref, number: int, inputs: tuple[Ref, ...] = (), run_id: str = "") -> bool:
    """Publish a version whose files all hold a number, that of its input where it has one; whether it had to be made."""

    def compute(found: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        held = [number_of(each.path) for each in found.values()] or [number]
        for file in range(FILES):
            (out / f"{file}.bin").write_bytes(held[0].to_bytes(4) * (FILE_BYTES // 4))
        return {"number": held[0]}

    made = produce(store, ref, inputs=inputs, code_version="1", config={"number": number}, compute=compute, run_id=run_id)
    return not made.skipped


def number_of(version: Path) -> int:
    """The number that a version's files hold; ValueError where they are a mixture, FileNotFoundError where one is gone."""
    contents = {(version / f"{file}.bin").read_bytes() for file in range(FILES)}
    found = {content[:4] for content in contents}
    if len(contents) != 1 or contents != {first * (FILE_BYTES // 4) for first in found}:
        raise ValueError(f"{version.parts[-4:]} is a mixture of {sorted(found)}")
    return int.from_bytes(found.pop())


def readers_beside_writers(folder: Path, seconds: float, readers: int = 2) -> Outcomes:
    """Readers for some time beside a writer of a partition and of one that rests on it, and beside garbage collection.

    Counts of `read`; of `gone`: a path that a reader kept on to was collected, which ended in FileNotFoundError; of `wrong`: any
    other error, a mixture, or a reading older than one before; of versions `published` and pieces `collected`; of `broken`: what
    an audit names in the end, such as an input that was collected while it was used.
    """
    store = ArtifactStore(folder / "store")
    put(store, SOURCE, 0)
    put(store, USER, 0, (SOURCE,))
    until = time.monotonic() + seconds
    work = [_write, _collect, *[_read] * readers]
    told = at_once([lambda each=each: each(store, until) for each in work], folder)
    return sum(map(Counter, told), Counter(broken=len(audit(store, roots_of(store), deep=True).breaks)))


def _write(store: ArtifactStore, until: float) -> Outcomes:
    outcomes: Outcomes = Counter()
    for number in itertools.count(1):
        put(store, SOURCE, number)
        if number % 3 == 0:
            put(store, USER, number, (SOURCE,))
        outcomes["published"] += 1
        if time.monotonic() > until:
            return outcomes
        time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _collect(store: ArtifactStore, until: float) -> Outcomes:
    outcomes: Outcomes = Counter()
    while time.monotonic() < until:
        found = garbage.find_garbage(store)
        outcomes["collected"] += len(found) - len(garbage.collect(store, found))
    return outcomes


def _read(store: ArtifactStore, until: float) -> Outcomes:
    outcomes: Outcomes = Counter()
    newest = {SOURCE: 0, USER: 0}
    kept = open_artifact(store, SOURCE)
    for ref in itertools.cycle(newest):
        version = open_artifact(store, ref)
        number = version.facts["number"]
        outcomes["wrong"] += number < newest[ref]
        newest[ref] = number
        outcomes[_reading(version)] += 1
        outcomes[again := _reading(kept)] += 1
        kept = version if again == "gone" else kept
        if time.monotonic() > until:
            return outcomes
    raise AssertionError("unreachable")


def _reading(version: Artifact) -> str:
    """What the files of a version give now, as a word of Outcomes."""
    try:
        return "read" if number_of(version.path) == version.facts["number"] else "wrong"
    except FileNotFoundError:
        return "gone"


def writers_at_once(folder: Path, rounds: int, writers: int = 4) -> Outcomes:
    """Several processes that make the same partition at once, again and again, each time with another configuration.

    Counts of `made`; of `refused`: the writer was told who holds the partition; of `skipped`: it came when all was done; of
    `wrong`: it was told of nobody who was there, or what is read afterwards is not what was to be made.
    """
    store = ArtifactStore(folder / "store")
    outcomes: Outcomes = Counter()
    for number in range(rounds):
        told = at_once([lambda: _attempt(store, number)] * writers, folder)  # noqa: B023 - called at once
        outcomes.update(each["outcome"] for each in told)
        there = [f"process {each['pid']} on {os.uname().nodename}, run run-{each['pid']}, since 2" for each in told]
        outcomes["wrong"] += sum(not any(name in each["message"] for name in there) for each in told if each["message"])
        outcomes["wrong"] += number_of(open_artifact(store, SOURCE).path) != number
    return outcomes


def _attempt(store: ArtifactStore, number: int) -> dict[str, Any]:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        time.sleep(WRITING_S)
        for file in range(FILES):
            (out / f"{file}.bin").write_bytes(number.to_bytes(4) * (FILE_BYTES // 4))
        return {}

    told = {"pid": os.getpid(), "message": ""}
    try:
        made = produce(
            store, SOURCE, inputs=(), code_version="1", config={"n": number}, compute=compute, run_id=f"run-{os.getpid()}"
        )
        return {**told, "outcome": "skipped" if made.skipped else "made"}
    except LeaseHeld as error:
        return {**told, "outcome": "refused", "message": str(error)}


def at_once(work: list[Callable[[], Mapping[str, Any]]], folder: Path) -> list[dict[str, Any]]:
    """What each piece of work returned, each done in a forked child of its own, all let go at the same time.

    RuntimeError where one failed by itself; what went wrong is on standard error.
    """
    start, go = os.pipe()
    children = [_child(each, start, go, folder / f"{number}.json") for number, each in enumerate(work)]
    os.close(start)
    os.close(go)  # the end of the pipe is the signal
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise RuntimeError(f"a process failed by itself: exit codes {codes}")
    return [json.loads((folder / f"{number}.json").read_text()) for number in range(len(work))]


def _child(work: Callable[[], Mapping[str, Any]], start: int, go: int, told: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(600)
        os.close(go)
        os.read(start, 1)
        told.write_text(json.dumps(work()))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)
