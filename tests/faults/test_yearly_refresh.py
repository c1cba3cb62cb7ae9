"""Time travel: at next 15 September the schedule, a real daemon and its runs refresh the year that ended; then backfills."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from mining_platform import changes
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.store.versions import records
from tests.conftest import COMMAND, ROOT
from tests.faults.test_backfills import Servers, ended
from tests.monitored_regions import CELL_DEG, SIZE, UPPER_LEFT, artifact, monitored
from tests.moved_clocks import MovedInstallation, next_15_september
from tests.ui.test_web_ui import BACKFILL, LAUNCH, LOADED, REPOSITORY, START_S, asked, finished, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MOMENT = next_15_september(datetime.now(UTC))
NEW = MOMENT.year - 1
YEARS = (NEW - 2, NEW - 1, NEW)
MINED = {NEW - 2: slice(10, 20), NEW - 1: slice(10, 24), NEW: slice(16, 28)}
"""Columns of mining: in the new year some of last year's are grown over."""
TICK_S = 120
RUN_S = 200


def write_map(folder: Path, region: str, year: int, columns: slice) -> None:
    """A map of forest with 40 rows of mining in some columns."""
    codes = np.full((SIZE, SIZE), 3, np.uint8)
    codes[20:60, columns] = 30
    west, north = UPPER_LEFT[region]
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(CELL_DEG, 0, west, 0, -CELL_DEG, north)}
    shape: dict[str, Any] = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 1, "dtype": "uint8"}
    with rasterio.open(folder / f"{region}_{year}.tif", "w", **shape, **place) as raster:
        raster.write(codes, 1)


def feature_of(folder: Path, region: str) -> dict[str, Any]:
    """A monitored region that declares the years up to the one that will have ended."""
    feature = monitored(folder, region)
    feature["properties"] |= {"years": list(YEARS)}
    feature["properties"]["land_cover"] |= {"years": [YEARS[0], NEW]}
    return feature


def installed(folder: Path) -> MovedInstallation:
    """A home with the report of the year before the new one, and the schedule turned on; the maps of all years are at hand."""
    for region in UPPER_LEFT:
        for year, columns in MINED.items():
            write_map(folder, region, year, columns)
    collection = {"type": "FeatureCollection", "features": [feature_of(folder, region) for region in UPPER_LEFT]}
    (folder / "regions.geojson").write_text(json.dumps(collection))
    home = MovedInstallation(folder / "home", folder / "regions.geojson", folder / "clock")
    home.move_to(MOMENT - timedelta(days=1))
    home.run("materialize", "--assets", "annual_report", "--years", str(NEW - 1))
    turn_on(home)
    return home


