"""Pools: steps of one wait for each other whoever runs them, limits of people stay, and what the dead hold is freed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.definitions import defs
from assets_defs.instances import opened_instance
from assets_defs.partitions import STEPS, asset_key
from assets_defs.pool_slots import LIMITS, free_dead_slots
from assets_defs.pools import asks_earth_engine, pool_of
from mining_platform import homes
from mining_platform.processes import HOST_TAG, PROCESS_TAG
from tests.conftest import ROOT

GRAPH = defs.resolve_asset_graph()
GONE = 2**22 + 1  # larger than any number of a process


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(homes.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return tmp_path


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}


def test_every_asset_is_in_the_pool_of_what_it_strains() -> None:
    for asset in STEPS:
        pools = GRAPH.get(asset_key(asset)).pools or set()
        assert pools == ({pool_of(asset)} if pool_of(asset) else set())
    wanted = {"model": "training", "evaluation": "training", "label": "disk", "sim_ranges/patches": "disk"}
    assert {asset: pool_of(asset) for asset in wanted} == wanted
    assert pool_of("annual_report") is pool_of("sim_ranges/quotas") is None
    assert asks_earth_engine("mosaic"), "bolivar's scenes are of Earth Engine"
    assert not asks_earth_engine("land_cover")


def test_a_new_home_has_limits_and_what_people_set_stays() -> None:
    with opened_instance() as instance:
        assert limits(instance) == LIMITS
        instance.event_log_storage.set_concurrency_slots("disk", 5)
    with opened_instance() as instance:
        assert limits(instance) == {**LIMITS, "disk": 5}


TRAINS = f"""
import os, socket, sys, time
import dagster as dg
from assets_defs.instances import opened_instance

@dg.op(pool="training")
def trains():
    print(time.monotonic(), flush=True)
    time.sleep(float(sys.argv[1]))
    print(time.monotonic(), flush=True)

@dg.job
def training():
    trains()

with opened_instance() as instance:
    training.execute_in_process(instance=instance, tags={{"{PROCESS_TAG}": str(os.getpid()), "{HOST_TAG}": socket.gethostname()}})
"""


def training(seconds: float) -> subprocess.Popen[str]:
    """A process that makes a run of the pool `training` as the planner does, and prints when its step begins and ends."""
    command = [sys.executable, "-c", TRAINS, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.slow
def test_two_runs_of_a_pool_of_one_do_not_overlap_though_each_is_made_in_a_process_of_its_own() -> None:
    with training(1.0) as one, training(1.0) as another:
        spans = sorted(tuple(map(float, process.communicate(timeout=90)[0].split())) for process in (one, another))
    (_, first_ended), (second_began, _) = spans
    assert first_ended <= second_began


def test_what_a_killed_run_held_is_free_for_the_next_without_any_daemon() -> None:
    with training(60) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with opened_instance() as instance:
            storage = instance.event_log_storage
            assert free_dead_slots(instance) == [], "it is alive"
            assert storage.get_concurrency_info("training").active_slot_count == 1
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
            assert len(free_dead_slots(instance)) == 1
            assert storage.get_concurrency_info("training").active_slot_count == 0


@pytest.mark.parametrize(("host", "expected"), [("here", 1), ("elsewhere", 0)])
def test_a_run_of_another_machine_keeps_what_it_holds(host: str, expected: int) -> None:
    name = socket.gethostname() if host == "here" else "another-machine"
    with opened_instance() as instance:
        run = instance.add_run(dg.DagsterRun("yearly_refresh", tags={PROCESS_TAG: str(GONE), HOST_TAG: name}))
        instance.event_log_storage.claim_concurrency_slot("disk", run.run_id, "step")
        assert len(free_dead_slots(instance)) == expected


def test_of_refreshes_one_goes_on_at_a_time() -> None:
    for name in ("yearly_refresh", "refresh_changed"):
        assert defs.resolve_job_def(name).tags["mining_platform/refresh"] == "true"
    with opened_instance() as instance:
        limit = {"key": "mining_platform/refresh", "limit": 1}
        assert instance.get_concurrency_config().run_queue_config.tag_concurrency_limits == [limit]
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60
