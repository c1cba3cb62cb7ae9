"""Decisions of people from two homes whose artifacts lie in one bucket: taken down in one log, and honoured in both."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest

from mining_platform import changes
from tests import object_stores
from tests.conftest import Installation
from tests.monitored_regions import artifact, made

pytestmark = pytest.mark.slow
ADDRESS = f"s3://{object_stores.BUCKET}/shared"
REVIEW = ("review-detections", "--region", "alto", "--year", "2022")
LOG = "reviews/detections/alto.jsonl"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    with object_stores.s3_server(tmp_path) as environment:
        yield environment


def decide(home: Installation, place: str, decision: str, reviewer: str) -> None:
    (home.home / "decisions.csv").write_text(
        f"detection_id,decision,also_later,reviewer,reason\n{place},{decision},,{reviewer},seen on the ground\n"
    )
    home.run(*REVIEW, "--apply", str(home.home / "decisions.csv"))


def history(home: Installation) -> list[tuple[str, str]]:
    return [(each["reviewer"], each["decision"]) for each in json.loads(home.run(*REVIEW, "--list", "--json"))["history"]]


def test_a_home_that_moves_to_a_bucket_brings_its_decisions_and_another_goes_on_with_them(
    followed: Installation, server: Mapping[str, str], tmp_path: Path
) -> None:
    (place,) = gpd.read_parquet(artifact(followed, "changes", "alto|2022").path / changes.NEW_NAME)["change_id"]
    decide(followed, place, "reject", "Ana")
    copied = replace(followed, variables=server).run("store", "copy", str(followed.home / "artifacts"), ADDRESS)
    assert f"{LOG}: 1 decisions" in copied

    first = replace(followed, variables={**server, "MINING_PLATFORM_STORE": ADDRESS})
    second = replace(first, home=tmp_path / "second", regions=followed.regions)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "maps").symlink_to(followed.home / "maps")
    assert history(second) == [("Ana", "reject")]
    decide(second, place, "confirm", "Eva")
    assert history(first) == history(second) == [("Ana", "reject"), ("Eva", "confirm")]

    assert "changes@alto|2022" in made(second.states("--stale"))
    assert made(first.states("--stale")) == set()
    assert "and 1 log of decisions, 0 with a problem" in first.run("store", "check", ADDRESS)
    assert object_stores.keys(server, f"shared/{LOG}").keys() == {f"shared/{LOG}"}
