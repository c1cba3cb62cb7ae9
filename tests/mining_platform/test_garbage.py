"""Collecting garbage: what anything current rests on stays, what nothing rests on goes, and never what is in use."""

import json
import os
from pathlib import Path

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact, produce
from mining_platform.audits.walk import audit, roots_of
from mining_platform.lineage import LineageError
from mining_platform.store import garbage, leases, versions

SOURCE, MODEL, MOSAIC = Ref("source", "a|2024"), Ref("model", "2024"), Ref("mosaic", "a|2024")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def make(store: ArtifactStore, ref: Ref, content: str, inputs: tuple[Ref, ...] = ()) -> str:
    def compute(_inputs: object, out: Path) -> dict[str, object]:
        (out / "content.txt").write_text(content)
        return {}

    return produce(store, ref, inputs=inputs, code_version="1", config={"content": content}, compute=compute).digest


def found(store: ArtifactStore) -> dict[str, str]:
    return {f"{item.ref} {Path(item.name).name}": item.why for item in garbage.find_garbage(store)}


def test_an_empty_store_has_no_garbage(store: ArtifactStore) -> None:
    assert garbage.find_garbage(store) == []


def test_a_version_that_was_replaced_and_that_nothing_rests_on_goes(store: ArtifactStore) -> None:
    old, new = make(store, SOURCE, "old"), make(store, SOURCE, "new")
    assert found(store) == {f"{SOURCE} {old}": garbage.UNUSED}
    (item,) = garbage.find_garbage(store)
    assert item.size > 0
    assert garbage.remove(store, item)
    assert garbage.find_garbage(store) == []
    assert open_artifact(store, SOURCE).digest == new
    assert [record.digest for record in versions.records(store, SOURCE)] == [old, new], "what happened is still on record"


def test_what_a_current_model_rests_on_stays_however_old(store: ArtifactStore) -> None:
    old = make(store, SOURCE, "old")
    make(store, MOSAIC, "mosaic", (SOURCE,))
    make(store, MODEL, "model", (MOSAIC,))
    make(store, SOURCE, "new")
    assert found(store) == {}
    assert open_artifact(store, SOURCE, old).digest == old


def test_what_an_old_version_rested_on_goes_with_it(store: ArtifactStore) -> None:
    first = make(store, SOURCE, "one")
    model = make(store, MODEL, "model on one", (SOURCE,))
    make(store, SOURCE, "two")
    make(store, MODEL, "model on two", (SOURCE,))
    assert found(store) == {f"{SOURCE} {first}": garbage.UNUSED, f"{MODEL} {model}": garbage.UNUSED}


def test_a_version_that_becomes_current_again_before_it_is_removed_stays(store: ArtifactStore) -> None:
    old = make(store, SOURCE, "old")
    make(store, SOURCE, "new")
    (item,) = garbage.find_garbage(store)
    make(store, SOURCE, "old")
    assert current_digest(store, SOURCE) == old
    assert not garbage.remove(store, item)
    assert open_artifact(store, SOURCE).digest == old


def test_a_record_ahead_of_its_pointer_keeps_its_version(store: ArtifactStore) -> None:
    make(store, SOURCE, "old")
    pointer = versions.partition_directory(store, SOURCE) / versions.POINTER_NAME
    before = pointer.read_bytes()
    new = make(store, SOURCE, "new")
    pointer.write_bytes(before)
    assert found(store) == {}
    assert (versions.version_directory(store, SOURCE, new)).is_dir()


def test_leftovers_of_dead_writers_go_and_those_of_a_writer_at_work_stay(store: ArtifactStore) -> None:
    make(store, SOURCE, "content")
    top = versions.partition_directory(store, SOURCE)
    (top / "tmp-1-dead").mkdir()
    (top / "tmp-1-dead" / "half.bin").write_bytes(b"12345")
    (top / "unfinished-mosaic").mkdir()
    with leases.lease(top / versions.LEASE_NAME):
        assert found(store) == {}
    (item,) = garbage.find_garbage(store)
    assert (item.name, item.size, item.why) == ("tmp-1-dead", 5, garbage.LEFTOVER)
    with leases.lease(top / versions.LEASE_NAME):
        assert not garbage.remove(store, item)
    assert garbage.remove(store, item)
    assert sorted(path.name for path in top.iterdir() if path.is_dir()) == ["records", "unfinished-mosaic", "versions"]


def test_where_records_were_altered_nothing_is_garbage(store: ArtifactStore) -> None:
    make(store, SOURCE, "old")
    make(store, SOURCE, "new")
    record = versions.records_directory(store, SOURCE) / "000001.json"
    record.chmod(0o644)
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "code_version": "other"}))
    with pytest.raises(LineageError):
        garbage.find_garbage(store)


def test_read_only_versions_are_removed_whole(store: ArtifactStore) -> None:
    make(store, SOURCE, "old")
    make(store, SOURCE, "new")
    (item,) = garbage.find_garbage(store)
    file = versions.partition_directory(store, SOURCE) / item.name / "content.txt"
    assert not os.access(file, os.W_OK) or os.geteuid() == 0
    assert garbage.remove(store, item)
    assert not file.exists()


def test_what_a_version_that_cannot_go_yet_rests_on_stays_too(store: ArtifactStore) -> None:
    """Its partition is being written, so it stays; were its input to go, an audit of the store would find it broken."""
    for content in ("old", "new"):
        make(store, MOSAIC, content)
        make(store, SOURCE, content, (MOSAIC,))
    both = garbage.find_garbage(store)
    assert [item.ref for item in both] == [MOSAIC, SOURCE]
    with leases.lease(versions.partition_directory(store, SOURCE) / versions.LEASE_NAME):
        assert garbage.collect(store, both) == both
    assert not audit(store, roots_of(store), deep=True).breaks
    assert garbage.collect(store, both) == []


def test_versions_go_after_those_that_rest_on_them(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("old", "new"):
        make(store, MOSAIC, content)
        make(store, SOURCE, content, (MOSAIC,))
    gone: list[str] = []
    rename = Path.rename

    def told(path: Path, target: Path) -> Path:
        gone.append(path.parts[-4])
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", told)
    assert garbage.collect(store, garbage.find_garbage(store)) == []
    assert gone == ["source", "mosaic"]
