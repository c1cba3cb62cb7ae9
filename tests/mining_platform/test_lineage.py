"""Lineage records: what they hold, and that a changed, lost or swapped one shows."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from mining_platform import environments, lineage
from mining_platform.artifacts import ArtifactStore, Ref, produce, records

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRODUCTION = lineage.Production(
    asset="mosaic",
    partition="lourenco|2022",
    digest="d" * 64,
    inputs=(lineage.Input("scenes", "lourenco|2022", "e" * 64),),
    facts_digest="f" * 64,
    code_version="3",
    configuration={"seed": 7, "bands": ("B04", "B03")},
    run_id="run-a",
    started=NOON,
    finished=NOON + timedelta(seconds=1.5),
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A chain of three records."""
    for _ in range(3):
        lineage.append_record(tmp_path / "records", PRODUCTION)
    return tmp_path / "records"


def edit(path: Path, *, rehash: bool, **changed: Any) -> None:
    content = {**json.loads(path.read_bytes()), **changed}
    if rehash:
        body = {key: value for key, value in content.items() if key != "hash"}
        content["hash"] = blake3(json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n").hexdigest()
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n")


def test_a_record_that_says_the_same_in_other_bytes_is_altered(directory: Path) -> None:
    path = directory / "000002.json"
    written = path.read_text()
    for spelled in (written.rstrip(), f"{written}\n", written.replace(":", ": ", 1), '{"asset":"other",' + written[1:]):
        path.write_text(spelled)
        with pytest.raises(lineage.LineageError, match=r"000002.json was altered"):
            lineage.read_record(directory, 2)


@pytest.mark.parametrize("before", ['"asset":', '"number":', '"started":'])
def test_a_hash_that_stands_elsewhere_is_an_alteration(directory: Path, before: str) -> None:
    path = directory / "000002.json"
    written = path.read_text()
    own = f'"hash":"{json.loads(written)["hash"]}",'
    moved = written.replace(own, "").replace(before, own + before, 1)
    assert moved not in (written, written.replace(own, ""))
    path.write_text(moved)
    with pytest.raises(lineage.LineageError, match=r"000002.json was altered"):
        lineage.read_record(directory, 2)


@pytest.mark.parametrize("hash_of_another_kind", ["NaN", "7", "null", "{}"])
def test_a_hash_that_is_no_text_is_an_alteration(directory: Path, hash_of_another_kind: str) -> None:
    path = directory / "000002.json"
    written = path.read_text()
    path.write_text(written.replace(f'"hash":"{json.loads(written)["hash"]}"', f'"hash":{hash_of_another_kind}'))
    with pytest.raises(lineage.LineageError, match=r"000002.json was altered"):
        lineage.read_record(directory, 2)


def test_a_record_holds_what_the_production_rested_on(directory: Path) -> None:
    record = lineage.read_record(directory, 1)
    assert (record.number, record.asset, record.partition, record.digest) == (1, "mosaic", "lourenco|2022", "d" * 64)
    assert record.inputs == PRODUCTION.inputs
    assert record.configuration == {"seed": 7, "bands": ["B04", "B03"]}
    assert (record.started, record.finished) == ("2026-01-01T12:00:00.000+00:00", "2026-01-01T12:00:01.500+00:00")
    assert (record.run_id, record.code_version, record.facts_digest) == ("run-a", "3", "f" * 64)


def test_a_record_names_program_and_machine(directory: Path) -> None:
    record = lineage.read_record(directory, 1)
    assert record.packages["numpy"].count(".") == 2
    assert set(record.packages) <= set(environments.KEY_PACKAGES)
    assert record.python.startswith("3.")
    assert record.platform
    assert record.processor


def test_records_are_chained(directory: Path) -> None:
    chain = lineage.read_records(directory)
    assert [record.number for record in chain] == [1, 2, 3]
    assert [record.previous for record in chain] == ["", chain[0].hash, chain[1].hash]


def test_the_hash_is_the_blake3_of_all_other_fields(directory: Path) -> None:
    content = json.loads((directory / "000002.json").read_bytes())
    claimed = content.pop("hash")
    assert blake3(json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n").hexdigest() == claimed


def test_a_partition_without_records_has_none(tmp_path: Path) -> None:
    assert lineage.read_records(tmp_path / "none") == []


def test_temporaries_and_strangers_beside_the_records_are_ignored(directory: Path) -> None:
    (directory / "tmp-1-abc").write_text("half")
    (directory / "000002.json.bak").write_text("half")
    assert len(lineage.read_records(directory)) == 3


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_changed_field_of_every_record_shows(directory: Path, number: int) -> None:
    path = directory / f"{number:06d}.json"
    whole = path.read_bytes()
    for field in json.loads(whole):
        path.write_bytes(whole)
        edit(path, rehash=False, **{field: "forged"})
        with pytest.raises(lineage.LineageError, match=f"{number:06d}.json was altered"):
            lineage.read_records(directory)


def test_a_record_forged_with_a_right_hash_breaks_the_chain_after_it(directory: Path) -> None:
    edit(directory / "000002.json", rehash=True, digest="0" * 64)
    with pytest.raises(lineage.LineageError, match=r"000003.json does not follow the one before"):
        lineage.read_records(directory)


def test_a_last_record_forged_with_a_right_hash_is_shown_by_the_pointer(tmp_path: Path) -> None:
    store, ref = ArtifactStore(tmp_path), Ref("model")
    produce(store, ref, inputs=[], code_version="1", config={}, compute=lambda *_: {})
    edit(tmp_path / "model/@/records/000001.json", rehash=True, run_id="forged")
    with pytest.raises(lineage.LineageError, match=r"000001.json was replaced by another"):
        records(store, ref)


def test_a_lost_record_is_named(directory: Path) -> None:
    (directory / "000002.json").unlink()
    with pytest.raises(lineage.LineageError, match=r"000002.json is missing.*Restore the file from a backup"):
        lineage.read_records(directory)


def test_a_record_under_another_number_is_named(directory: Path) -> None:
    shutil.copy(directory / "000003.json", directory / "000004.json")
    with pytest.raises(lineage.LineageError, match=r"000004.json says it is number 3"):
        lineage.read_records(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_an_unreadable_record_is_named(directory: Path, content: bytes) -> None:
    (directory / "000001.json").write_bytes(content)
    with pytest.raises(lineage.LineageError, match=r"000001.json (is unreadable|was altered)"):
        lineage.read_records(directory)


def test_nothing_is_appended_to_a_broken_chain(directory: Path) -> None:
    edit(directory / "000003.json", rehash=False, digest="0" * 64)
    with pytest.raises(lineage.LineageError, match="was altered"):
        lineage.append_record(directory, PRODUCTION)
    assert not (directory / "000004.json").exists()


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", directory, *identity, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    git(directory, "init", "--quiet")
    (directory / "a.py").write_text("a = 1")
    git(directory, "add", "a.py")
    git(directory, "commit", "--quiet", "-m", "first")
    return directory


def test_a_clean_checkout_gives_its_commit(checkout: Path) -> None:
    assert environments.git_state(checkout) == (git(checkout, "rev-parse", "HEAD").strip(), False)


def test_a_changed_or_new_file_makes_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "b.py").write_text("b = 1")
    assert environments.git_state(checkout)[1] is True


def test_a_directory_inside_another_projects_checkout_has_no_commit(checkout: Path) -> None:
    (checkout / "site-packages").mkdir()
    assert environments.git_state(checkout / "site-packages") == (None, None)


def test_a_directory_outside_any_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    assert environments.git_state(tmp_path) == (None, None)


def test_a_checkout_without_a_commit_or_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    assert environments.git_state(tmp_path) == (None, None)
    environments.git_state.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert environments.git_state(tmp_path) == (None, None)
