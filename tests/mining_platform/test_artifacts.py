"""Artifacts: names, publishing, verified reading, skipping, leases and errors."""

import errno
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from mining_platform import artifacts, lineage
from mining_platform.artifacts import (
    Artifact,
    ArtifactError,
    ArtifactStore,
    DamagedArtifact,
    InvalidRef,
    LeaseHeld,
    MissingArtifact,
    Ref,
)
from mining_platform.store import digests, versions

SCENES = Ref("scenes", "lourenco|2022")
MOSAIC = Ref("mosaic", "lourenco|2022")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def writes(content: str, **facts: Any) -> artifacts.Compute:
    """A computation that writes one text below a directory."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "deep").mkdir()
        (out / "deep" / "data.txt").write_text(content)
        return {"count": len(content), **facts}

    return compute


def never(*_: Any) -> dict[str, Any]:
    raise AssertionError("computed although it had to be skipped")


def make(store: ArtifactStore, ref: Ref = MOSAIC, compute: artifacts.Compute | None = None, **changed: Any) -> artifacts.Produced:
    defaults: dict[str, Any] = {"inputs": [], "code_version": "1", "config": {"seed": 7}}
    return artifacts.produce(store, ref, compute=compute or writes("one"), **{**defaults, **changed})


def fresh(store: ArtifactStore, ref: Ref = MOSAIC, **changed: Any) -> tuple[str, ...]:
    return artifacts.freshness(store, ref, **{"inputs": [], "code_version": "1", "config": {"seed": 7}, **changed})


def leftovers(store: ArtifactStore) -> list[Path]:
    return list(store.root.rglob("tmp-*"))


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


# Names


@pytest.mark.parametrize("text", ["land_cover@lourenco|2022", "ranges/candidates@sim-serra|2024", "ranges/quotas@2024", "model"])
def test_a_ref_is_read_back_from_its_text(text: str) -> None:
    assert str(Ref.parse(text)) == text


@pytest.mark.parametrize("partition", ["../x", "..", "a/b", "a|", "|a", "A|2022", "a b", "a|b|c|d", "x" * 65, "x\n", "a+b", "é"])
def test_a_partition_key_that_is_no_plain_name_is_refused(partition: str) -> None:
    with pytest.raises(InvalidRef, match=r"is no partition of mosaic. Use a-z"):
        Ref("mosaic", partition)


@pytest.mark.parametrize("asset", ["", "../mosaic", "/mosaic", "mosaic/", "a//b", "Mosaic", "1a", "a@b", "a\n", "x" * 65])
def test_an_asset_that_is_no_plain_name_is_refused(asset: str) -> None:
    with pytest.raises(InvalidRef, match=r"is no asset. Use names of a-z"):
        Ref(asset)


def test_a_text_that_ends_in_an_at_sign_is_refused() -> None:
    with pytest.raises(InvalidRef, match="ends in '@'"):
        Ref.parse("mosaic@")


def test_a_digest_that_is_a_path_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="is no digest"):
        artifacts.open_artifact(store, MOSAIC, "../../etc")


def test_a_link_out_of_the_store_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "mosaic").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out of the artifact store"):
        make(store)


# Publishing and reading


def test_a_produced_artifact_is_read_with_its_files_and_facts(store: ArtifactStore) -> None:
    produced = make(store, compute=writes("one", scene_ids=["a", "b"]))
    artifact = artifacts.open_artifact(store, MOSAIC)
    assert (artifact.path / "deep/data.txt").read_text() == "one"
    assert artifact.facts == produced.facts == {"count": 3, "scene_ids": ["a", "b"], "simulated": False}
    assert artifact.digest == produced.digest == artifacts.current_digest(store, MOSAIC)
    assert (produced.skipped, produced.reason) == (False, "not made yet")


def test_the_digest_is_the_blake3_of_the_sorted_manifest(store: ArtifactStore) -> None:
    produced = make(store)
    facts = b'{"count":3,"simulated":false}\n'
    rows = [["deep/data.txt", 3, blake3(b"one").hexdigest()], ["facts.json", len(facts), blake3(facts).hexdigest()]]
    assert produced.digest == blake3(json.dumps(rows, separators=(",", ":")).encode() + b"\n").hexdigest()


def test_the_digest_knows_neither_partition_nor_place_nor_run(store: ArtifactStore, tmp_path: Path) -> None:
    elsewhere = ArtifactStore(tmp_path / "other")
    here = make(store, run_id="a")
    assert make(elsewhere, Ref("model", "2024"), run_id="b", config={"seed": 8}).digest == here.digest


def test_an_artifact_without_partition_has_a_place_of_its_own(store: ArtifactStore) -> None:
    make(store, Ref("model"))
    make(store, Ref("model/card"))
    assert artifacts.partitions(store, "model") == [""]


def test_partitions_lists_those_with_a_current_version_sorted(store: ArtifactStore) -> None:
    for partition in ("b|2024", "a-c|2024", "a|2023"):
        make(store, Ref("mosaic", partition))
    with pytest.raises(ZeroDivisionError):
        make(store, Ref("mosaic", "c|2024"), compute=lambda *_: {"n": 1 // 0})
    assert artifacts.partitions(store, "mosaic") == ["a-c|2024", "a|2023", "b|2024"]
    assert artifacts.partitions(store, "label") == []


def test_published_files_are_read_only(store: ArtifactStore) -> None:
    path = make(store).path
    assert {file.stat().st_mode & 0o777 for file in path.rglob("*") if file.is_file()} == {0o444}


def test_an_empty_directory_is_no_content(store: ArtifactStore) -> None:
    def compute(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "empty/inner").mkdir(parents=True)
        return writes("one")(inputs, out)

    assert make(store, Ref("a"), compute).digest == make(store, Ref("b")).digest
    assert not (artifacts.open_artifact(store, Ref("a")).path / "empty").exists()


def test_an_older_version_stays_readable_by_its_digest(store: ArtifactStore) -> None:
    old = make(store)
    make(store, compute=writes("two"), code_version="2")
    assert (artifacts.open_artifact(store, MOSAIC, old.digest).path / "deep/data.txt").read_text() == "one"


def test_equal_content_is_one_version_with_two_records(store: ArtifactStore) -> None:
    first = make(store)
    second = make(store, code_version="2")
    assert (second.digest, second.skipped) == (first.digest, False)
    assert len(list(first.path.parent.iterdir())) == 1
    assert [record.code_version for record in artifacts.records(store, MOSAIC)] == ["1", "2"]


def test_reading_what_was_never_made_names_the_remedy(store: ArtifactStore) -> None:
    remedy = "mining-platform materialize --assets mosaic --regions lourenco --years 2022"
    with pytest.raises(MissingArtifact, match=rf"mosaic@lourenco\|2022 was never made. Run `{remedy}`"):
        artifacts.open_artifact(store, MOSAIC)
    make(store)
    with pytest.raises(MissingArtifact, match=f"has no version {'0' * 64}"):
        artifacts.open_artifact(store, MOSAIC, "0" * 64)


# Simulated


def test_the_simulated_mark_reaches_everything_made_from_it(store: ArtifactStore) -> None:
    make(store, SCENES, writes("scenes", simulated=True))
    make(store, MOSAIC, writes("mosaic", simulated=False), inputs=[SCENES])
    assert make(store, Ref("model", "2022"), inputs=[MOSAIC]).facts["simulated"] is True


def test_an_artifact_of_real_inputs_is_not_marked(store: ArtifactStore) -> None:
    make(store, SCENES)
    assert make(store, inputs=[SCENES]).facts["simulated"] is False


# Freshness


def test_unchanged_work_is_skipped(store: ArtifactStore) -> None:
    make(store, SCENES)
    made = make(store, inputs=[SCENES])
    again = make(store, compute=never, inputs=[SCENES])
    assert (again.skipped, again.digest, again.facts, again.path) == (True, made.digest, made.facts, made.path)
    assert again.reason == "unchanged: same inputs, code version and configuration"
    assert fresh(store, inputs=[SCENES]) == ()
    assert len(artifacts.records(store, MOSAIC)) == 1


def test_configuration_is_compared_as_json(store: ArtifactStore) -> None:
    make(store, config={"bands": ("B04", "B03"), "nested": {"b": 1, "a": None}})
    assert fresh(store, config={"nested": {"a": None, "b": 1}, "bands": ["B04", "B03"]}) == ()
    assert fresh(store, config={"nested": {"a": None, "b": True}, "bands": ["B04", "B03"]}) == (
        "configuration nested.b changed: 1 -> true",
    )


def test_a_version_that_is_fresh_gives_way_to_a_newer_one_that_was_recorded_and_never_shown(store: ArtifactStore) -> None:
    make(store, config={"seed": 1})
    pointer = versions.partition_directory(store, MOSAIC) / versions.POINTER_NAME
    shown = pointer.read_bytes()
    newer = make(store, MOSAIC, writes("newer"), config={"seed": 2})
    pointer.write_bytes(shown)
    assert fresh(store, config={"seed": 1}) == (artifacts.UNSEEN,)
    again = make(store, config={"seed": 1})
    assert [record.configuration["seed"] for record in artifacts.records(store, MOSAIC)] == [1, 2, 1]
    assert not again.skipped
    assert newer.digest != again.digest == artifacts.current_digest(store, MOSAIC)


def test_reasons_name_what_changed(store: ArtifactStore) -> None:
    assert fresh(store, inputs=[SCENES]) == ("not made yet", "input scenes@lourenco|2022 is missing")
    make(store, SCENES)
    make(store, Ref("label", "2022"))
    make(store, inputs=[SCENES])
    make(store, SCENES, writes("more"), code_version="2")
    assert fresh(store, inputs=[SCENES, Ref("label", "2022")], code_version="2", config={"sead": 7}) == (
        "input label@2022 is new",
        "input scenes@lourenco|2022 changed",
        "code version 1 -> 2",
        "configuration sead is new: 7",
        "configuration seed is gone, it was 7",
    )
    assert fresh(store) == ("input scenes@lourenco|2022 is no longer used",)


def test_an_input_made_anew_with_equal_content_leaves_its_user_fresh(store: ArtifactStore) -> None:
    make(store, SCENES)
    make(store, inputs=[SCENES])
    make(store, SCENES, code_version="2")
    assert fresh(store, inputs=[SCENES]) == ()


def test_a_changed_input_is_recomputed_from_its_new_version(store: ArtifactStore) -> None:
    def copies(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "copy.txt").write_text((inputs[SCENES].path / "deep/data.txt").read_text())
        return {}

    make(store, SCENES)
    make(store, compute=copies, inputs=[SCENES])
    make(store, SCENES, writes("more"), code_version="2")
    produced = make(store, compute=copies, inputs=[SCENES])
    assert (produced.path / "copy.txt").read_text() == "more"
    assert produced.reason == "input scenes@lourenco|2022 changed"


def test_missing_inputs_are_all_named_and_nothing_is_left(store: ArtifactStore) -> None:
    with pytest.raises(MissingArtifact, match=r"label@2022, scenes@lourenco\|2022 .*--assets label.*--assets scenes"):
        make(store, compute=never, inputs=[SCENES, Ref("label", "2022")])
    assert not store.root.exists()


# Damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    writable(path).write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "flipped bit": (lambda version: flip(version / "deep/data.txt"), "deep/data.txt was altered"),
    "cut file": (lambda version: writable(version / "deep/data.txt").write_text("on"), "deep/data.txt has 2 bytes, not 3"),
    "deleted file": (lambda version: (version / "deep/data.txt").unlink(), "deep/data.txt is missing"),
    "extra file": (lambda version: (version / "deep/more.txt").write_text(""), "deep/more.txt is not listed"),
    "extra directory": (lambda version: (version / "more").mkdir(), "more/ is not listed"),
    "link": (lambda version: (version / "more").symlink_to("deep"), "more is a link or special file"),
    "altered facts": (lambda version: flip(version / "facts.json"), "facts.json was altered"),
    "altered manifest": (lambda version: flip(version / "manifest.json"), "manifest.json was altered"),
    "deleted manifest": (lambda version: (version / "manifest.json").unlink(), "manifest.json is missing"),
    "moved version": (lambda version: version.rename(version.with_name("x")), "the version's directory is missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_refused_by_name_and_made_again(store: ArtifactStore, damage: str) -> None:
    produced = make(store)
    do, message = DAMAGES[damage]
    do(produced.path)
    with pytest.raises(DamagedArtifact, match=f"mosaic@lourenco.*{message}.*mining-platform materialize --assets mosaic"):
        artifacts.open_artifact(store, MOSAIC)
    again = make(store)
    assert (again.digest, again.skipped) == (produced.digest, False)
    assert message in again.reason
    assert (artifacts.open_artifact(store, MOSAIC).path / "deep/data.txt").read_text() == "one"
    assert leftovers(store) == []


def test_a_damaged_input_is_refused_and_the_old_output_stays(store: ArtifactStore) -> None:
    scenes = make(store, SCENES)
    old = make(store, inputs=[SCENES])
    flip(scenes.path / "deep/data.txt")
    with pytest.raises(DamagedArtifact, match=r"scenes@lourenco\|2022.*deep/data.txt was altered"):
        make(store, compute=never, inputs=[SCENES], code_version="2")
    assert artifacts.open_artifact(store, MOSAIC).digest == old.digest


@pytest.mark.parametrize("content", ["", "[]", "{", '{"digest": "../x", "record": 1, "record_hash": ""}', '{"digest": 3}'])
def test_an_unreadable_pointer_is_refused_and_restored_from_the_record(store: ArtifactStore, content: str) -> None:
    produced = make(store)
    (produced.path.parents[1] / "current.json").write_text(content)
    with pytest.raises(DamagedArtifact, match=r"current.json is unreadable"):
        artifacts.current_digest(store, MOSAIC)
    assert "current.json is unreadable" in fresh(store)[0]
    again = make(store, compute=never)
    assert (again.digest, again.skipped, again.reason) == (produced.digest, True, artifacts.FINISHED)


def test_a_pointer_turned_to_another_version_is_noticed_and_turned_back(store: ArtifactStore) -> None:
    old = make(store)
    new = make(store, compute=writes("two"), code_version="2")
    pointer = new.path.parents[1] / "current.json"
    pointer.write_text(pointer.read_text().replace(new.digest, old.digest))
    assert fresh(store, code_version="2") == ("its pointer and lineage record 2 tell of different versions",)
    assert make(store, compute=never, code_version="2").digest == new.digest


def test_an_altered_record_stops_production_before_it_computes(store: ArtifactStore) -> None:
    produced = make(store)
    flip(produced.path.parents[1] / "records/000001.json")
    assert "mosaic/@lourenco+2022/records/000001.json is unreadable" in fresh(store)[0]
    with pytest.raises(
        lineage.LineageError, match=r"records/000001.json is unreadable.*move the whole `records` directory aside"
    ):
        make(store, compute=never, code_version="2")
    assert artifacts.open_artifact(store, MOSAIC).digest == produced.digest


def test_the_remedy_for_an_altered_record_works(store: ArtifactStore) -> None:
    produced = make(store)
    records = produced.path.parents[1] / "records"
    records.rename(records.with_name("old-records"))
    assert make(store).digest == produced.digest
    assert [record.number for record in artifacts.records(store, MOSAIC)] == [1]
    assert make(store, compute=never).skipped


def test_a_removed_last_record_is_noticed(store: ArtifactStore) -> None:
    make(store)
    last = make(store, compute=writes("two"), code_version="2").path.parents[1] / "records/000002.json"
    last.unlink()
    with pytest.raises(lineage.LineageError, match=r"000002.json is missing"):
        make(store, compute=never, code_version="3")


# Failing computations


def failing(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    (out / "half.bin").write_bytes(b"half")
    raise KeyError("the cause")


@pytest.mark.parametrize("existing", [False, True])
def test_a_failing_computation_leaves_nothing_and_keeps_the_old_version(store: ArtifactStore, existing: bool) -> None:
    old = make(store).digest if existing else None
    with pytest.raises(KeyError, match="the cause"):
        make(store, compute=failing, code_version="2")
    assert artifacts.current_digest(store, MOSAIC) == old
    assert leftovers(store) == []
    assert len(artifacts.records(store, MOSAIC)) == int(existing)
    assert not make(store, code_version="2").skipped


def test_an_interrupted_computation_leaves_nothing(store: ArtifactStore) -> None:
    def interrupted(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "half.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(store, compute=interrupted)
    assert leftovers(store) == []


UNFIT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "link": (lambda out: (out / "a").symlink_to("/etc/passwd"), "a is a link or special file.*write a copy"),
    "linked directory": (lambda out: (out / "a").symlink_to("/etc"), "a is a link or special file.*write a copy"),
    "pipe": (lambda out: os.mkfifo(out / "a"), "a is a link or special file"),
    "reserved facts": (lambda out: (out / "facts.json").write_text(""), "facts.json, a name of the store's own"),
    "reserved manifest": (lambda out: (out / "manifest.json").write_text(""), "manifest.json, a name of the store's own"),
}


@pytest.mark.parametrize("unfit", UNFIT)
def test_unfit_output_is_refused(store: ArtifactStore, unfit: str) -> None:
    do, message = UNFIT[unfit]
    with pytest.raises(ArtifactError, match=message):
        make(store, compute=lambda _, out: {"n": do(out) or 1})
    assert artifacts.current_digest(store, MOSAIC) is None
    assert leftovers(store) == []


@pytest.mark.parametrize("facts", [{"a": float("nan")}, {"a": {1}}, {"a": {1: 2}}, {"a": b""}])
def test_facts_that_are_not_json_are_refused(store: ArtifactStore, facts: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"The facts of mosaic@lourenco\|2022 cannot be written as JSON"):
        make(store, compute=lambda *_: facts)
    assert leftovers(store) == []


def test_facts_that_are_no_dict_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="compute returned NoneType, not facts"):
        make(store, compute=lambda *_: None)  # type: ignore[arg-type]


def test_a_configuration_that_is_not_json_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match=r"The configuration of mosaic@lourenco\|2022 cannot be written as JSON"):
        make(store, config={"path": Path()})
    assert not store.root.exists()


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["fsync", "rename", "replace", "mkdir"])
def test_a_full_disk_while_publishing_keeps_the_old_version_and_says_so(
    store: ArtifactStore, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(store).digest
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(
            ArtifactError, match=r"could not be published: No space left on device.*Free some space and run again"
        ):
            make(store, compute=writes("two"), code_version="2")
    assert artifacts.open_artifact(store, MOSAIC).digest == old
    assert leftovers(store) == []
    assert make(store, compute=writes("two"), code_version="2").digest != old


def test_a_full_disk_while_computing_is_explained(store: ArtifactStore) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        make(store, compute=full)  # type: ignore[arg-type]
    assert "Free some space" in caught.value.__notes__[0]
    assert leftovers(store) == []


# Leases


def test_of_two_processes_the_second_is_told_who_holds_the_lease(store: ArtifactStore) -> None:
    context = multiprocessing.get_context("fork")
    started, finish = context.Event(), context.Event()

    def slow(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        started.set()
        finish.wait(20)
        return writes("theirs")(inputs, out)

    writer = context.Process(target=make, args=(store, MOSAIC, slow), kwargs={"run_id": "run-a"})
    writer.start()
    try:
        assert started.wait(20)
        with pytest.raises(LeaseHeld, match=rf"being made by process {writer.pid} on .*, run run-a, since 20..-.*Wait for it"):
            make(store, compute=never)
        assert not make(store, Ref("mosaic", "tapajos|2022")).skipped
    finally:
        finish.set()
        writer.join()
    assert make(store, compute=never).skipped


def test_of_two_threads_the_second_is_told_who_holds_the_lease(store: ArtifactStore) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(*_: Any) -> dict[str, Any]:
        started.set()
        finish.wait(20)
        return {}

    writer = threading.Thread(target=make, args=(store, MOSAIC, slow))
    writer.start()
    try:
        assert started.wait(20)
        with pytest.raises(LeaseHeld, match=f"process {os.getpid()} on"):
            make(store, compute=never)
    finally:
        finish.set()
        writer.join()
    assert make(store, compute=never).skipped


def test_a_lease_dies_with_its_holder_even_if_a_child_of_his_lives_on(store: ArtifactStore) -> None:
    read, write = os.pipe()

    def orphaning(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "half.bin").write_bytes(b"half")
        child = os.fork()
        if child == 0:
            threading.Event().wait(20)
            os._exit(0)
        os.write(write, str(child).encode())
        os._exit(9)

    writer = multiprocessing.get_context("fork").Process(target=make, args=(store, MOSAIC, orphaning))
    writer.start()
    writer.join()
    orphan = int(os.read(read, 20))
    try:
        assert leftovers(store) != []
        assert not make(store).skipped
        assert leftovers(store) == []
    finally:
        os.kill(orphan, 9)
        os.close(read)
        os.close(write)


def test_the_lease_is_free_again_after_a_failure(store: ArtifactStore) -> None:
    with pytest.raises(KeyError):
        make(store, compute=failing)
    assert not make(store).skipped


# Digests


def test_canonical_json_has_one_spelling() -> None:
    assert digests.canonical_json({"b": (1, 2.5), "a": {"é": None}}, "x") == b'{"a":{"\\u00e9":null},"b":[1,2.5]}\n'


def test_a_skip_costs_less_than_a_tenth_of_a_second_on_twenty_megabytes(store: ArtifactStore) -> None:
    def large(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        for number in range(20):
            (out / f"{number}.bin").write_bytes(bytes([number]) * 1_000_000)
        return {}

    make(store, compute=large)
    assert min(make(store, compute=never).seconds for _ in range(3)) < 0.1


def steps_until(steps: int) -> artifacts.Compute:
    """A resumable computation of three files; breaks off after so many new ones."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        made = 0
        for name in "abc":
            if not (out / name).exists():
                if made == steps:
                    raise RuntimeError("the line went down")
                (out / name).write_text(name)
                made += 1
        return {"made": "abc"}

    return compute


