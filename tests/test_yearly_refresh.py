"""The job that the yearly schedule runs: without Dagster's database, and where a region fails."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Installation
from tests.test_monitoring_line import UPPER_LEFT, artifact, monitored, write_map

JOB = """
import sys
import dagster as dg
from assets_defs.automation import RefreshConfig, yearly_refresh
from assets_defs.instances import opened_instance

config = dg.RunConfig(ops={"refresh": RefreshConfig(year=int(sys.argv[1]), regions=sys.argv[2:])})
with opened_instance() as instance:
    result = yearly_refresh.execute_in_process(run_config=config, instance=instance, raise_on_error=False)
for event in result.all_events:
    if event.is_step_failure:
        print(event.step_failure_data.user_failure_data.description)
sys.exit(0 if result.success else 1)
"""


@pytest.fixture
def followed(tmp_path: Path) -> Installation:
    """Two regions with everything of 2022 and 2023; of the maps of 2024 one is there."""
    for region in UPPER_LEFT:
        write_map(tmp_path, region, 2022, 10)
        write_map(tmp_path, region, 2023, 14)
    write_map(tmp_path, "alto", 2024, 15)
    collection = {"type": "FeatureCollection", "features": [monitored(tmp_path, region) for region in UPPER_LEFT]}
    (tmp_path / "regions.geojson").write_text(json.dumps(collection))
    installation = Installation(tmp_path / "home", tmp_path / "regions.geojson")
    installation.run("materialize", "--regions", ",".join(UPPER_LEFT), "--years", "2022-2023")
    return installation


def refresh(home: Installation, year: int, *, code: int = 0) -> str:
    """Run the schedule's job for a year; what its failure says."""
    command = [sys.executable, "-c", JOB, str(year), *UPPER_LEFT]
    done = subprocess.run(command, cwd=ROOT, env=home.environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code, done.stdout + done.stderr[-3000:]
    return done.stdout


def productions(home: Installation) -> dict[str, int]:
    """How often each published partition was made."""
    root = home.home / "artifacts"
    return {name: len(list((root / name / "records").iterdir())) for name in home.digests()}


def test_without_dagsters_database_a_refresh_changes_no_digest_and_makes_nothing(followed: Installation) -> None:
    digests, made = followed.digests(), productions(followed)
    assert {f"{asset}/@2023" for asset in ("territories", "annual_report")} <= digests.keys()
    shutil.rmtree(followed.home / "dagster")

    refresh(followed, 2023)

    assert (followed.digests(), productions(followed)) == (digests, made)
    assert (followed.home / "dagster").is_dir()


@pytest.mark.slow
def test_a_region_that_fails_is_named_and_the_next_run_makes_what_it_lacked(followed: Installation, tmp_path: Path) -> None:
    told = refresh(followed, 2024, code=1)

    assert "land_cover@baixo|2024: Region baixo, year 2024" in told
    assert artifact(followed, "annual_report", "2024").facts["left_out"] == ["Baixo"]
    before = productions(followed)
    write_map(tmp_path, "baixo", 2024, 15)

    refresh(followed, 2024)

    after = productions(followed)
    assert {name for name in after if after[name] != before.get(name)} == {
        *(f"{asset}/@baixo+2024" for asset in ("land_cover", "label", "detections", "changes")),
        *(f"{asset}/@2024" for asset in ("territories", "annual_report")),
    }
    assert artifact(followed, "annual_report", "2024").facts["left_out"] == []
