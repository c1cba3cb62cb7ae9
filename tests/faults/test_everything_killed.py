"""A power cut: servers, daemon and run are killed at once; after the next start the run is failed and made again."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation, Line
from tests.ui.test_web_ui import LOADED, START_S, STATUS, asked, free_port, launch, start, stop, wait_for

pytestmark = pytest.mark.slow
MOST_S = 60  # from the web UI's answer to the run being failed
RETRY_S = 150
RUNS = """query { runsOrError { ... on Runs { results { runId rootRunId status tags { key value } } } } }"""


def session_of(pid: int) -> list[int]:
    """Numbers of all processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid:
            found.append(int(path.parent.name))
    return found


def kill_all(process: subprocess.Popen) -> None:
    """SIGKILL to every process of the web UI's session, at once."""
    for number in session_of(process.pid):
        os.kill(number, signal.SIGKILL)
    process.wait(30)


def run_until(url: str, run_id: str, wanted: str, seconds: float) -> None:
    wait_for(lambda: asked(url, STATUS, {"id": run_id})["runOrError"]["status"] == wanted, seconds, f"{run_id} {wanted}")


def retries(url: str, run_id: str) -> list[dict[str, Any]]:
    rows = asked(url, RUNS)["runsOrError"]["results"]
    return [row for row in rows if row["rootRunId"] == run_id and row["runId"] != run_id]


@pytest.mark.timeout(600)
def test_after_a_power_cut_the_run_is_failed_within_a_minute_and_made_again(
    fresh_home: Installation, line: Line, tmp_path: Path
) -> None:
    fresh_home.run("materialize", "--assets", "scenes", "--regions", "sim-igarape", "--years", "2024")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(fresh_home, port, tmp_path / "first.log")
    wait_for(lambda: "repositoriesOrError" in asked(url, LOADED), START_S, "the web UI's start")
    run_id = launch(url, "mosaic", "sim-igarape", "2024")
    run_until(url, run_id, "STARTED", 120)
    kill_all(process)
    assert "mosaic/@sim-igarape+2024" not in fresh_home.digests()
    process = start(fresh_home, port, tmp_path / "second.log")
    try:
        wait_for(lambda: "repositoriesOrError" in asked(url, LOADED), START_S, "the web UI's second start")
        started = time.monotonic()
        run_until(url, run_id, "FAILURE", MOST_S)
        assert time.monotonic() - started < MOST_S
        (retry,) = wait_for(lambda: retries(url, run_id), RETRY_S, "the retry")
        run_until(url, retry["runId"], "SUCCESS", RETRY_S)
    finally:
        stop(process)
    expected = line.installation.digests()["mosaic/@sim-igarape+2024"]
    assert fresh_home.digests()["mosaic/@sim-igarape+2024"] == expected