def unfinished(store: ArtifactStore) -> list[list[str]]:
    folders = sorted((store.root / "mosaic" / "@lourenco+2022").glob("unfinished-*"))
    return [sorted(path.name for path in folder.iterdir()) for folder in folders]


def test_resumable_work_goes_on_with_the_files_it_left(store: ArtifactStore) -> None:
    with pytest.raises(RuntimeError, match="the line went down"):
        make(store, compute=steps_until(2), resumable=True)
    assert unfinished(store) == [["a", "b"]]
    made = make(store, compute=steps_until(1), resumable=True)
    assert sorted(path.name for path in made.path.iterdir()) == ["a", "b", "c", "facts.json", "manifest.json"]
    assert unfinished(store) == []


def test_work_on_other_inputs_or_settings_never_takes_over_unfinished_files(store: ArtifactStore) -> None:
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(2), resumable=True)
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(1), resumable=True, config={"seed": 8})
    assert unfinished(store) == [["a"]]


def test_work_that_is_not_resumable_begins_anew_and_sweeps_what_was_left(store: ArtifactStore) -> None:
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(2), resumable=True)
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(2))
    assert unfinished(store) == []


def test_a_kill_while_sealing_does_not_keep_the_work_from_being_resumed(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mining_platform.store.publishing.install", killed)
    with pytest.raises(KeyboardInterrupt):
        make(store, compute=steps_until(3), resumable=True)
    assert unfinished(store) == [["a", "b", "c", "facts.json", "manifest.json"]]
    monkeypatch.undo()
    assert make(store, compute=steps_until(0), resumable=True).facts["made"] == "abc"


def test_a_disk_that_is_full_while_unfinished_work_is_sealed_gets_its_space_back(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mining_platform.store.digests.seal", full)
    with pytest.raises(ArtifactError, match="Free some space and run again"):
        make(store, compute=steps_until(3), resumable=True)
    assert unfinished(store) == []


def test_a_link_in_the_place_of_unfinished_work_is_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(1), resumable=True)
    (folder,) = (store.root / "mosaic" / "@lourenco+2022").glob("unfinished-*")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    made = make(store, compute=steps_until(3), resumable=True)
    assert not made.path.is_symlink()
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["a"]


def test_a_link_among_unfinished_files_does_not_keep_the_work_from_being_resumed(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        make(store, compute=steps_until(1), resumable=True)
    (folder,) = (store.root / "mosaic" / "@lourenco+2022").glob("unfinished-*")
    (tmp_path / "secret").write_text("secret")
    (folder / "b").symlink_to(tmp_path / "secret")
    made = make(store, compute=steps_until(2), resumable=True)
    assert (made.path / "b").read_text() == "b"
    assert (tmp_path / "secret").read_text() == "secret"


def test_unfinished_work_on_a_full_disk_gives_the_space_back(store: ArtifactStore) -> None:
    def full(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "a").write_text("a")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        make(store, compute=full, resumable=True)
    assert unfinished(store) == []
