"""Writers of two installations on one bucket of a real S3 server: killed before each of their writes, and at the same time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mining_platform import artifacts, lineage
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.store import remote_leases
from tests import object_stores
from tests.conftest import ROOT
from tests.faults.bucket_writers import FAILED, MADE, REFUSED, SHORT_LEASE_S, SKIPPED, WRITES, content_of, store_of

pytestmark = pytest.mark.slow
PATIENCE_S = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with object_stores.s3_server(tmp_path_factory.mktemp("moto")) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


@dataclass(frozen=True)
class Writers:
    """A process whose forks write with copies in a folder of their own."""

    process: subprocess.Popen[str]
    home: Path

    def start(self, partition: str, version: str, **told: Any) -> int:
        """Begin to write; the number of the writer's process."""
        line = {"home": str(self.home), "partition": partition, "version": version, "said": str(self.home) + ".said", **told}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> int:
        """Exit status of the writer that was started last."""
        assert self.process.stdout
        return int(self.process.stdout.readline())

    def write(self, partition: str, version: str, **told: Any) -> int:
        """Exit status of a writer."""
        self.start(partition, version, **told)
        return self.end()

    @property
    def said(self) -> str:
        """Words of the last writer that was refused or failed."""
        return Path(str(self.home) + ".said").read_text()


@pytest.fixture
def two(server: Mapping[str, str], tmp_path: Path) -> Iterator[tuple[Writers, Writers]]:
    environment = {**os.environ, **server}
    command = [sys.executable, "-m", "tests.faults.bucket_writers"]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        yield Writers(processes[0], tmp_path / "one"), Writers(processes[1], tmp_path / "two")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def read(store: ArtifactStore, ref: Ref) -> str | None:
    """Which version readers get, whole; None where there is none."""
    if artifacts.current_digest(store, ref) is None:
        return None
    version = artifacts.open_artifact(store, ref)
    name = version.facts["version"]
    assert {path.name: path.read_bytes() for path in version.path.glob("*.bin")} == content_of(name)
    return name


def in_the_end(writers: Writers, partition: str, version: str) -> int:
    """Exit status of a writer that tries again while a dead one's lease lasts."""
    deadline = time.monotonic() + PATIENCE_S
    while (status := writers.write(partition, version)) == REFUSED:
        assert time.monotonic() < deadline, writers.said
        time.sleep(SHORT_LEASE_S / 4)
    return status


@pytest.mark.parametrize("before", ["nothing", "old"])
def test_a_writer_killed_before_any_of_its_writes_leaves_what_was_or_what_comes(
    two: tuple[Writers, Writers], tmp_path: Path, before: str
) -> None:
    dying, next_one = two
    old = "old" if before == "old" else None
    seen: Counter[str | None] = Counter()
    for step in range(WRITES + 2):
        ref = Ref("mosaic", f"{before}-{step}|2022")
        assert old is None or next_one.write(ref.partition, "old") == MADE
        status = dying.write(ref.partition, "new", die_before=step)
        reader = store_of(str(tmp_path / "reader"))
        found = read(reader, ref)
        seen[found] += 1
        assert found in (old, "new")
        assert status == (-signal.SIGKILL if step <= WRITES else MADE)
        assert in_the_end(next_one, ref.partition, "new") in (MADE, SKIPPED), next_one.said
        assert read(reader, ref) == "new"
        assert len(artifacts.records(reader, ref)) == (1 if old is None else 2)
    assert seen == {old: WRITES, "new": 2}


def test_two_installations_make_different_partitions_at_once_and_never_the_same(
    two: tuple[Writers, Writers], tmp_path: Path
) -> None:
    one, other = two
    go = tmp_path / "go"
    pid = one.start("a|2022", "ours", wait_for=str(go))
    held = store_of(str(tmp_path / "reader")).remote
    deadline = time.monotonic() + PATIENCE_S
    while held is None or not remote_leases.is_held(held, Ref("mosaic", "a|2022")):
        assert time.monotonic() < deadline
    assert other.write("a|2022", "theirs") == REFUSED
    assert f"mosaic@a|2022 is being made by process {pid} on {os.uname().nodename}, run ours, since " in other.said
    assert other.write("b|2022", "theirs") == MADE
    go.touch()
    assert one.end() == MADE
    reader = store_of(str(tmp_path / "reader"))
    assert (read(reader, Ref("mosaic", "a|2022")), read(reader, Ref("mosaic", "b|2022"))) == ("ours", "theirs")


def test_writers_that_race_for_one_partition_lose_no_record(two: tuple[Writers, Writers], tmp_path: Path) -> None:
    rounds, ref = 8, Ref("mosaic", "race|2022")

    def race(writers: Writers) -> list[int]:
        return [writers.write(ref.partition, f"{writers.home.name}{number}") for number in range(rounds)]

    with ThreadPoolExecutor(2) as pool:
        statuses = Counter(status for told in pool.map(race, two) for status in told)
    reader = store_of(str(tmp_path / "reader"))
    chain = artifacts.records(reader, ref)
    assert statuses[FAILED] == 0, [writers.said for writers in two]
    assert statuses[MADE] >= rounds / 2
    assert [record.number for record in chain] == list(range(1, statuses[MADE] + 1))
    assert read(reader, ref) == chain[-1].code_version
    assert isinstance(chain[-1], lineage.Record)
