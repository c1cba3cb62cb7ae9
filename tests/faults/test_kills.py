"""SIGKILL at random times and between the steps of publishing: the old version or the new one, never another.

Each writer is a forked child that really dies. What is read afterwards is compared byte by byte
with what was written, without trust in the store's own digests.
"""

import itertools
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref

REF = Ref("mosaic", "lourenco|2022")
FILES = 20
ATTEMPTS_PER_KILL = 4  # some writers end before their time to die
SIZES = [(50, 400_000), pytest.param(200, 1_000_000, marks=pytest.mark.slow)]
"""Kills of each kind, bytes of each file."""

Content = dict[str, bytes]


def content_of(seed: int, size: int, files: int = FILES) -> Content:
    generator = random.Random(seed)
    return {f"chunks/{number:02d}.bin": generator.randbytes(size) for number in range(files)}


def produce(store: ArtifactStore, content: Content, version: str) -> artifacts.Produced:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "chunks").mkdir()
        for name, data in content.items():
            (out / name).write_bytes(data)
        return {"files": len(content)}

    return artifacts.produce(store, REF, inputs=[], code_version=version, config={}, compute=compute)


def in_child(work: Callable[[], object], kill_after_s: float | None = None) -> bool:
    """Run work in a forked child, killed after a while if wanted; whether it was killed. A child's own error fails the test."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or status == 0, f"the writer failed by itself, status {status}"
    return killed


def read(store: ArtifactStore) -> Content | None:
    """The files a reader gets, verified by the store; None where nothing was published."""
    if artifacts.current_digest(store, REF) is None:
        return None
    path = artifacts.open_artifact(store, REF).path
    names = [str(file.relative_to(path)) for file in sorted(path.rglob("*")) if file.is_file()]
    return {name: (path / name).read_bytes() for name in names if name not in ("facts.json", "manifest.json")}


def keep_current_only(store: ArtifactStore) -> None:
    current = artifacts.open_artifact(store, REF)
    for path in current.path.parent.iterdir():
        if path != current.path:
            shutil.rmtree(path)


def assert_repaired(store: ArtifactStore, content: Content, version: str) -> artifacts.Produced:
    """The next producer succeeds, publishes what it should, and tidies up."""
    produced = produce(store, content, version)
    assert read(store) == content
    assert list(store.root.rglob("tmp-*")) == []
    assert artifacts.records(store, REF)[-1].digest == produced.digest
    return produced


class Dice:
    """Random times to die within a writer's life, whose length is learned from the writers that lived."""

    def __init__(self, seed: int, life_s: float) -> None:
        self.random, self.lives_s = random.Random(seed), deque([life_s], maxlen=5)

    def moment_s(self) -> float:
        return self.random.uniform(0, 1.4 * statistics.median(self.lives_s))


@pytest.mark.parametrize(("kills", "size"), SIZES)
def test_kills_of_a_first_write_leave_nothing_or_the_whole(tmp_path: Path, kills: int, size: int) -> None:
    new = content_of(0, size)
    dice = Dice(11, produce(ArtifactStore(tmp_path / "timing"), new, "1").seconds)
    outcomes: Counter[str] = Counter()
    for attempt in range(ATTEMPTS_PER_KILL * kills):
        store = ArtifactStore(tmp_path / str(attempt))
        killed = in_child(lambda: produce(store, new, "1"), dice.moment_s())  # noqa: B023 - called at once
        found = read(store)
        assert found in (None, new)
        outcomes["survived" if not killed else "absent" if found is None else "new"] += 1
        repaired = assert_repaired(store, new, "1")
        dice.lives_s.extend([] if repaired.skipped else [repaired.seconds])
        shutil.rmtree(store.root)
        if outcomes["absent"] + outcomes["new"] >= kills:
            break
    print(f"first write: {dict(outcomes)}")  # noqa: T201 - the counts are the evidence
    assert outcomes["absent"] + outcomes["new"] >= kills


@pytest.mark.parametrize(("kills", "size"), SIZES)
def test_kills_of_an_overwrite_leave_the_old_version_or_the_new(tmp_path: Path, kills: int, size: int) -> None:
    store, contents = ArtifactStore(tmp_path / "store"), [content_of(0, size), content_of(1, size)]
    outcomes: Counter[str] = Counter()
    dice = Dice(12, produce(store, contents[0], "0").seconds)
    for attempt in range(1, ATTEMPTS_PER_KILL * kills):
        old, new, version = contents[(attempt - 1) % 2], contents[attempt % 2], str(attempt)
        killed = in_child(lambda: produce(store, new, version), dice.moment_s())  # noqa: B023 - called at once
        found = read(store)
        assert found in (old, new)
        outcomes["survived" if not killed else "old" if found == old else "new"] += 1
        repaired = assert_repaired(store, new, version)
        dice.lives_s.extend([] if repaired.skipped else [repaired.seconds])
        keep_current_only(store)
        if outcomes["old"] + outcomes["new"] >= kills:
            break
    print(f"overwrite: {dict(outcomes)}")  # noqa: T201 - the counts are the evidence
    assert outcomes["old"] + outcomes["new"] >= kills


STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "fcntl.lockf"}
"""Audit events of calls that change names or locks; files opened for writing and fsyncs count too."""


def die_before_step(root: Path, number: int) -> None:
    """Let this process kill itself just before its n-th change to the store's part of the file system."""
    counter, fsync = itertools.count(), os.fsync

    def step() -> None:
        if next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        of_the_store = event in ("os.truncate", "fcntl.lockf") or str(arguments[:1]).find(root.name) >= 0
        if of_the_store and (opened or event in STEPS):
            step()

    def counted_fsync(descriptor: Any) -> None:
        step()
        fsync(descriptor)

    sys.addaudithook(audit)
    os.fsync = counted_fsync  # type: ignore[assignment]


Prepare = Callable[[ArtifactStore], object]
SMALL, OTHER = content_of(2, 3000, files=2), content_of(3, 3000, files=2)


def damage(store: ArtifactStore) -> None:
    path = produce(store, SMALL, "1").path / "chunks/00.bin"
    path.chmod(0o644)
    path.write_bytes(b"damaged")


SITUATIONS: dict[str, tuple[Prepare, list[Content | None]]] = {
    "first write": (lambda _: None, [None, SMALL]),
    "overwrite": (lambda store: produce(store, OTHER, "1"), [OTHER, SMALL]),
    "equal content anew": (lambda store: produce(store, SMALL, "1"), [SMALL]),
    "back to an older version": (lambda store: [produce(store, SMALL, "0"), produce(store, OTHER, "1")], [OTHER, SMALL]),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_kill_before_any_step_of_publishing_leaves_an_allowed_version(tmp_path: Path, situation: str) -> None:
    prepare, allowed = SITUATIONS[situation]
    outcomes: Counter[str] = Counter()
    for number in itertools.count():
        store = ArtifactStore(tmp_path / f"store-of-kill-{number}")
        prepare(store)
        records_before = len(artifacts.records(store, REF))

        def writer(store: ArtifactStore = store, number: int = number) -> None:
            die_before_step(store.root, number)
            produce(store, SMALL, "2")

        killed = in_child(writer)
        found = read(store)
        assert found in allowed
        produced = assert_repaired(store, SMALL, "2")
        assert len(artifacts.records(store, REF)) == records_before + 1
        outcomes[f"{'absent' if found is None else 'old' if found != SMALL else 'new'}, then {produced.reason}"] += 1
        if not killed:
            break
    print(f"{situation}: {number} steps, {dict(outcomes)}")  # noqa: T201 - the counts are the evidence
    assert number >= 20, "too few steps were seen: does the hook still see the store?"
    assert any(artifacts.FINISHED in outcome for outcome in outcomes)


def test_a_kill_while_a_damaged_version_is_replaced_leaves_it_refused_or_whole(tmp_path: Path) -> None:
    for number in itertools.count():
        store = ArtifactStore(tmp_path / f"store-of-kill-{number}")
        damage(store)

        def writer(store: ArtifactStore = store, number: int = number) -> None:
            die_before_step(store.root, number)
            produce(store, SMALL, "1")

        killed = in_child(writer)
        try:
            assert read(store) == SMALL
        except artifacts.DamagedArtifact:
            assert killed
        produce(store, SMALL, "1")
        assert read(store) == SMALL
        assert_repaired(store, SMALL, "2")
        if not killed:
            break
    assert number >= 20


def produce_resumably(store: ArtifactStore, content: Content) -> artifacts.Produced:
    """As `produce`, with files of an interrupted run kept where they are whole; the facts tell nothing of that."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "chunks").mkdir(exist_ok=True)
        for name, data in content.items():
            if not (out / name).exists() or (out / name).read_bytes() != data:
                (out / name).write_bytes(data)
        return {"files": len(content)}

    return artifacts.produce(store, REF, inputs=[], code_version="2", config={}, compute=compute, resumable=True)


def test_a_kill_before_any_step_of_resumable_work_is_resumed_to_the_same_version(tmp_path: Path) -> None:
    expected = produce_resumably(ArtifactStore(tmp_path / "whole"), SMALL).digest
    resumed = 0
    for number in itertools.count():
        store = ArtifactStore(tmp_path / f"store-of-kill-{number}")
        produce(store, OTHER, "1")

        def writer(store: ArtifactStore = store, number: int = number) -> None:
            die_before_step(store.root, number)
            produce_resumably(store, SMALL)

        killed = in_child(writer)
        assert read(store) in (OTHER, SMALL)
        resumed += bool(list(store.root.rglob("unfinished-*")))
        assert produce_resumably(store, SMALL).digest == expected
        assert read(store) == SMALL
        assert len(artifacts.records(store, REF)) == 2
        assert not [*store.root.rglob("unfinished-*"), *store.root.rglob("tmp-*")]
        if not killed:
            break
    assert number >= 20
    assert resumed >= 10