def turn_on(home: MovedInstallation) -> None:
    """Turn the schedule on with Dagster's own command."""
    environment = {**home.environment, "DAGSTER_HOME": str(home.home / "dagster")}
    command = [str(COMMAND.with_name("dagster")), "schedule", "start", "every_year", "-w", str(ROOT / "workspace.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=START_S, check=False)
    assert "Started schedule every_year" in done.stdout, done.stdout + done.stderr


TICKS = """
query ($selector: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $selector) {
    ... on InstigationState { ticks { tickId timestamp status skipReason runIds } }
  }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
LOOKED = '{ instance { daemonHealth { daemonStatus(daemonType: "SCHEDULER") { lastHeartbeatTime } } } }'
SKIPPED = """
query ($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset { assetMaterializations { partition metadataEntries { label ... on BoolMetadataEntry { boolValue } } } }
  }
}
"""


def repository(url: str) -> dict[str, str]:
    (found,) = asked(url, REPOSITORY)["repositoriesOrError"]["nodes"]
    return {"repositoryName": found["name"], "repositoryLocationName": found["location"]["name"]}


def ticks(url: str) -> list[dict[str, Any]]:
    """What became of the schedule's ticks, newest first."""
    found = asked(url, TICKS, {"selector": {**repository(url), "name": "every_year"}})
    return [tick for tick in found["instigationStateOrError"]["ticks"] if tick["status"] != "STARTED"]


def last_look(url: str) -> float:
    """When the daemon last looked at its schedules, seconds since 1970."""
    return float(asked(url, LOOKED)["instance"]["daemonHealth"]["daemonStatus"]["lastHeartbeatTime"])


def jobs_of(url: str) -> Counter[str]:
    """How many runs there are of each job."""
    return Counter(row["jobName"] for row in asked(url, RUNS)["runsOrError"]["results"])


def skips(url: str, asset: str) -> dict[str, bool]:
    """Whether the newest run of each partition of an asset skipped it."""
    events = asked(url, SKIPPED, {"key": {"path": [asset]}})["assetOrError"]["assetMaterializations"]
    told = {event["partition"]: event["metadataEntries"] for event in reversed(events)}
    return {key: next(entry["boolValue"] for entry in entries if entry["label"] == "skipped") for key, entries in told.items()}


def productions(home: MovedInstallation) -> dict[str, int]:
    """How often each published partition was made."""
    root = home.home / "artifacts"
    return {name: len(list((root / name / "records").iterdir())) for name in home.digests()}


@dataclass(frozen=True)
class Refreshed:
    """Servers on a home whose new year was refreshed, and the digests before that."""

    servers: Servers
    before: dict[str, str]

    @property
    def home(self) -> MovedInstallation:
        assert isinstance(self.servers.home, MovedInstallation)
        return self.servers.home

    @property
    def url(self) -> str:
        return self.servers.url


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refreshed]:
    """Web server and daemon started seconds before the moment; it has come and gone, and the run that it started has ended."""
    folder = tmp_path_factory.mktemp("refresh")
    home = installed(folder)
    found = Refreshed(Servers(home, folder), home.digests())
    home.move_to(MOMENT - timedelta(seconds=5))
    web = found.servers.start_web()
    found.servers.start_daemon()
    try:
        wait_for(lambda: asked(found.url, LOADED)["repositoriesOrError"].get("nodes"), START_S, f"the web UI's start ({folder})")
        (tick,) = wait_for(lambda: ticks(found.url), TICK_S, f"the tick ({folder})")
        assert tick["status"] == "SUCCESS", tick
        assert datetime.fromtimestamp(tick["timestamp"], UTC) == MOMENT
        (run_id,) = tick["runIds"]
        assert finished(found.url, run_id) == "SUCCESS"
        yield found
    finally:
        for process in filter(None, (web, found.servers.daemon)):
            process.send_signal(signal.SIGINT)
            process.wait(40)


def test_at_the_moment_the_new_year_of_all_regions_is_made_through_the_report(refreshed: Refreshed) -> None:
    before, after = refreshed.before, refreshed.home.digests()

    assert after.keys() - before.keys() == {
        *(f"{asset}/@{region}+{NEW}" for asset in ("land_cover", "label", "detections", "changes") for region in UPPER_LEFT),
        *(f"{asset}/@{NEW}" for asset in ("territories", "annual_report")),
    }
    assert {name: after[name] for name in before} == before
    report = artifact(refreshed.home, "annual_report", str(NEW))
    assert (report.facts["regions"], report.facts["left_out"]) == (["alto", "baixo"], [])
    assert str(NEW) in (report.path / "report.en.html").read_text()
    (made,) = records(ArtifactStore(refreshed.home.home / "artifacts"), Ref("annual_report", str(NEW)))
    assert MOMENT < datetime.fromisoformat(made.finished) < MOMENT + timedelta(seconds=RUN_S)


@pytest.mark.parametrize("region", UPPER_LEFT)
def test_the_union_of_the_new_year_contains_that_of_the_year_before(refreshed: Refreshed, region: str) -> None:
    last, new = (artifact(refreshed.home, "changes", f"{region}|{year}") for year in (NEW - 1, NEW))

    outlines = [gpd.read_parquet(each.path / changes.CUMULATIVE_NAME).union_all() for each in (last, new)]
    assert outlines[1].covers(outlines[0])
    columns = MINED[NEW].stop - MINED[NEW - 1].start
    assert new.facts["cumulative_ha"] / last.facts["cumulative_ha"] == pytest.approx(columns / 14, rel=1e-3)
    assert new.facts["found_ha"][str(NEW)] < new.facts["cumulative_ha"]


def stop_daemon(servers: Servers) -> None:
    """End the daemon as Ctrl-C does."""
    assert servers.daemon is not None
    servers.daemon.send_signal(signal.SIGINT)
    servers.daemon.wait(40)


