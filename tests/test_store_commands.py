"""`gc` and `reconcile` as a person uses them, on a home with a replaced version and a dead writer's leftover."""

import json
import os
import shutil
from pathlib import Path

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, open_artifact, produce
from mining_platform.store import leases, versions
from tests import commands
from tests.conftest import COMMAND, Installation, small_regions

REF = Ref("land_cover", "sim-serra|2024")


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    (tmp_path / "home").mkdir()
    store = ArtifactStore(tmp_path / "home" / "artifacts")
    for content in ("old", "new"):
        produce(
            store, REF, inputs=(), code_version="1", config={"content": content},
            compute=lambda _inputs, out, content=content: {"bytes": (out / "content.txt").write_text(content)},
        )  # fmt: skip
    left = versions.partition_directory(store, REF) / "tmp-1-dead"
    left.mkdir()
    (left / "half.bin").write_bytes(b"half")
    return Installation(tmp_path / "home", small_regions(tmp_path / "regions.geojson"))


def told(printed: str) -> dict[str, object]:
    return json.loads(printed[printed.index("{") : printed.rindex("}") + 1])


def test_a_dry_run_shows_and_removes_nothing_and_the_next_removes_what_was_shown(home: Installation) -> None:
    shown = told(home.run("gc", "--dry-run", "--json"))
    assert [row["why"] for row in shown["garbage"]] == ["a dead writer left it", "no current version rests on it"]
    assert told(home.run("gc", "--json")) == {**shown, "removed": True}
    assert "0 pieces" in home.run("gc")
    assert (open_artifact(ArtifactStore(home.home / "artifacts"), REF).path / "content.txt").read_text() == "new"


def test_what_somebody_is_at_work_on_is_left_and_told(home: Installation) -> None:
    top = versions.partition_directory(ArtifactStore(home.home / "artifacts"), REF)
    with leases.lease(top / versions.LEASE_NAME, f"held by {os.getpid()}"):
        printed = home.run("gc", code=1)
    assert "it is in use by now" in printed
    assert len(list((top / "versions").iterdir())) == 2


def rows(printed: str) -> list[dict[str, object]]:
    return json.loads(printed[printed.index("[") : printed.rindex("]") + 1])


def test_a_version_without_an_event_is_told_and_an_event_without_a_version_is_named(home: Installation) -> None:
    (shown,) = rows(home.run("reconcile", "--dry-run", "--json", code=1))
    assert (shown["partition"], shown["what"], shown["repaired"]) == (str(REF), "untold", False)
    (done,) = rows(home.run("reconcile", "--json"))
    assert done["repaired"]
    assert "agree" in home.run("reconcile")
    shutil.rmtree(versions.partition_directory(ArtifactStore(home.home / "artifacts"), REF))
    printed = home.run("reconcile", code=1)
    assert "there is no such artifact" in printed
    assert "0 of them repaired" in printed


def test_a_bucket_that_does_not_answer_ends_a_command_with_one_sentence_and_is_never_taken_for_empty(home: Installation) -> None:
    away = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}
    credentials = {"AWS_ACCESS_KEY_ID": "of-the-tests", "AWS_SECRET_ACCESS_KEY": "known-to-nobody-else"}
    variables = {**home.environment, **away, **credentials, "MINING_PLATFORM_STORE": "s3://bucket/x"}
    code, printed = commands.run(COMMAND, ("status",), variables, 60)
    assert (code, "error The artifact store s3://bucket/x cannot be reached" in printed) == (2, True), printed
    assert "known-to-nobody-else" not in printed
    assert not list((home.home / "stores").rglob("*.json"))


def test_a_store_is_not_copied_into_itself_nor_a_home_instead_of_its_artifacts(home: Installation, tmp_path: Path) -> None:
    store, inside, backup = home.home / "artifacts", home.home / "artifacts" / "backup", tmp_path / "backup"
    assert "lies below the source" in home.run("store", "copy", str(store), str(inside), code=2)
    assert "Source and target are the same" in home.run("store", "copy", str(store), str(store), code=2)
    assert not inside.exists()
    printed = home.run("store", "copy", str(home.home), str(backup), code=1)
    assert "it was put there from elsewhere" in printed
    assert f"{store}, where the store begins" in printed
    assert "it was put there from elsewhere" in home.run("store", "check", str(home.home), code=1)
    assert not backup.exists()
    home.run("store", "copy", str(store), str(backup))
    assert "whole" in home.run("store", "check", str(backup))
