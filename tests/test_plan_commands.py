"""The commands that look ahead: `plan` with time, bytes and limits, and `refresh`, which makes what the schedule would."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Installation


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    """An installation without anything, over the shipped regions."""
    (tmp_path / "home").mkdir()
    return Installation(tmp_path / "home", ROOT / "regions.geojson")


def json_of(printed: str) -> Any:
    start = min(printed.index(sign) for sign in "[{" if sign in printed)
    return json.loads(printed[start : max(printed.rfind("]"), printed.rfind("}")) + 1])


def test_the_legal_amazon_is_planned_by_a_pattern_with_time_bytes_scenes_and_requests(home: Installation) -> None:
    found = json_of(
        home.run("plan", "--region", "legal-amazon-*", "--year", "2024", "--offline", "--summary", "--workers", "4", "--json")
    )
    rows = {row["asset"]: row for row in found["assets"]}
    assert rows["ranges/candidates"]["partitions"] == 6
    assert rows["ranges/candidates"]["windows"] == pytest.approx(5.26e6, rel=0.01)
    assert rows["mosaic"]["scenes"] > 6 * 73
    assert rows["mosaic"]["requests"] > 0
    assert rows["land_cover"]["service_bytes"] == pytest.approx(9.8e9, rel=0.05)
    assert found["in_all"]["written_bytes"] > 1e9
    assert found["in_all"]["seconds"] == pytest.approx(sum(row["seconds"] for row in rows.values()))
    assert found["duration"]["path_s"] <= found["duration"]["least_s"] <= found["duration"]["most_s"] < found["in_all"]["seconds"]
    assert (found["rates"]["here"], found["rates"]["reference"]) == (0, found["in_all"]["partitions"])
    assert found["rates"]["none"] == []


def test_a_plan_tells_on_what_its_times_rest_and_has_exit_code_2_where_it_takes_longer_than_its_hours(home: Installation) -> None:
    plan = ("plan", "--assets", "ranges/sample", "--offline", "--workers", "2", "--max-hours", "0.01")
    printed = " ".join(home.run(*plan, code=2).split())
    assert "one after another; by 2 workers" in printed
    assert "Times of 0 partitions rest on what was measured here, of 19 on rates of another machine (2 cores of" in printed
    assert "more than the 0.01 it may take. Raise --max-hours, or choose less." in printed


def test_hours_of_a_plan_are_those_that_its_workers_take_at_least_as_for_a_run(home: Installation) -> None:
    plan = ("plan", "--region", "legal-amazon-*", "--year", "2024", "--offline", "--summary", "--workers", "4", "--json")
    told = json_of(home.run(*plan))
    least_h, whole_h = told["duration"]["least_s"] / 3600, told["in_all"]["seconds"] / 3600
    assert whole_h > 1.5 * least_h
    home.run(*plan, "--max-hours", f"{1.01 * least_h:.4f}")
    home.run(*plan, "--max-hours", f"{0.99 * least_h:.4f}", code=2)


def test_compute_units_follow_the_rate_that_a_project_knows(home: Installation) -> None:
    plan = ("plan", "--assets", "mosaic", "--regions", "bolivar", "--years", "2021", "--only", "--offline", "--json")
    (row,) = json_of(home.run(*plan, "--eecu-rate", "6"))
    channels, scenes = 12, 73
    values = (
        row["bytes"] / 2 / (channels + 2) * channels * scenes
    )  # the counts of clear and observed days are read, not composed of
    assert row["eecu_s"] == pytest.approx(6 * values / 1e9, rel=0.02)
    refused = " ".join(home.run("materialize", "--assets", "mosaic", "--years", "2024-2020", code=2).split())
    assert "'2024-2020' ends before it begins" in refused
    assert (row["at_most"], row["expected_only"]) == (True, True)


def test_a_dry_run_of_a_refresh_tells_exactly_what_the_schedule_would_request(home: Installation) -> None:
    from assets_defs import automation
    from assets_defs.partitions import REGIONS, STEPS
    from mining_platform import plans
    from mining_platform.artifacts import ArtifactStore
    from mining_platform.pipeline import Platform
    from mining_platform.refreshes import refresh_selection
    from mining_platform.sources import router

    request = automation.refresh_request(datetime(2025, 9, 15, 6, tzinfo=UTC))
    wanted = request.run_config["ops"]["refresh"]["config"]  # type: ignore[union-attr]
    platform = Platform(home.home, REGIONS, ArtifactStore(home.home / "artifacts"), router, router)
    requested = plans.select(platform, STEPS, refresh_selection(wanted["regions"], wanted["year"]))
    rows = json_of(home.run("refresh", "--year", "2024", "--dry-run", "--offline", "--json"))
    assert [f"{row['asset']}@{row['partition']}" for row in rows] == [str(ref) for ref in requested]
    assert {row["state"] for row in rows} <= {"missing", "cannot"}
    assert not list((home.home / "artifacts").rglob("versions")), "nothing is made"


def test_a_refresh_of_a_year_that_nobody_declares_is_refused(home: Installation) -> None:
    printed = " ".join(home.run("refresh", "--year", "2031", "--dry-run", code=2).split())
    assert "No region declares 2031; their land cover ends earlier" in printed


@pytest.mark.usefixtures("lourenco_map")
def test_a_run_that_would_take_longer_than_its_hours_makes_nothing_and_one_within_them_all(home: Installation) -> None:
    chosen = ("--assets", "land_cover", "--regions", "lourenco", "--years", "2016,2017")
    refused = home.run("materialize", *chosen, "--max-hours", "0", code=2)
    assert "more than the 0 it may take. Raise --max-hours" in " ".join(refused.split())
    assert home.digests() == {}
    assert {row["state"] for row in home.states(*chosen, "--max-hours", "1").values()} == {"made"}
    found = json_of(home.run("plan", "--assets", "land_cover", "--regions", "lourenco", "--years", "2018", "--summary", "--json"))
    assert (found["rates"]["here"], found["rates"]["reference"]) == (1, 0), "from here on times rest on what was made here"