def test_a_daemon_started_anew_and_a_second_request_of_the_year_make_nothing(refreshed: Refreshed) -> None:
    url, home = refreshed.url, refreshed.home
    digests, made, jobs, looked = home.digests(), productions(home), jobs_of(url), last_look(url)

    stop_daemon(refreshed.servers)
    refreshed.servers.start_daemon()
    config = {"ops": {"refresh": {"config": {"year": NEW, "regions": list(UPPER_LEFT)}}}}
    selector = {**repository(url), "jobName": "yearly_refresh"}
    params = {"selector": selector, "executionMetadata": {"tags": []}, "runConfigData": config, "mode": "default"}
    assert finished(url, asked(url, LAUNCH, {"params": params})["launchRun"]["run"]["runId"]) == "SUCCESS"
    wait_for(lambda: last_look(url) > looked, TICK_S, "the daemon's next look at its schedules")

    assert len(ticks(url)) == 1
    assert jobs_of(url) == jobs + Counter(yearly_refresh=1)
    assert (home.digests(), productions(home)) == (digests, made)


def launch_backfill(url: str, partitions: dict[str, list[str]]) -> str:
    """Id of a backfill of some partitions by asset, as the UI's own request."""
    wanted = [
        {"assetKey": {"path": [asset]}, "partitions": {"ranges": [{"start": key, "end": key} for key in keys]}}
        for asset, keys in partitions.items()
    ]
    answer = asked(url, BACKFILL, {"params": {"title": "years", "partitionsByAssets": wanted}})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def test_a_backfill_of_years_makes_what_is_missing_or_stale_and_skips_what_is_fresh(refreshed: Refreshed) -> None:
    home = refreshed.home
    write_map(refreshed.servers.logs, "alto", NEW, slice(16, 30))
    home.run("materialize", "--assets", "land_cover", "--regions", "alto", "--years", str(NEW))
    digests, made = home.digests(), productions(home)
    of_alto = [f"alto|{year}" for year in YEARS]

    wanted = {"detections": of_alto, "changes": of_alto, "annual_report": [str(year) for year in YEARS[1:]]}
    assert ended(refreshed.url, launch_backfill(refreshed.url, wanted))["status"] == "COMPLETED_SUCCESS"

    stale = {f"detections/@alto+{NEW}", f"changes/@alto+{NEW}", f"annual_report/@{NEW}"}
    missing = {f"changes/@alto+{YEARS[0]}"}
    assert {name for name, digest in home.digests().items() if digests.get(name) != digest} == stale | missing
    assert productions(home) == made | {name: made[name] + 1 for name in stale} | dict.fromkeys(missing, 1)
    told = {asset: [skips(refreshed.url, asset)[key] for key in keys] for asset, keys in wanted.items()}
    assert told == {"detections": [True, True, False], "changes": [False, True, False], "annual_report": [True, False]}


def test_the_command_makes_of_many_years_only_what_is_missing_or_stale(refreshed: Refreshed) -> None:
    write_map(refreshed.servers.logs, "baixo", YEARS[1], slice(10, 18))

    wanted = ("--assets", "detections,changes,annual_report", "--years", ",".join(map(str, YEARS)))
    states = refreshed.home.states(*wanted)

    assert {ref for ref, row in states.items() if row["state"] == "made"} == {
        *(f"{asset}@baixo|{YEARS[1]}" for asset in ("land_cover", "detections")),
        *(f"changes@baixo|{year}" for year in YEARS),
        *(f"{asset}@{year}" for asset in ("territories", "annual_report") for year in YEARS),
    }
    assert {row["state"] for row in states.values()} == {"made", "skipped"}
    assert {row["state"] for row in refreshed.home.states(*wanted).values()} == {"skipped"}


def test_a_year_beyond_the_sources_is_skipped_with_the_reason(refreshed: Refreshed) -> None:
    stop_daemon(refreshed.servers)  # to one that runs on, a year's jump would look like threads that hang
    jobs, digests = jobs_of(refreshed.url), refreshed.home.digests()
    refreshed.home.move_to(MOMENT.replace(year=MOMENT.year + 1) + timedelta(seconds=2))
    refreshed.servers.start_daemon()

    tick, _ = wait_for(lambda: found if len(found := ticks(refreshed.url)) > 1 else None, TICK_S, "the next year's tick")

    assert tick["status"] == "SKIPPED"
    assert f"No region declares {NEW + 1}; their land cover ends earlier (alto to {NEW}, baixo to {NEW})" in tick["skipReason"]
    assert (jobs_of(refreshed.url), refreshed.home.digests()) == (jobs, digests)
