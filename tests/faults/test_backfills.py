"""Many partitions at once: the daemon or the command killed in their midst, or one of them that cannot be made."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_bounds

from mining_platform import artifacts
from mining_platform.artifacts import ArtifactStore, Ref
from tests.conftest import COMMAND, ROOT, SMALL, Installation, small_regions
from tests.ui.test_web_ui import BACKFILL, LOADED, START_S, asked, free_port, wait_for

pytestmark = pytest.mark.slow
REGION = "sim-igarape"
YEARS = range(2015, 2025)
BACKFILL_S = 200


def key_of(year: int) -> str:
    return f"{REGION}|{year}"


def write_map(path: Path, seed: int) -> None:
    """A land-cover map of the region: forest, and mining somewhere else each year."""
    west, south, east, north = SMALL[REGION]
    shape: dict[str, Any] = {"width": 512, "height": 512, "count": 1, "dtype": "uint8", "tiled": True}
    affine = from_bounds(west - 0.02, south - 0.02, east + 0.02, north + 0.02, 512, 512)
    codes = np.full((1, 512, 512), 3, np.uint8)
    codes[:, 100 + seed : 200 + seed, 200:300] = 30
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:4326", transform=affine, blockxsize=256, blockysize=256, **shape
    ) as map_:
        map_.write(codes)


def installed(folder: Path) -> Installation:
    """A home whose region has a map of each of ten years, in files of its own."""
    (folder / "home").mkdir()
    regions = small_regions(folder / "regions.geojson")
    content = json.loads(regions.read_text())
    (feature,) = [each for each in content["features"] if each["properties"]["id"] == REGION]
    cover = {"source": "mapbiomas", "collection": "10", "href": f"{folder}/map_{{year}}.tif", "years": [YEARS[0], YEARS[-1]]}
    feature["properties"] |= {"land_cover": cover, "years": list(YEARS)}
    regions.write_text(json.dumps(content))
    for year in YEARS:
        write_map(folder / f"map_{year}.tif", year - YEARS[0])
    return Installation(folder / "home", regions)


def cut_off(path: Path) -> None:
    """Leave a file without its second half."""
    os.truncate(path, path.stat().st_size // 2)


def made(home: Installation) -> set[int]:
    """Years whose map is published."""
    return {int(name[-4:]) for name in home.digests()}


def records_of(home: Installation, years: range) -> Counter[int]:
    """Lineage records by year."""
    store = ArtifactStore(home.home / "artifacts")
    return Counter({year: len(artifacts.records(store, Ref("land_cover", key_of(year)))) for year in years})


@dataclass
class Servers:
    """Web server and daemon on one home, each a process of its own."""

    home: Installation
    logs: Path
    port: int = field(default_factory=free_port)
    daemon: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str, command: list[str]) -> subprocess.Popen:
        environment = {**self.home.environment, "DAGSTER_HOME": str(self.home.home / "dagster")}
        with (self.logs / f"{name}.log").open("a") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)

    def start_web(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "assets_defs.webserver", "--host", "127.0.0.1", "--port", str(self.port)]
        return self.start("web", [*command, "--workspace", str(ROOT / "workspace.yaml")])

    def start_daemon(self) -> None:
        dagster_daemon = Path(sys.executable).with_name("dagster-daemon")
        self.daemon = self.start("daemon", [str(dagster_daemon), "run", "-w", str(ROOT / "workspace.yaml")])

    def kill_daemon(self) -> None:
        """SIGKILL to the daemon alone."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(30)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("backfills")
    home = installed(folder)
    home.run("init")
    found = Servers(home, folder)
    web = found.start_web()
    found.start_daemon()
    try:
        wait_for(lambda: asked(found.url, LOADED)["repositoriesOrError"].get("nodes"), START_S, f"the web UI's start ({folder})")
        yield found
    finally:
        for process in filter(None, (web, found.daemon)):
            process.send_signal(signal.SIGINT)
            process.wait(40)


