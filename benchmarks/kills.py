"""Processes that are killed while they work on an artifact store, and what readers get afterwards.

Each writer is a forked child that really dies by SIGKILL: at random times, or just before each of its changes to the file
system in turn. What is read afterwards is compared byte by byte with what was written, without trust in the store's own
digests. Tests of the faults and `python -m benchmarks.reliability` run the same functions.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactError, ArtifactStore, Ref
from mining_platform.store import durable, garbage, versions

REF = Ref("mosaic", "lourenco|2022")
FILES = 20
ATTEMPTS_PER_KILL = 4  # some writers end before their time to die
LOCKS = {"os.truncate", "fcntl.lockf", "fcntl.flock"}
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", *LOCKS}
"""Audit events of calls that change names or locks; files opened for writing and fsyncs count too."""
WRONG, SURVIVED = "wrong", "survived"

Content = dict[str, bytes]
Outcomes = Counter[str]
"""Number of readings by what they gave: `absent`, `old`, `new`, `refused`, `wrong`; and of writers that survived."""


def content_of(seed: int, size: int, files: int = FILES) -> Content:
    """Files of random bytes by name."""
    generator = random.Random(seed)
    return {f"chunks/{number:02d}.bin": generator.randbytes(size) for number in range(files)}


SMALL, OTHER = content_of(2, 3000, files=2), content_of(3, 3000, files=2)


def produce(store: ArtifactStore, content: Content, version: str, ref: Ref = REF) -> artifacts.Produced:
    """Publish a content."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "chunks").mkdir()
        for name, data in content.items():
            (out / name).write_bytes(data)
        return {"files": len(content)}

    return artifacts.produce(store, ref, inputs=[], code_version=version, config={}, compute=compute)


def produce_resumably(store: ArtifactStore, content: Content) -> artifacts.Produced:
    """As `produce`, with files of an interrupted run kept where they are whole; the facts tell nothing of that."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "chunks").mkdir(exist_ok=True)
        for name, data in content.items():
            if not (out / name).exists() or (out / name).read_bytes() != data:
                (out / name).write_bytes(data)
        return {"files": len(content)}

    return artifacts.produce(store, REF, inputs=[], code_version="2", config={}, compute=compute, resumable=True)


def read(store: ArtifactStore, ref: Ref = REF) -> Content | None:
    """The files a reader gets, verified by the store; None where nothing was published."""
    if artifacts.current_digest(store, ref) is None:
        return None
    path = artifacts.open_artifact(store, ref).path
    names = [str(file.relative_to(path)) for file in sorted(path.rglob("*")) if file.is_file()]
    return {name: (path / name).read_bytes() for name in names if name not in ("facts.json", "manifest.json")}


def reading(store: ArtifactStore, old: Content | None, new: Content) -> str:
    """What a reading gave, as a word of Outcomes."""
    try:
        found = read(store)
    except ArtifactError:
        return "refused"
    if found == new:
        return "new"
    return WRONG if found != old else "absent" if old is None else "old"


def in_child(work: Callable[[], object], kill_after_s: float | None = None) -> bool:
    """Run work in a forked child, killed after a while if wanted; whether it was killed. RuntimeError for a child's own error."""
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
    if not killed and status != 0:
        raise RuntimeError(f"the writer failed by itself, status {status}")
    return killed


def die_before_step(root: Path, number: int) -> None:
    """Let this process kill itself just before its n-th change to the store's part of the file system."""
    counter, fsync = itertools.count(), os.fsync

    def step() -> None:
        if next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        below_an_open_directory = event in ("os.remove", "os.rmdir") and arguments[1] != -1  # as shutil.rmtree removes
        of_the_store = event in LOCKS or below_an_open_directory or str(arguments[:1]).find(root.name) >= 0
        if of_the_store and (opened or event in STEPS):
            step()

    def counted_fsync(descriptor: Any) -> None:
        step()
        fsync(descriptor)

    sys.addaudithook(audit)
    os.fsync = counted_fsync  # type: ignore[assignment]


class Dice:
    """Random times to die within a writer's life, whose length is learned from the writers that lived."""

    def __init__(self, seed: int, life_s: float) -> None:
        self.random, self.lives_s = random.Random(seed), deque([life_s], maxlen=5)

    def moment_s(self) -> float:
        """A time within the life, or somewhat after it."""
        return self.random.uniform(0, 1.4 * statistics.median(self.lives_s))

    def learn(self, produced: artifacts.Produced) -> None:
        """Take note of a writer that lived."""
        self.lives_s.extend([] if produced.skipped else [produced.seconds])


