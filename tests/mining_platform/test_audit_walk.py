"""The walk of an audit: everything upstream is reached, and every break is named, with its file and where it lies."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from mining_platform.artifacts import ArtifactStore, MissingArtifact, Ref, produce
from mining_platform.audits.events import NO_EVENTS, crossed
from mining_platform.audits.walk import AuditError, audit, require_whole, roots_of
from mining_platform.lineage import Input, Record
from mining_platform.store.versions import all_refs
from tests.mining_platform.audited_stores import (
    COVERS,
    MODEL,
    NORTH,
    PATCHES,
    flip,
    known_store,
    of_model,
    partition_path,
    put,
    verdicts,
    version_path,
)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return known_store(tmp_path / "artifacts")


def test_a_whole_store_has_no_break_and_every_upstream_version_is_walked_to(store: ArtifactStore) -> None:
    found = of_model(store)
    assert found.verdict == "whole"
    assert verdicts(found) == dict.fromkeys(map(str, (*COVERS, MODEL, *PATCHES)), "whole")


def test_a_flipped_bit_names_its_file_and_all_that_rests_on_it_is_unsound(store: ArtifactStore) -> None:
    flip(version_path(store, COVERS[0]) / "data.bin")
    found = of_model(store)
    digest = version_path(store, COVERS[0]).name[:12]
    assert found.breaks == [f"land_cover@{NORTH}, version {digest}: data.bin was altered"]
    assert verdicts(found) == {
        "land_cover@north|2024": "broken",
        "ranges/patches@north|2024": "unsound",
        "model@cnn|2024": "unsound",
        "land_cover@south|2024": "whole",
        "ranges/patches@south|2024": "whole",
    }


def test_a_flipped_bit_in_data_shows_only_where_every_byte_is_hashed(store: ArtifactStore) -> None:
    flip(version_path(store, COVERS[0]) / "data.bin")
    assert of_model(store, deep=False).breaks == []
    assert len(of_model(store, deep=True).breaks) == 1


@pytest.mark.parametrize("name", ["facts.json", "manifest.json"])
def test_a_flipped_bit_in_facts_or_manifest_shows_without_hashing_data(store: ArtifactStore, name: str) -> None:
    flip(version_path(store, PATCHES[1]) / name, 3)
    (text,) = of_model(store, deep=False).breaks
    assert text.endswith(f"{name} was altered")


def test_every_flipped_byte_anywhere_in_a_version_its_pointer_or_records_is_a_break(store: ArtifactStore) -> None:
    files = [path for path in partition_path(store, PATCHES[0]).rglob("*") if path.is_file() and path.name != "lease"]
    assert {path.name for path in files} == {"data.bin", "facts.json", "manifest.json", "current.json", "000001.json"}
    for path in files:
        whole = path.read_bytes()
        for position in range(0, len(whole), 17):
            flip(path, position)
            found = audit(store, roots_of(store), deep=True)
            assert any("ranges/patches@north|2024" in text and path.name in text for text in found.breaks), (path.name, position)
            path.write_bytes(whole)
    assert audit(store, roots_of(store), deep=True).breaks == []


def test_deleted_and_added_files_are_named_beside_an_altered_one(store: ArtifactStore) -> None:
    version = version_path(store, COVERS[1])
    (version / "more").mkdir()
    (version / "more" / "added.txt").write_text("x")
    (version / "facts.json").unlink()
    flip(version / "data.bin")
    told = [text.partition(": ")[2] for text in of_model(store).breaks]
    assert told == ["facts.json is missing", "more/added.txt is not listed", "more/ is not listed", "data.bin was altered"]


def test_a_file_of_another_size_is_named_without_hashing(store: ArtifactStore) -> None:
    path = version_path(store, COVERS[1]) / "data.bin"
    path.chmod(0o644)
    size = len(path.read_bytes())
    path.write_text("")
    (text,) = of_model(store, deep=False).breaks
    assert text.endswith(f"data.bin has 0 bytes, not {size}")


def test_a_missing_version_is_a_break_of_its_own_and_its_consumer_is_unsound(store: ArtifactStore) -> None:
    shutil.rmtree(version_path(store, COVERS[0]))
    found = of_model(store)
    assert [text.partition(": ")[2] for text in found.breaks] == ["the version's directory is missing"]
    assert verdicts(found)["ranges/patches@north|2024"] == "unsound"


def test_an_input_whose_whole_partition_is_gone_is_a_break(store: ArtifactStore) -> None:
    shutil.rmtree(partition_path(store, COVERS[0]))
    found = of_model(store)
    assert found.breaks[0].startswith(f"land_cover@{NORTH}")
    assert found.verdict == "broken"


def edit(path: Path, *, rehash: bool, **changed: Any) -> None:
    content = {**json.loads(path.read_bytes()), **changed}
    if rehash:
        body = {key: value for key, value in content.items() if key != "hash"}
        content["hash"] = blake3(json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n").hexdigest()
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n")


def test_an_edited_record_is_named(store: ArtifactStore) -> None:
    edit(partition_path(store, MODEL) / "records" / "000001.json", rehash=False, code_version="2")
    assert "000001.json was altered" in of_model(store).breaks[0]


def test_a_record_forged_with_a_right_hash_is_shown_by_the_pointer(store: ArtifactStore) -> None:
    edit(partition_path(store, MODEL) / "records" / "000001.json", rehash=True, inputs=[])
    assert "record 000001.json was replaced by another, or current.json was altered" in of_model(store).breaks[0]


def test_a_record_forged_together_with_its_pointer_is_shown_by_the_facts(store: ArtifactStore) -> None:
    path = partition_path(store, MODEL) / "records" / "000001.json"
    edit(path, rehash=True, facts_digest="0" * 64)
    edit(partition_path(store, MODEL) / "current.json", rehash=False, record_hash=json.loads(path.read_bytes())["hash"])
    assert "is of other facts" in of_model(store).breaks[0]


@pytest.mark.parametrize(
    "forged",
    [
        [{"asset": "../../etc", "partition": "", "digest": "0" * 64}],
        [{"asset": "land_cover", "partition": "", "digest": "../../../etc"}],
        [{"asset": "land_cover", "partition": 5, "digest": "0" * 64}],
        [{"asset": "land_cover"}],
        ["land_cover"],
    ],
)
def test_a_record_that_names_what_could_be_no_version_is_a_break_and_is_not_followed(store: ArtifactStore, forged: list) -> None:
    edit(partition_path(store, MODEL) / "records" / "000001.json", rehash=True, inputs=forged)
    found = of_model(store)
    assert "record 000001.json names what could be no version" in found.breaks[0]
    assert len(found.nodes) == 1


def test_a_version_without_pointer_and_records_is_told_where_the_whole_store_is_audited(store: ArtifactStore) -> None:
    directory = partition_path(store, MODEL)
    shutil.rmtree(directory / "records")
    (directory / "current.json").unlink()
    found = audit(store, roots_of(store), deep=True)
    (model,) = [node for node in found.nodes.values() if node.ref == MODEL]
    assert any(text.startswith("it was never published, or pointer and records were deleted") for text in model.notes)
    flip(directory / "versions" / model.version.digest / "data.bin")
    assert "data.bin was altered" in audit(store, roots_of(store), deep=True).breaks[0]


def test_a_partition_with_the_records_and_pointer_of_another_is_a_break(store: ArtifactStore) -> None:
    shutil.rmtree(partition_path(store, COVERS[0]))
    shutil.copytree(partition_path(store, COVERS[1]), partition_path(store, COVERS[0]))
    (root,) = roots_of(store, *str(PATCHES[0]).split("@"))
    found = audit(store, [root], deep=True)
    assert any("is of land_cover@south|2024: it was put here from elsewhere" in text for text in found.breaks)


def test_a_removed_record_is_named_and_the_rest_of_the_chain_is_still_read(store: ArtifactStore) -> None:
    put(store, MODEL, PATCHES, version="2", config={"experiment": {"id": "cnn", "seed": 7}})
    records = partition_path(store, MODEL) / "records"
    (records / "000001.json").unlink()
    found = of_model(store)
    assert "000001.json is missing" in found.breaks[0]
    assert set(verdicts(found)) >= set(map(str, COVERS))


def test_swapped_records_are_named(store: ArtifactStore) -> None:
    put(store, MODEL, PATCHES, version="2")
    records = partition_path(store, MODEL) / "records"
    first, second = (records / "000001.json").read_bytes(), (records / "000002.json").read_bytes()
    (records / "000001.json").write_bytes(second)
    (records / "000002.json").write_bytes(first)
    told = " ".join(of_model(store).breaks)
    assert "000001.json says it is number 2" in told
    assert "000002.json says it is number 1" in told


def test_a_deleted_pointer_is_a_break_with_its_remedy(store: ArtifactStore) -> None:
    (partition_path(store, COVERS[0]) / "current.json").unlink()
    (text,) = of_model(store).breaks
    assert "current.json is missing" in text
    assert "`mining-platform reconcile` writes it again" in text


def test_an_input_that_was_superseded_is_told_and_is_no_break(store: ArtifactStore) -> None:
    old = version_path(store, COVERS[0]).name
    new = put(store, COVERS[0], content="drawn again", version="2").digest
    found = of_model(store)
    assert found.breaks == []
    assert verdicts(found)["land_cover@north|2024"] == "superseded"
    (patches,) = [node for node in found.nodes.values() if node.ref == PATCHES[0]]
    assert patches.since == (f"input land_cover@north|2024 was superseded: {old[:12]} -> {new[:12]}",)
    assert verdicts(found)["ranges/patches@north|2024"] == "stale"


def test_equal_content_made_again_supersedes_nothing(store: ArtifactStore) -> None:
    put(store, COVERS[0], content="8", version="2")
    found = of_model(store)
    assert set(verdicts(found).values()) == {"whole"}
    (cover,) = [node for node in found.nodes.values() if node.ref == COVERS[0]]
    assert (cover.productions, cover.record and cover.record.code_version) == (2, "2")


def test_code_that_changed_since_is_told_as_the_callable_says(store: ArtifactStore) -> None:
    def since(ref: Ref, record: Record) -> tuple[str, ...]:
        return (f"code version {record.code_version} -> 2",) if ref == MODEL else ()

    found = audit(store, roots_of(store, "model"), deep=False, since=since)
    assert found.breaks == []
    assert found.verdict == "stale"
    assert found.nodes[found.roots[0]].since == ("code version 1 -> 2",)


def test_without_an_asset_old_versions_that_are_kept_are_audited_too(store: ArtifactStore) -> None:
    old = version_path(store, COVERS[0])
    put(store, COVERS[0], content="drawn again", version="2")
    put(store, PATCHES[0], [COVERS[0]], content="new", version="2")
    flip(old / "data.bin")
    assert any(old.name[:12] in text for text in audit(store, roots_of(store), deep=True).breaks)


def test_an_old_version_that_was_collected_and_that_nothing_rests_on_is_no_break(store: ArtifactStore) -> None:
    old = version_path(store, MODEL)
    put(store, MODEL, PATCHES, content="again", version="2")
    shutil.rmtree(old)
    assert audit(store, roots_of(store), deep=True).breaks == []


def test_simulated_data_leftovers_and_strangers_are_notes(tmp_path: Path) -> None:
    store = known_store(tmp_path / "artifacts")
    put(store, Ref("scenes", NORTH), facts={"simulated": True})
    directory = partition_path(store, Ref("scenes", NORTH))
    (directory / "tmp-1-ab").mkdir()
    (directory / "records" / "000001.json.bak").write_text("")
    (directory / "versions" / ("0" * 64)).mkdir()
    (directory / "notes.txt").write_text("")
    (node,) = audit(store, roots_of(store, "scenes"), deep=True).nodes.values()
    assert node.breaks == ()
    assert node.notes == (
        "notes.txt is not the store's: no version holds it",
        "tmp-1-ab was left by an interrupted writer",
        "versions/000000000000 is told of by no record: no reader gets it",
        "records/000001.json.bak is not the store's: no record is in it",
        "rests on simulated data",
    )


def test_an_asset_alone_stands_for_all_its_partitions_and_nothing_for_the_store(store: ArtifactStore) -> None:
    assert [root.partition for root in roots_of(store, "land_cover")] == [NORTH, "south|2024"]
    assert len(roots_of(store)) == 5
    assert all_refs(store) == sorted([*COVERS, *PATCHES, MODEL])


def test_what_was_never_made_is_refused_with_what_there_is(store: ArtifactStore) -> None:
    with pytest.raises(
        MissingArtifact, match=r"mosaic@north\|2024 was never made. Published are land_cover, model, ranges/patches"
    ):
        roots_of(store, "mosaic", NORTH)


def test_breaks_are_named_where_all_must_be_whole(store: ArtifactStore) -> None:
    assert require_whole(of_model(store)).breaks == []
    flip(version_path(store, COVERS[0]) / "data.bin")
    with pytest.raises(AuditError, match=r"land_cover@north\|2024.*data.bin was altered.*Restore the files from a backup"):
        require_whole(of_model(store))


def known(store: ArtifactStore) -> dict[Ref, str]:
    return {Ref(root.asset, root.partition): root.digest for root in roots_of(store)}


def test_events_and_artifacts_that_know_of_each_other_differ_in_nothing(store: ArtifactStore) -> None:
    assert crossed(of_model(store), store, known(store), whole_store=True).crossed == ()


def test_an_artifact_without_event_is_named_and_is_no_break(store: ArtifactStore) -> None:
    events = known(store)
    del events[COVERS[0]]
    found = crossed(of_model(store), store, events, whole_store=True)
    assert found.breaks == []
    assert found.crossed is not None
    assert found.crossed[0].startswith("land_cover@north|2024: artifact without event")


def test_an_event_without_artifact_is_a_break(store: ArtifactStore) -> None:
    events = {**known(store), Ref("mosaic", NORTH): "c" * 64, COVERS[0]: "d" * 64}
    found = crossed(of_model(store), store, events, whole_store=True)
    assert found.breaks == [
        "land_cover@north|2024: event without artifact: no record tells of version dddddddddddd, which was reported",
        "mosaic@north|2024: event without artifact: version cccccccccccc was reported, and nothing is published",
    ]


def test_an_event_of_an_older_version_is_told_and_is_no_break(store: ArtifactStore) -> None:
    events = known(store)
    put(store, MODEL, PATCHES, content="again", version="2")
    found = crossed(of_model(store), store, events, whole_store=False)
    assert found.breaks == []
    assert found.crossed is not None
    assert "the newest event is of version" in found.crossed[0]


def test_without_any_event_nothing_is_compared(store: ArtifactStore) -> None:
    found = crossed(of_model(store), store, {}, whole_store=True)
    assert (found.crossed, found.breaks) == ((NO_EVENTS,), [])


def test_a_thousand_upstream_partitions_are_audited_deeply_in_thirty_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # building the store is not what is timed
    store = ArtifactStore(tmp_path / "artifacts")
    refs = [Ref("land_cover", f"region-{number}|2024") for number in range(1000)]
    for ref in refs:
        put(store, ref)
    produce(store, MODEL, inputs=refs, code_version="1", config={}, compute=lambda *_: {})
    flip(version_path(store, refs[777]) / "data.bin")
    started = time.monotonic()
    found = of_model(store)
    assert time.monotonic() - started < 30
    assert len(found.nodes) == 1001
    assert [text.partition(",")[0] for text in found.breaks] == ["land_cover@region-777|2024"]
    assert found.nodes[found.roots[0]].inputs[0] == Input("land_cover", "region-0|2024", version_path(store, refs[0]).name)