STATE = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status
  assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed numPartitionsInProgress
  } } }
} } }
"""
RUNS = """
query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { runId status tags { key value } } } } }
"""


def launch_backfill(url: str, years: range) -> str:
    """Id of a backfill of land cover, as the UI's own request."""
    ranges = [{"start": key_of(year), "end": key_of(year)} for year in years]
    params = {
        "title": "maps",
        "partitionsByAssets": [{"assetKey": {"path": ["land_cover"]}, "partitions": {"ranges": ranges}}],
    }
    answer = asked(url, BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def backfill(url: str, backfill_id: str) -> Any:
    return asked(url, STATE, {"id": backfill_id})["partitionBackfillOrError"]


def ended(url: str, backfill_id: str) -> Any:
    """A backfill once it has ended."""
    going = ("REQUESTED", "IN_PROGRESS", "FAILING", "CANCELING")
    return wait_for(
        lambda: found if (found := backfill(url, backfill_id))["status"] not in going else None, BACKFILL_S, "the backfill's end"
    )


def runs_of(url: str, backfill_id: str) -> list[tuple[str, str]]:
    """Partition and status of each run of a backfill."""
    wanted = {"tags": [{"key": "dagster/backfill", "value": backfill_id}]}
    rows = asked(url, RUNS, {"filter": wanted})["runsOrError"]["results"]
    return [(next(tag["value"] for tag in row["tags"] if tag["key"] == "dagster/partition"), row["status"]) for row in rows]


@pytest.mark.timeout(500)
def test_a_daemon_killed_in_mid_backfill_goes_on_and_makes_every_partition_once(servers: Servers) -> None:
    years = YEARS[:5]
    url, home = servers.url, servers.home
    backfill_id = launch_backfill(url, years)
    wait_for(lambda: made(home) & set(years), BACKFILL_S, "the first partition")
    servers.kill_daemon()
    assert not set(years) <= made(home), "the backfill was done before the daemon was killed"
    servers.start_daemon()
    assert ended(url, backfill_id)["status"] == "COMPLETED_SUCCESS"
    assert sorted(runs_of(url, backfill_id)) == [(key_of(year), "SUCCESS") for year in years]
    assert records_of(home, years) == dict.fromkeys(years, 1)
    assert "Artifacts and events agree" in home.run("reconcile")


@pytest.mark.timeout(500)
def test_a_partition_of_a_backfill_that_cannot_be_made_is_listed_and_the_others_finish(servers: Servers) -> None:
    years, broken = YEARS[5:9], YEARS[6]
    cut_off(servers.logs / f"map_{broken}.tif")
    backfill_id = launch_backfill(servers.url, years)
    found = ended(servers.url, backfill_id)
    assert found["status"] == "COMPLETED_FAILED"
    assert found["assetBackfillData"]["assetBackfillStatuses"] == [
        {"numPartitionsTargeted": 4, "numPartitionsMaterialized": 3, "numPartitionsFailed": 1, "numPartitionsInProgress": 0}
    ]
    states = {key_of(year): "FAILURE" if year == broken else "SUCCESS" for year in years}
    assert sorted(runs_of(servers.url, backfill_id)) == sorted(states.items())
    assert set(years) - made(servers.home) == {broken}


SELECTION = ("materialize", "--assets", "land_cover", "--regions", REGION)


def times_of(home: Installation, years: set[int]) -> dict[str, int]:
    """When each file of the published versions of some years was last written, ns."""
    folders = [home.home / "artifacts" / "land_cover" / f"@{REGION}+{year}" for year in years]
    paths = [
        path for folder in folders for part in ("versions", "records") for path in (folder / part).rglob("*") if path.is_file()
    ]
    return {str(path): path.stat().st_mtime_ns for path in [*paths, *(folder / "current.json" for folder in folders)]}


def test_a_command_killed_in_its_midst_redoes_only_what_is_missing(tmp_path: Path) -> None:
    home = installed(tmp_path)
    with (tmp_path / "first.log").open("w") as log:
        running = subprocess.Popen([str(COMMAND), *SELECTION], cwd=ROOT, env=home.environment, stdout=log, stderr=log)
    wait_for(lambda: len(made(home)) >= 4, 60, "the first partitions")
    running.kill()
    assert running.wait(30) == -signal.SIGKILL
    done = made(home)
    assert 4 <= len(done) < len(YEARS), "the command was not killed in its midst"
    before = times_of(home, done)
    time.sleep(0.05)
    states = {int(ref[-4:]): row["state"] for ref, row in home.states(*SELECTION[1:]).items()}
    assert {year for year, state in states.items() if state == "skipped"} >= done
    assert set(states.values()) == {"skipped", "made"}
    assert times_of(home, done) == before
    assert records_of(home, YEARS) == dict.fromkeys(YEARS, 1)
    assert made(home) == set(YEARS)
    assert not list((home.home / "artifacts").rglob("tmp-*"))
    assert "Artifacts and events agree" in home.run("reconcile")


def test_a_command_with_a_partition_that_cannot_be_made_finishes_the_others_and_names_it(tmp_path: Path) -> None:
    home, broken = installed(tmp_path), YEARS[6]
    cut_off(tmp_path / f"map_{broken}.tif")
    printed = home.run(*SELECTION, "--years", "2018-2023", code=1)
    assert made(home) == set(range(2018, 2024)) - {broken}
    summary = printed[printed.index("asset ") :]
    assert "5 made, 1 failed" in summary
    assert f"failed land_cover@{key_of(broken)}: " in summary[summary.index("5 made") :]
    assert "Traceback" not in printed
    write_map(tmp_path / f"map_{broken}.tif", 3)
    states = {row["ref"]: row["state"] for row in home.states(*SELECTION[1:], "--years", "2018-2023").values()}
    assert states.pop(f"land_cover@{key_of(broken)}") == "made"
    assert set(states.values()) == {"skipped"}
