"""Artifacts and events after a crash: what differs is named, and the artifacts' side is told again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, LeaseHeld, Ref, current_digest, finish_publication, produce
from mining_platform.reconciliation import Difference, differences, repair
from mining_platform.store import leases, versions

REF, OTHER = Ref("land_cover", "a|2024"), Ref("land_cover", "b|2024")


class Events:
    """What an orchestrator was told."""

    def __init__(self) -> None:
        self.known: dict[Ref, str] = {}

    def tell(self, ref: Ref, digest: str, _facts: Mapping[str, Any]) -> None:
        self.known[ref] = digest


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def make(store: ArtifactStore, ref: Ref, content: str) -> str:
    def compute(_inputs: object, out: Path) -> dict[str, object]:
        (out / "content.txt").write_text(content)
        return {}

    return produce(store, ref, inputs=(), code_version="1", config={"content": content}, compute=compute).digest


def killed_before_its_pointer(store: ArtifactStore) -> tuple[str, str]:
    """Two versions, of which readers still see the first."""
    old = make(store, REF, "old")
    pointer = versions.partition_directory(store, REF) / versions.POINTER_NAME
    content = pointer.read_bytes()
    new = make(store, REF, "new")
    pointer.write_bytes(content)
    return old, new


def test_a_version_that_the_events_know_differs_in_nothing(store: ArtifactStore) -> None:
    assert differences(store, {REF: make(store, REF, "content")}) == []


def test_a_kill_between_publishing_and_event_is_found_and_told(store: ArtifactStore) -> None:
    events, digest = Events(), make(store, REF, "content")
    (found,) = differences(store, events.known)
    assert found == Difference(REF, "untold", digest)
    assert repair(store, found, events.tell)
    assert differences(store, events.known) == []


def test_an_event_of_an_older_version_is_followed_by_one_of_the_newest(store: ArtifactStore) -> None:
    events = Events()
    events.known[REF] = make(store, REF, "old")
    digest = make(store, REF, "new")
    (found,) = differences(store, events.known)
    assert found == Difference(REF, "told of another version", digest)
    assert repair(store, found, events.tell)
    assert events.known == {REF: digest}


def test_a_kill_between_record_and_pointer_is_published_and_told(store: ArtifactStore) -> None:
    events, (old, new) = Events(), killed_before_its_pointer(store)
    events.known[REF] = old
    (found,) = differences(store, events.known)
    assert found == Difference(REF, "unpublished", new)
    assert current_digest(store, REF) == old
    assert repair(store, found, events.tell)
    assert current_digest(store, REF) == events.known[REF] == new
    assert differences(store, events.known) == []


def test_a_finished_version_that_is_damaged_is_not_published(store: ArtifactStore) -> None:
    events, (old, new) = Events(), killed_before_its_pointer(store)
    file = versions.version_directory(store, REF, new) / "content.txt"
    file.chmod(0o644)
    file.write_text("bad")
    (found,) = differences(store, events.known)
    assert not repair(store, found, events.tell)
    assert current_digest(store, REF) == old
    assert events.known == {}


def test_nothing_is_moved_under_the_hands_of_a_writer(store: ArtifactStore) -> None:
    old, _ = killed_before_its_pointer(store)
    directory = versions.partition_directory(store, REF)
    with leases.lease(directory / versions.LEASE_NAME), pytest.raises(LeaseHeld, match="is being made by"):
        finish_publication(store, REF)
    assert current_digest(store, REF) == old


def test_an_event_without_an_artifact_is_named_and_cannot_be_repaired(store: ArtifactStore) -> None:
    events = Events()
    events.known = {REF: make(store, REF, "content"), OTHER: "a" * 64}
    (found,) = differences(store, events.known)
    assert found == Difference(OTHER, "lost", "a" * 64)
    assert "materialize it again" in found.words
    assert not repair(store, found, events.tell)


def test_altered_records_are_named_and_left(store: ArtifactStore) -> None:
    events = Events()
    events.known[REF] = make(store, REF, "content")
    record = versions.records_directory(store, REF) / "000001.json"
    record.chmod(0o644)
    record.write_text(record.read_text().replace('"1"', '"2"'))
    (found,) = differences(store, events.known)
    assert found.kind == "damaged"
    assert not repair(store, found, events.tell)
