"""Dagster's runs and events on a real Postgres server: the same content as in files, also when the server goes away."""

import json
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster._core.launcher.base import WorkerStatus

from assets_defs.instances import opened_instance
from mining_platform.processes import HOST_TAG, PROCESS_TAG
from tests.conftest import Installation
from tests.deployed import Services
from tests.faults import test_backfills
from tests.faults.test_backfills import REGION, YEARS, installed, runs_of
from tests.faults.test_memory import DEAD
from tests.postgres_server import ENCODED, PASSWORD, PostgresServer, running_server
from tests.ui.test_web_ui import BACKFILL, asked, wait_for

pytestmark = pytest.mark.slow
PARTS = int(os.environ.get("MINING_PLATFORM_TEST_BACKFILL", "40"))
"""Partitions of the backfill: each is a process that loads the platform, 3 to 5 s of one core."""
RUN_S = 25
"""The most that a partition's run takes of the time on a busy machine, s."""
SELECTION = ("--assets", "land_cover,sim_ranges/candidates", "--regions", REGION, "--years", "2023-2024")


@dataclass(frozen=True)
class OnPostgres(Installation):
    """An installation whose runs and events are on a server."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "MINING_PLATFORM_POSTGRES": self.url}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as found:
        yield found


def on(server: PostgresServer, home: Installation, name: str) -> OnPostgres:
    """The installation on a new, empty database."""
    return OnPostgres(home.home, home.regions, server.new_database(name))


def twin(home: OnPostgres, folder: Path) -> Installation:
    """An empty installation on the same maps, which keeps runs and events in files."""
    (folder / "twin").mkdir()
    return Installation(folder / "twin", home.regions)


def files_with(folder: Path, word: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_a_part_of_the_line_gets_the_digests_that_it_has_with_files(server: PostgresServer, tmp_path: Path) -> None:
    home = on(server, installed(tmp_path), "line")
    in_files = twin(home, tmp_path)
    assert {row["state"] for row in in_files.states(*SELECTION).values()} == {"made"}
    assert {row["state"] for row in home.states(*SELECTION).values()} == {"made"}
    assert home.digests() == in_files.digests()
    assert len(home.digests()) == 4
    assert {row["state"] for row in home.states(*SELECTION).values()} == {"skipped"}
    assert "Artifacts and events agree" in home.run("reconcile")
    assert not list((home.home / "dagster").rglob("*.db"))
    assert not [path for word in (PASSWORD, ENCODED) for path in files_with(home.home, word)]
    told = server.rows("line", "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'")
    assert told == [(4,)]


def test_events_that_the_server_lost_are_told_again_from_the_artifacts(server: PostgresServer, tmp_path: Path) -> None:
    home = on(server, installed(tmp_path), "lost")
    home.run("materialize", "--assets", "land_cover", "--regions", REGION, "--years", "2024")
    emptied = OnPostgres(home.home, home.regions, server.new_database("emptied"))
    assert "untold" in emptied.run("reconcile", "--dry-run", code=1)
    assert "1 of them repaired" in emptied.run("reconcile")
    assert "Artifacts and events agree" in emptied.run("reconcile")


def test_a_server_that_is_away_is_told_in_one_sentence_and_takes_nothing(server: PostgresServer, tmp_path: Path) -> None:
    home = on(server, installed(tmp_path), "away")
    selection = ("materialize", "--assets", "land_cover", "--regions", REGION)
    home.run(*selection, "--years", "2023")
    before = home.digests()
    server.stop()
    try:
        printed = home.run(*selection, "--years", "2024", code=2)
    finally:
        server.start()
    assert re.search(r"Postgres server 127\.0\.0\.1:\d+, database 'away', does not serve Dagster", " ".join(printed.split()))
    assert "Traceback" not in printed
    assert PASSWORD not in printed
    assert ENCODED not in printed
    assert home.digests() == before
    assert home.states(*selection[1:], "--years", "2023-2024").keys() == {f"land_cover@{REGION}|{year}" for year in (2023, 2024)}


def test_a_server_that_goes_away_in_mid_work_ends_the_command_and_the_next_one_goes_on(
    server: PostgresServer, tmp_path: Path
) -> None:
    home = on(server, installed(tmp_path), "midst")
    selection = ("materialize", "--assets", "land_cover", "--regions", REGION)
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(home.run, *selection, code=2)
        wait_for(lambda: len(home.digests()) >= 2, 120, "the first partitions")
        server.stop()
        try:
            printed = " ".join(running.result(120).split())
        finally:
            server.start()
    assert "does not serve Dagster" in printed
    assert "Traceback" not in printed
    assert 2 <= len(home.digests()) < len(YEARS)
    home.run("reconcile")
    assert {row["state"] for row in home.states(*selection[1:]).values()} == {"skipped", "made"}
    assert len(home.digests()) == len(YEARS)
    assert "Artifacts and events agree" in home.run("reconcile")


def test_first_starts_of_several_homes_on_one_empty_database_make_it_once(server: PostgresServer, tmp_path: Path) -> None:
    url = server.new_database("shared")
    homes = []
    for name in "abc":
        (tmp_path / name).mkdir()
        found = installed(tmp_path / name)
        homes.append(OnPostgres(found.home, found.regions, url))
    with ThreadPoolExecutor(len(homes)) as beside:
        printed = list(beside.map(lambda home: home.run("init"), homes))
    assert all(each.startswith("Ready") for each in printed)
    assert len(server.rows("shared", "SELECT version_num FROM alembic_version")) == 1


def test_nobody_is_let_in_without_the_password(server: PostgresServer, tmp_path: Path) -> None:
    home = on(server, installed(tmp_path), "closed")
    stranger = OnPostgres(home.home, home.regions, home.url.replace(ENCODED, "wrong-0815"))
    printed = " ".join(stranger.run("init", code=2).split())
    assert "password authentication failed" in printed
    assert "wrong-0815" not in printed
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(host="127.0.0.1", port=server.port, user="dagster", dbname="closed", passfile="/nonexistent")


def test_the_password_may_come_from_libpqs_own_variable(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = on(server, installed(tmp_path), "apart")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    apart = OnPostgres(home.home, home.regions, home.url.replace(f":{ENCODED}@", "@"))
    assert apart.run("init").startswith("Ready")
    assert not files_with(home.home, PASSWORD)


def test_a_run_whose_process_is_gone_is_told_by_launcher_and_instance_from_the_servers_events(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINING_PLATFORM_HOME", str(tmp_path))
    monkeypatch.setenv("MINING_PLATFORM_POSTGRES", server.new_database("dead"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    job = dg.JobDefinition(name="idle", graph_def=dg.GraphDefinition("idle"))
    with opened_instance() as instance:
        own = instance.create_run_for_job(job, tags={PROCESS_TAG: str(DEAD), HOST_TAG: socket.gethostname()})
        looks = [instance.run_launcher.check_run_worker_health(own).status for _ in range(2)]
        assert looks == [WorkerStatus.RUNNING, WorkerStatus.FAILED]
        launched = instance.create_run_for_job(job)
        instance.report_engine_event(f"Run execution process for {launched.run_id} was terminated by signal 9", launched)
        instance.report_run_failed(launched)
        (told,) = instance.all_logs(launched.run_id, of_type=dg.DagsterEventType.PIPELINE_FAILURE)
        assert "was killed (signal 9)" in told.message


def many_regions(home: Installation, number: int) -> list[str]:
    """Add copies of the region to the home's file until its years hold `number` partitions; their keys."""
    content = json.loads(home.regions.read_text())
    (own,) = [feature for feature in content["features"] if feature["properties"]["id"] == REGION]
    names = [f"part-{index}" for index in range(-(-number // len(YEARS)))]
    for name in names:
        properties = {key: value for key, value in own["properties"].items() if key != "monitoring"} | {"id": name}
        content["features"].append({**own, "properties": properties})
    home.regions.write_text(json.dumps(content))
    return [f"{name}|{year}" for name in names for year in YEARS][:number]


@pytest.mark.timeout(1500)
def test_the_services_of_the_compose_file_run_a_backfill_on_the_server(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_backfills, "BACKFILL_S", 120 + RUN_S * PARTS)
    home = on(server, installed(tmp_path), "backfill")
    keys = many_regions(home, PARTS)
    home.run("init")
    services = Services(home, tmp_path)
    try:
        services.start_all()
        backfill_id = launch(services.url, keys)
        assert test_backfills.ended(services.url, backfill_id)["status"] == "COMPLETED_SUCCESS"
        assert sorted(runs_of(services.url, backfill_id)) == [(key, "SUCCESS") for key in sorted(keys)]
    finally:
        services.stop_all()
    assert home.digests().keys() == {f"land_cover/@{key.replace('|', '+')}" for key in keys}
    assert "Artifacts and events agree" in home.run("reconcile")
    in_files = twin(home, tmp_path)
    in_files.run("materialize", "--assets", "land_cover", "--regions", "part-0", "--years", f"{YEARS[0]}-{YEARS[1]}")
    assert len(in_files.digests()) == 2
    assert in_files.digests().items() <= home.digests().items()


def launch(url: str, keys: list[str]) -> str:
    """Id of a backfill of land cover, as the UI's own request."""
    targets: list[dict[str, Any]] = [
        {"assetKey": {"path": ["land_cover"]}, "partitions": {"ranges": [{"start": key, "end": key} for key in keys]}}
    ]
    answer = asked(url, BACKFILL, {"params": {"title": "maps", "partitionsByAssets": targets}})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])