def random_kills(folder: Path, kills: int, size: int, *, overwrite: bool) -> Outcomes:
    """Writers of FILES files of `size` bytes killed at random times, until `kills` have died; each is followed by one that lives.

    AssertionError where the one that lives does not bring the store in order.
    """
    contents = [content_of(0, size), content_of(1, size)]
    store = ArtifactStore(folder / "store")
    dice = Dice(12, produce(store, contents[0], "0").seconds)
    outcomes: Outcomes = Counter()
    for attempt in range(1, ATTEMPTS_PER_KILL * kills):
        if not overwrite:
            shutil.rmtree(store.root)
        old, new, version = contents[(attempt - 1) % 2] if overwrite else None, contents[attempt % 2], str(attempt)
        killed = in_child(lambda: produce(store, new, version), dice.moment_s())  # noqa: B023 - called at once
        outcomes[reading(store, old, new) if killed else SURVIVED] += 1
        produced = produce(store, new, version)
        assert_tidy(store, new, produced)
        dice.learn(produced)
        _keep_current_only(produced)
        if outcomes.total() - outcomes[SURVIVED] >= kills:
            break
    return outcomes


def assert_tidy(store: ArtifactStore, content: Content, produced: artifacts.Produced) -> None:
    """AssertionError unless the content is published and recorded, and nothing of a dead writer is left."""
    assert read(store) == content
    assert artifacts.records(store, REF)[-1].digest == produced.digest
    assert not [*store.root.rglob(f"{durable.TEMPORARY_PREFIX}*"), *store.root.rglob(f"{durable.UNFINISHED_PREFIX}*")]


def _keep_current_only(current: artifacts.Produced) -> None:
    for path in current.path.parent.iterdir():
        if path != current.path:
            shutil.rmtree(path)


@dataclass(frozen=True)
class Situation:
    """What a process that is killed finds and does."""

    prepare: Callable[[ArtifactStore], object]
    work: Callable[[ArtifactStore], object]
    old: Content | None
    """What readers see before."""
    may_refuse: bool = False
    """Whether a reading may be refused, as of a damaged version."""
    records: tuple[int, ...] = (1,)
    """How many lineage records the work may add, whatever kills it and who ends it."""
    tidies: bool = True
    """Whether the work removes what a dead one before it left, or leaves that to garbage collection."""


def _write(store: ArtifactStore) -> artifacts.Produced:
    return produce(store, SMALL, "2")


def damage(store: ArtifactStore) -> None:
    """Publish, and alter a byte on the disk."""
    path = _write(store).path / "chunks/00.bin"
    path.chmod(0o644)
    path.write_bytes(b"damaged")


def _two_versions(store: ArtifactStore) -> None:
    produce(store, OTHER, "1")
    _write(store)


def _lag(store: ArtifactStore) -> None:
    """As after a kill between record and pointer: the newest version is recorded, readers see the one before."""
    produce(store, OTHER, "1")
    pointer = versions.partition_directory(store, REF) / versions.POINTER_NAME
    content = pointer.read_bytes()
    _write(store)
    pointer.write_bytes(content)


def collect(store: ArtifactStore) -> None:
    """Remove all garbage."""
    garbage.collect(store, garbage.find_garbage(store))


SITUATIONS: Mapping[str, Situation] = {
    "first write": Situation(lambda _: None, _write, None),
    "overwrite": Situation(lambda store: produce(store, OTHER, "1"), _write, OTHER),
    "equal content anew": Situation(lambda store: produce(store, SMALL, "1"), _write, SMALL),
    "back to an older version": Situation(lambda store: [produce(store, SMALL, "0"), produce(store, OTHER, "1")], _write, OTHER),
    "resumable work": Situation(lambda store: produce(store, OTHER, "1"), lambda store: produce_resumably(store, SMALL), OTHER),
    "a damaged version replaced": Situation(damage, _write, None, may_refuse=True, records=(0, 1), tidies=False),
    "garbage collection": Situation(_two_versions, collect, SMALL, records=(0,)),
    "reconciliation": Situation(_lag, lambda store: artifacts.finish_publication(store, REF), OTHER, records=(0,), tidies=False),
}


def kills_before_every_step(folder: Path, situation: Situation) -> Outcomes:
    """A process killed before its first change to the file system, another before its second, and so on, until one lives.

    The same work is then done by one that lives. AssertionError where that does not bring the store in order, or a version has
    other than one record.
    """
    outcomes: Outcomes = Counter()
    for number in itertools.count():
        store = ArtifactStore(folder / f"store-of-kill-{number}")
        situation.prepare(store)
        before = len(artifacts.records(store, REF))

        def dying(store: ArtifactStore = store, number: int = number) -> None:
            die_before_step(store.root, number)
            situation.work(store)

        killed = in_child(dying)
        found = reading(store, situation.old, SMALL)
        outcomes[WRONG if found == "refused" and not situation.may_refuse else found if killed else SURVIVED] += 1
        situation.work(store)
        if not situation.tidies:
            collect(store)
        assert_tidy(store, SMALL, _write(store))
        assert len(artifacts.records(store, REF)) - before in situation.records
        if not killed:
            return outcomes
    raise AssertionError("unreachable")
