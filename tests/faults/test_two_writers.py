"""Two runs of one partition at the same time, and a run that dies between its publication and its event: real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, current_digest, records
from tests.conftest import COMMAND, ROOT, Installation, small_regions

pytestmark = pytest.mark.slow
PLACE = ("--regions", "sim-igarape", "--years", "2024")
MOSAIC = Ref("mosaic", "sim-igarape|2024")
PATIENCE_S = 120
DIE_BEFORE_THE_EVENT = """
import os, signal, sys
import assets_defs.results
from mining_platform.cli import main

assets_defs.results.described = lambda made: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["mining-platform", *sys.argv[1:]]
main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "home", small_regions(tmp_path / "regions.geojson"))
    installation.run("simulate", "--out", str(installation.home / "archive"), *PLACE, "--dates", "6")
    installation.run("materialize", "--assets", "scenes", *PLACE)
    return installation


@pytest.fixture
def first(home: Installation) -> Iterator[subprocess.Popen[str]]:
    """A run that is at work on the mosaic, stopped in its midst."""
    process = subprocess.Popen(
        [str(COMMAND), "materialize", "--only", "--assets", "mosaic", *PLACE],
        cwd=ROOT, env=home.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not list((home.home / "artifacts" / "mosaic").rglob("unfinished-*")):
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_second_run_of_a_partition_fails_naming_the_first_which_publishes(
    home: Installation, first: subprocess.Popen[str]
) -> None:
    printed = " ".join(home.run("materialize", "--only", "--assets", "mosaic", *PLACE, code=1).split())
    assert f"{MOSAIC} is being made by process {first.pid} on {os.uname().nodename}, run " in printed
    assert "Wait for it or end it, then run again." in printed
    store = ArtifactStore(home.home / "artifacts")
    assert current_digest(store, MOSAIC) is None
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE_S) == 0
    assert len(records(store, MOSAIC)) == 1
    assert home.states("--only", "--assets", "mosaic", *PLACE)[str(MOSAIC)]["state"] == "skipped"


def test_a_run_that_dies_between_publication_and_event_is_told_of_by_reconcile(home: Installation) -> None:
    command = [sys.executable, "-c", DIE_BEFORE_THE_EVENT, "materialize", "--only", "--assets", "mosaic", *PLACE]
    died = subprocess.run(command, cwd=ROOT, env=home.environment, capture_output=True, timeout=PATIENCE_S, check=False)
    assert died.returncode == -signal.SIGKILL
    digest = current_digest(ArtifactStore(home.home / "artifacts"), MOSAIC)
    assert digest is not None
    shown = home.run("reconcile", "--dry-run", code=1)
    assert "untold" in shown
    assert str(MOSAIC) in shown
    assert "1 partitions differ, 1 of them repaired." in home.run("reconcile")
    assert "agree" in home.run("reconcile")
    assert home.states("--only", "--assets", "mosaic", *PLACE)[str(MOSAIC)]["state"] == "skipped"
