"""The web UI as a person uses it: headless Chromium on a real web server and daemon, on an empty home."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.conftest import COMMAND, ROOT, Installation, Line, small_regions

pytestmark = pytest.mark.ui
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
START_S = 90
FIRST_STARTS = 5
RUN_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str, query: str, variables: dict[str, Any] | None = None) -> Any:
    """Answer of the GraphQL API; fails on errors."""
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = json.load(answer)
    assert "errors" not in content, content
    return content["data"]


def wait_for(condition: Any, seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def start(installation: Installation, port: int, log: Path, *options: str) -> subprocess.Popen:
    """`mining-platform ui` in a session of its own."""
    with log.open("w") as output:
        return subprocess.Popen(
            [str(COMMAND), "ui", "--port", str(port), *options],
            cwd=ROOT,
            env=installation.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen) -> int:
    """End the servers as Ctrl-C does; whatever is left of their session is killed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(40)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def home(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An empty home with the line's archive."""
    folder = tmp_path_factory.mktemp("ui")
    (folder / "home").mkdir()
    (folder / "home" / "archive").symlink_to(line.installation.home / "archive")
    return Installation(folder / "home", small_regions(folder / "regions.geojson"))


@pytest.fixture(scope="module")
def url(home: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a web UI with its daemon."""
    port = free_port()
    log = tmp_path_factory.mktemp("log") / "ui.log"
    process = start(home, port, log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: "repositoriesOrError" in asked(address, LOADED), START_S, f"the web UI's start ({log})")
        yield address
    finally:
        code = stop(process)
    assert code == 0, log.read_text()


LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
REPOSITORY = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"""
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
FAILURES = """
query ($id: ID!) {
  logsForRun(runId: $id) { ... on EventConnection { events {
    ... on ExecutionStepFailureEvent { error { message causes { message } } }
  } } }
}
"""
PARTITION = """
query ($key: AssetKeyInput!, $partitions: [String!]) {
  assetOrError(assetKey: $key) {
    ... on Asset { assetMaterializations(partitions: $partitions, limit: 1) {
      metadataEntries { label ... on MarkdownMetadataEntry { mdStr } ... on TextMetadataEntry { text } }
    } }
  }
}
"""


def launch(url: str, asset: str, region: str, year: str) -> str:
    """Run id of a materialization of one partition, as the UI's own request."""
    (repository,) = asked(url, REPOSITORY)["repositoriesOrError"]["nodes"]
    params = {
        "selector": {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": asset.split("/")}],
        },
        "executionMetadata": {
            "tags": [
                {"key": "dagster/partition", "value": f"{region}|{year}"},
                {"key": "dagster/partition/region", "value": region},
                {"key": "dagster/partition/year", "value": year},
            ]
        },
        "runConfigData": {},
        "mode": "default",
    }
    answer = asked(url, LAUNCH, {"params": params})["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["runId"])


def finished(url: str, run_id: str) -> str:
    """Status of a run once it has ended."""

    def ended() -> str | None:
        status = asked(url, STATUS, {"id": run_id})["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    return str(wait_for(ended, RUN_S, f"the end of run {run_id}"))


def failure(url: str, run_id: str) -> str:
    """The messages of a run's failed steps, innermost cause included."""
    events = asked(url, FAILURES, {"id": run_id})["logsForRun"]["events"]
    errors = [event["error"] for event in events if event.get("error")]
    return "\n".join(part["message"] for error in errors for part in (error, *error["causes"]))


def metadata(url: str, asset: str, partition: str) -> dict[str, str]:
    """Text and Markdown metadata of a partition's newest materialization."""
    variables = {"key": {"path": asset.split("/")}, "partitions": [partition]}
    (event,) = asked(url, PARTITION, variables)["assetOrError"]["assetMaterializations"]
    return {entry["label"]: entry.get("mdStr") or entry.get("text") or "" for entry in event["metadataEntries"]}


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1500, "height": 1100})
        browser.close()


def test_a_person_picks_a_partition_presses_materialize_and_sees_the_picture(url: str, page: Page, home: Installation) -> None:
    page.set_default_timeout(60_000)
    page.goto(f"{url}/asset-groups")
    for group in ("imagery", "labels", "models", "sim_ranges", "sim_ranges_48", "sim_context", "sim_smallmines"):
        page.get_by_text(group, exact=True).first.wait_for()
    page.goto(f"{url}/assets/land_cover?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Launch runs to materialize land_cover").wait_for()
    page.locator("[class*=TagSelector_placeholder]").last.click()
    page.locator("[class*=popover]").last.get_by_text("sim-igarape").first.click()
    page.keyboard.press("Escape")
    year = page.locator("input[placeholder^='ex: 2016']")
    year.fill("2023")
    year.press("Enter")
    page.get_by_role("button", name="Launch 1 run").click()
    wait_for(lambda: "land_cover/@sim-igarape+2023" in home.digests(), RUN_S, "the materialization")
    page.goto(f"{url}/assets/land_cover?view=partitions&partition=sim-igarape%7C2023")
    page.get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/jpeg']").first
    picture.wait_for()
    assert picture.evaluate("each => each.naturalWidth") > 300
    shots = os.environ.get("MINING_PLATFORM_SCREENSHOTS")
    if shots:
        page.screenshot(path=str(Path(shots) / "land_cover.png"))


def test_the_same_through_graphql_gives_the_same_content_as_the_command_line(url: str, line: Line, home: Installation) -> None:
    for asset in ("scenes", "mosaic"):
        assert finished(url, launch(url, asset, "sim-igarape", "2023")) == "SUCCESS"
    entries = metadata(url, "mosaic", "sim-igarape|2023")
    assert entries["preview"].startswith("![mosaic@sim-igarape|2023](data:image/jpeg;base64,")
    assert home.digests()["mosaic/@sim-igarape+2023"] == entries["digest"]
    assert entries["digest"] == line.installation.digests()["mosaic/@sim-igarape+2023"]


def test_a_partition_that_no_region_declares_fails_and_publishes_nothing(url: str, home: Installation) -> None:
    before = home.digests()
    run_id = launch(url, "land_cover", "lourenco", "2023")
    assert finished(url, run_id) == "FAILURE"
    message = failure(url, run_id)
    assert "Region lourenco has the years 2016" in message
    assert "mapbiomas collection 8, 1985 to 2022" in message
    assert "add the year to the region in the region file" in message
    assert home.digests() == before


def test_missing_inputs_fail_the_run_and_publish_nothing(url: str, home: Installation) -> None:
    before = home.digests()
    run_id = launch(url, "sim_ranges/patches", "sim-serra", "2024")
    assert finished(url, run_id) == "FAILURE"
    remedy = "mining-platform materialize --assets sim_ranges/sample --regions sim-serra --years 2024"
    assert remedy in failure(url, run_id)
    assert home.digests() == before


def test_the_ui_has_no_first_run_dialog_and_sends_no_telemetry(home: Installation, url: str) -> None:
    settings = (home.home / "dagster" / "dagster.yaml").read_text()
    assert "telemetry:\n  enabled: false" in settings
    assert "nux:\n  enabled: false" in settings
    assert asked(url, "{ shouldShowNux }") == {"shouldShowNux": False}


def first_start(installation: Installation, log: Path) -> None:
    """Start both servers on an empty home, see both alive, stop them."""
    port = free_port()
    process = start(installation, port, log)
    heartbeat = '{ instance { daemonHealth { daemonStatus(daemonType: "BACKFILL") { healthy } } } }'
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: asked(address, LOADED)["repositoriesOrError"].get("nodes"), START_S, f"the web UI's start ({log})")
        healthy = ("instance", "daemonHealth", "daemonStatus", "healthy")
        wait_for(lambda: deep(asked(address, heartbeat), healthy), START_S, f"the daemon's heartbeat ({log})")
    finally:
        code = stop(process)
    assert code == 0, log.read_text()


def deep(content: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        content = content[name]
    return content


@pytest.mark.slow
def test_webserver_and_daemon_start_together_on_an_empty_home_each_time(tmp_path: Path) -> None:
    regions = small_regions(tmp_path / "regions.geojson")
    for attempt in range(FIRST_STARTS):
        first_start(Installation(tmp_path / f"home-{attempt}", regions), tmp_path / f"{attempt}.log")


def test_a_port_in_use_ends_both_servers_and_says_so(home: Installation, url: str) -> None:
    port = url.rpartition(":")[2]
    assert f"dagster-webserver ended by itself; its last lines above say why (is port {port} in use?)" in home.run(
        "ui", "--port", port, code=2, timeout=90
    )


def test_many_processes_may_open_an_empty_home_at_once(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", small_regions(tmp_path / "regions.geojson"))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    opening = [
        subprocess.Popen([str(COMMAND), "init"], cwd=ROOT, env=installation.environment, text=True, **pipes) for _ in range(5)
    ]
    printed = [process.communicate(timeout=120)[0] for process in opening]
    assert [process.returncode for process in opening] == [0] * 5, printed
    assert "assets" in installation.run("init")


BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
BACKFILL_STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""


@pytest.mark.slow
def test_a_backfill_from_the_ui_makes_assets_of_different_partitions_in_order(url: str, home: Installation) -> None:
    chosen = ("land_cover", "sim_ranges/candidates", "sim_ranges/quotas", "sim_ranges/sample")
    regional = [f"{region}|{year}" for region in ("sim-igarape", "sim-serra") for year in (2023, 2024)]
    params = {
        "title": "candidates",
        "partitionsByAssets": [
            {
                "assetKey": {"path": asset.split("/")},
                "partitions": {"ranges": [{"start": key, "end": key} for key in keys]},
            }
            for asset in chosen
            for keys in ([regional] if not asset.endswith("quotas") else [["2023", "2024"]])
        ],
    }
    answer = asked(url, BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer

    def ended() -> str | None:
        status = asked(url, BACKFILL_STATUS, {"id": answer["backfillId"]})["partitionBackfillOrError"]["status"]
        return None if status in ("REQUESTED", "IN_PROGRESS") else status

    assert wait_for(ended, 400, "the end of the backfill") == "COMPLETED_SUCCESS"
    assert {f"sim_ranges/sample/@{key.replace('|', '+')}" for key in regional} <= set(home.digests())
