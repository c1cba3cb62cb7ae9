"""The job that the yearly schedule runs: without Dagster's database, and where a region fails."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Installation
from tests.monitored_regions import UPPER_LEFT, artifact, write_map

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
def refreshed(followed: Installation) -> Installation:
    """Two regions with everything of 2022 and 2023; of the maps of 2024 one is there."""
    write_map(followed.home / "maps", "alto", 2024, 15)
    followed.run("materialize", "--regions", ",".join(UPPER_LEFT), "--years", "2022-2023")
    return followed


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


def test_without_dagsters_database_a_refresh_changes_no_digest_and_makes_nothing(refreshed: Installation) -> None:
    digests, made = refreshed.digests(), productions(refreshed)
    assert {f"{asset}/@2023" for asset in ("territories", "annual_report")} <= digests.keys()
    shutil.rmtree(refreshed.home / "dagster")

    refresh(refreshed, 2023)

    assert (refreshed.digests(), productions(refreshed)) == (digests, made)
    assert (refreshed.home / "dagster").is_dir()


@pytest.mark.slow
def test_a_region_that_fails_is_named_and_the_next_run_makes_what_it_lacked(refreshed: Installation) -> None:
    told = refresh(refreshed, 2024, code=1)

    assert "land_cover@baixo|2024: Region baixo, year 2024" in told
    assert artifact(refreshed, "annual_report", "2024").facts["left_out"] == ["Baixo"]
    before = productions(refreshed)
    write_map(refreshed.home / "maps", "baixo", 2024, 15)

    refresh(refreshed, 2024)

    after = productions(refreshed)
    assert {name for name in after if after[name] != before.get(name)} == {
        *(f"{asset}/@baixo+2024" for asset in ("land_cover", "label", "detections", "changes")),
        *(f"{asset}/@2024" for asset in ("territories", "annual_report")),
    }
    assert artifact(refreshed, "annual_report", "2024").facts["left_out"] == []
