"""Readers, writers and garbage collection at the same time: what comes between two steps of one is never called damage."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import in_child
from benchmarks.races import FILE_BYTES, SOURCE, USER, at_once, number_of, put, readers_beside_writers, writers_at_once
from mining_platform import lineage
from mining_platform.artifacts import Artifact, ArtifactStore, LeaseHeld, MissingArtifact, Ref, current_digest, open_artifact
from mining_platform.artifacts import produce as produced
from mining_platform.audits.walk import audit, roots_of
from mining_platform.store import digests, garbage, leases, versions


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def collect(store: ArtifactStore) -> list[garbage.Garbage]:
    """Remove all garbage; what was left."""
    return garbage.collect(store, garbage.find_garbage(store))


def before_the_first(function: Callable[..., Any], act: Callable[[], object]) -> Callable[..., Any]:
    """The function, before whose first call something else happens."""
    waiting = [act]

    def called(*arguments: Any, **named: Any) -> Any:
        while waiting:
            waiting.pop()()
        return function(*arguments, **named)

    return called


def supersede_and_collect(store: ArtifactStore) -> None:
    put(store, SOURCE, 2)
    assert collect(store) == []


def test_a_reader_whose_version_is_superseded_and_collected_on_the_way_to_it_gets_the_new_one(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, SOURCE, 1)
    monkeypatch.setattr(digests, "problems", before_the_first(digests.problems, lambda: supersede_and_collect(store)))
    assert number_of(open_artifact(store, SOURCE).path) == 2


def test_a_reader_whose_version_is_collected_after_it_was_verified_gets_the_new_one(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, SOURCE, 1)
    put(store, USER, 7)
    monkeypatch.setattr(versions, "read_facts", before_the_first(versions.read_facts, lambda: supersede_and_collect(store)))
    assert open_artifact(store, SOURCE).facts["number"] == 2


def test_an_older_version_that_was_asked_for_and_is_collected_is_called_missing(store: ArtifactStore) -> None:
    put(store, SOURCE, 1)
    old = current_digest(store, SOURCE)
    supersede_and_collect(store)
    with pytest.raises(MissingArtifact, match=f"has no version {old}"):
        open_artifact(store, SOURCE, old)


def test_a_path_that_a_reader_keeps_on_to_gives_its_bytes_or_no_file_and_what_is_open_stays(store: ArtifactStore) -> None:
    put(store, SOURCE, 1)
    kept = open_artifact(store, SOURCE).path
    with (kept / "0.bin").open("rb") as file:
        put(store, SOURCE, 2)
        assert number_of(kept) == 1
        assert collect(store) == []
        assert file.read() == (1).to_bytes(4) * (FILE_BYTES // 4)
    with pytest.raises(FileNotFoundError):
        number_of(kept)


def test_records_that_grow_while_they_are_read_are_not_called_missing(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, SOURCE, 1)
    real, waiting = lineage.read_records, [2]

    def read_records(directory: Path) -> Sequence[lineage.Record]:
        chain = real(directory)
        while waiting:
            put(store, SOURCE, waiting.pop())
        return chain

    monkeypatch.setattr(lineage, "read_records", read_records)
    assert len(versions.records(store, SOURCE)) == 1
    assert len(versions.records(store, SOURCE)) == 2


def test_what_a_production_at_work_reads_stays_though_it_was_superseded_meanwhile(store: ArtifactStore) -> None:
    put(store, SOURCE, 1)
    old = current_digest(store, SOURCE)
    left = []

    def compute(found: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        assert not in_child(lambda: put(store, SOURCE, 2))
        left.extend(collect(store))
        (out / "number.txt").write_text(str(number_of(found[SOURCE].path)))
        return {}

    made = produced(store, USER, inputs=(SOURCE,), code_version="1", config={}, compute=compute)
    assert [(item.ref, Path(item.name).name) for item in left] == [(SOURCE, old)]
    assert (made.path / "number.txt").read_text() == "1"
    assert audit(store, roots_of(store), deep=True).breaks == []
    assert collect(store) == []
    assert audit(store, roots_of(store), deep=True).breaks == []


def test_garbage_that_is_published_again_and_used_before_it_is_removed_stays(store: ArtifactStore) -> None:
    put(store, SOURCE, 1)
    put(store, SOURCE, 2)
    (item,) = garbage.find_garbage(store)
    put(store, SOURCE, 1)
    put(store, USER, 1, (SOURCE,))
    put(store, SOURCE, 2)
    assert garbage.collect(store, [item]) == [item]
    assert audit(store, roots_of(store), deep=True).breaks == []


def test_looking_whether_a_partition_is_free_keeps_no_writer_from_it(store: ArtifactStore, tmp_path: Path) -> None:
    put(store, SOURCE, 0)
    place = versions.partition_directory(store, SOURCE) / versions.LEASE_NAME

    def look() -> dict[str, int]:
        until = time.monotonic() + 0.5
        return {"looks": sum(leases.is_free(place) for _ in iter(lambda: time.monotonic() < until, False))}

    def write() -> dict[str, int]:
        return {"made": sum(put(store, SOURCE, number) for number in range(1, 6))}

    looks, made = at_once([look, write], tmp_path)
    assert made == {"made": 5}
    assert looks["looks"] > 10


def test_a_dead_holders_name_is_not_told_while_somebody_only_looks(store: ArtifactStore) -> None:
    put(store, SOURCE, 0)
    place = versions.partition_directory(store, SOURCE) / versions.LEASE_NAME

    def die() -> None:
        with leases.lease(place, "dead"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die)
    assert b"dead" in place.read_bytes()
    assert leases.is_free(place)
    assert place.read_bytes() == b""


def test_a_writer_waits_while_garbage_is_set_aside_and_then_publishes(store: ArtifactStore, tmp_path: Path) -> None:
    put(store, SOURCE, 0)

    def have_alone() -> dict[str, float]:
        with leases.alone(store.root / versions.LEASE_NAME) as nobody:
            assert nobody
            (tmp_path / "alone").touch()
            time.sleep(0.3)
            return {"until": time.monotonic()}

    def write() -> dict[str, float]:
        while not (tmp_path / "alone").exists():
            time.sleep(0.005)
        put(store, SOURCE, 1)
        return {"done": time.monotonic()}

    first, second = at_once([have_alone, write], tmp_path)
    assert second["done"] > first["until"]


@pytest.mark.parametrize(("seconds", "readers"), [(2, 1), pytest.param(30, 3, marks=pytest.mark.slow)])
def test_readers_beside_a_writer_and_garbage_collection_see_whole_versions_that_never_go_back(
    tmp_path: Path, seconds: float, readers: int
) -> None:
    happened: Counter[str] = Counter()
    for attempt in range(1, 5):  # a busy machine may need longer until each of these happens once
        folder = tmp_path / str(attempt)
        folder.mkdir()
        outcomes = readers_beside_writers(folder, attempt * seconds, readers)
        assert outcomes["wrong"] == outcomes["broken"] == 0, outcomes
        happened += outcomes
        if min(happened[word] for word in ("read", "published", "collected", "gone")) > 0:
            return
    pytest.fail(f"not everything happened: {happened}")


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_of_writers_of_one_partition_at_once_one_publishes_and_the_others_are_told_who_does(tmp_path: Path, rounds: int) -> None:
    outcomes = writers_at_once(tmp_path, rounds)
    assert outcomes["wrong"] == 0, outcomes
    assert outcomes["made"] == rounds == len(versions.records(ArtifactStore(tmp_path / "store"), SOURCE))
    assert outcomes["refused"] > 0
    assert outcomes["made"] + outcomes["refused"] + outcomes["skipped"] == 4 * rounds


def test_the_holder_of_a_partition_is_told_by_process_run_and_time(store: ArtifactStore) -> None:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "0.bin").touch()
        with pytest.raises(LeaseHeld) as told:
            put(store, SOURCE, 2)
        return {"told": str(told.value)}

    made = produced(store, SOURCE, inputs=(), code_version="1", config={}, compute=compute, run_id="run-a")
    expected = f"is being made by process {os.getpid()} on {os.uname().nodename}, run run-a, since 20"
    assert expected in made.facts["told"]
