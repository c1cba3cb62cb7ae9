"""Partitions made by several processes of the planner: the same bytes, runs like any other, and deaths that are told."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.crews import has_room, hired
from assets_defs.instances import opened_instance
from mining_platform import homes
from mining_platform.artifacts import Ref
from mining_platform.processes import HOST_TAG, PROCESS_TAG, is_alive
from mining_platform.region_files import REGIONS_VARIABLE
from mining_platform.sessions import WORKERS_VARIABLE, RunnerError, workers_wanted
from tests import monitored_regions
from tests.conftest import ROOT, Installation
from tests.monitored_regions import UPPER_LEFT


@pytest.fixture
def installation(mapped: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The one of this process and of those that it starts."""
    monkeypatch.setenv(homes.HOME_VARIABLE, str(mapped.home))
    monkeypatch.setenv("DAGSTER_HOME", str(mapped.home / "dagster"))
    monkeypatch.setenv(REGIONS_VARIABLE, str(mapped.regions))
    return mapped


def runs_of(instance: dg.DagsterInstance) -> dict[str, list[dg.DagsterRun]]:
    """Runs by the number of the process that made them."""
    found: dict[str, list[dg.DagsterRun]] = {}
    for run in instance.get_runs():
        found.setdefault(run.tags[PROCESS_TAG], []).append(run)
    return found


@dg.job
def begun() -> None:
    """A job whose run is there and does not end."""


def test_two_workers_make_the_bytes_of_one_and_each_run_names_its_process(installation: Installation, tmp_path: Path) -> None:
    asked = ("--assets", "changes", "--years", "2022")
    alone = monitored_regions.mapped(tmp_path / "alone")
    expected = alone.states(*asked)
    found = installation.states(*asked, "--workers", "2")
    assert [(ref, row["state"], row["digest"]) for ref, row in found.items()] == [
        (ref, row["state"], row["digest"]) for ref, row in expected.items()
    ]
    assert installation.digests() == alone.digests()
    with opened_instance() as instance:
        by_process = runs_of(instance)
        assert len(by_process) == 2
        assert all(run.status is dg.DagsterRunStatus.SUCCESS for runs in by_process.values() for run in runs)


@pytest.mark.usefixtures("installation")
def test_a_worker_that_is_killed_fails_its_partition_and_another_takes_its_place() -> None:
    first, second = (Ref("land_cover", f"{region}|2022") for region in UPPER_LEFT)
    with opened_instance() as instance, hired(instance, 1) as crew:
        assert crew.execute(first).state == "made"
        (killed,) = runs_of(instance)
        own = {PROCESS_TAG: killed, HOST_TAG: socket.gethostname()}
        unfinished = instance.create_run_for_job(begun, tags=own)
        os.kill(int(killed), signal.SIGKILL)
        done = crew.execute(second)
        assert (done.state, done.ref) == ("failed", second)
        assert f"Process {killed} of this run" in done.message
        assert "let fewer" in done.message
        assert instance.get_run_by_id(unfinished.run_id).status is dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        assert crew.execute(second).state == "made"
        assert len(runs_of(instance)) == 2


def test_workers_end_with_the_planner_that_was_killed(installation: Installation) -> None:
    code = """
import os, sys, time
from assets_defs.crews import hired
from assets_defs.instances import opened_instance
from mining_platform.artifacts import Ref
if __name__ == "__main__":
    with opened_instance() as instance, hired(instance, 1) as crew:
        print(crew.execute(Ref("land_cover", "alto|2022")).state, flush=True)
        (run,) = instance.get_runs()
        print(run.tags["mining_platform/pid"], flush=True)
        time.sleep(60)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, env=installation.environment, stdout=subprocess.PIPE, text=True) as planner:
        assert planner.stdout is not None
        assert planner.stdout.readline() == "made\n"
        worker, seen = int(planner.stdout.readline()), time.time()
        assert is_alive(worker, seen)
        planner.kill()
    ends = time.monotonic() + 20
    while is_alive(worker, seen) and time.monotonic() < ends:
        time.sleep(0.1)
    assert not is_alive(worker, seen)


def test_a_worker_that_cannot_open_the_installation_says_why(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_instance() as instance, hired(instance, 1) as crew:
        monkeypatch.setenv("MINING_PLATFORM_POSTGRES", "nonsense")
        with pytest.raises(RunnerError, match="is no address of a Postgres database"):
            crew.execute(Ref("land_cover", "alto|2022"))
        monkeypatch.delenv("MINING_PLATFORM_POSTGRES")
        assert crew.execute(Ref("land_cover", "alto|2022")).state == "made"
    assert list(installation.digests()) == ["land_cover/@alto+2022"]


def test_what_is_in_a_pool_waits_for_as_many_of_the_crew_as_it_has_slots() -> None:
    limits = {"training": 1, "disk": 2}
    model, evaluation, label = Ref("model", "sim-cnn|2024"), Ref("evaluation", "sim-cnn|2023"), Ref("label", "sim-serra|2024")
    assert has_room(limits, model, [label, Ref("annual_report", "2024")])
    assert not has_room(limits, model, [evaluation])
    assert has_room(limits, label, [label])
    assert not has_room(limits, label, [label, label])
    assert has_room(limits, Ref("annual_report", "2024"), [label] * 9)


@pytest.mark.parametrize("told", ["0", "-1", "two", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, told)
    with pytest.raises(RunnerError, match="no number of workers"):
        workers_wanted()
    monkeypatch.setenv(WORKERS_VARIABLE, " 3 ")
    assert workers_wanted() == 3
    monkeypatch.delenv(WORKERS_VARIABLE)
    assert workers_wanted() == 1
