"""A mosaic killed in the middle of a run goes on with the chunks that were composed, and ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import COMMAND, ROOT, Installation

pytestmark = pytest.mark.slow
SELECTION = ("materialize", "--assets", "mosaic", "--regions", "sim-igarape", "--years", "2024")
PATIENCE_S = 120


def whole_groups(home: Path) -> dict[str, int]:
    """Chunks in unfinished work whose last array is written, with the time of writing."""
    found = (home / "artifacts" / "mosaic" / "@sim-igarape+2024").glob("unfinished-*/mosaic.zarr/clear_count/c/*/*")
    return {str(path.relative_to(home)): path.stat().st_mtime_ns for path in found if path.name.isdigit()}


def kill_after_the_first_group(installation: Installation) -> dict[str, int]:
    """Start the command, kill it and its children once some chunks are there; what was there before."""
    running = subprocess.Popen(
        [str(COMMAND), *SELECTION], cwd=ROOT, env=installation.environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while not whole_groups(installation.home):
        assert time.monotonic() < deadline, "no chunk was composed"
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return whole_groups(installation.home)


def test_a_killed_run_composes_only_what_is_missing_and_gives_the_same_mosaic(tmp_path: Path) -> None:
    whole = Installation(tmp_path / "whole", ROOT / "regions.geojson")
    options = ("--regions", "sim-igarape", "--years", "2024", "--dates", "16")
    whole.run("simulate", "--out", str(whole.home / "archive"), *options)
    killed = Installation(tmp_path / "killed", whole.regions)
    killed.home.mkdir()
    (killed.home / "archive").symlink_to(whole.home / "archive")
    kept = kill_after_the_first_group(killed)
    assert 0 < len(kept) < 16
    printed = killed.run(*SELECTION, "--json")
    rows = {row["ref"]: row["state"] for row in json.loads(printed[printed.index("[") : printed.rindex("]") + 1])}
    assert rows == {"scenes@sim-igarape|2024": "skipped", "mosaic@sim-igarape|2024": "made"}
    (version,) = (killed.home / "artifacts" / "mosaic" / "@sim-igarape+2024" / "versions").iterdir()
    for name, written in kept.items():
        chunk = version / name.split("/", 4)[4]
        assert chunk.stat().st_mtime_ns == written, "a chunk that was whole has been composed again"
    whole.run(*SELECTION)
    assert killed.digests()["mosaic/@sim-igarape+2024"] == whole.digests()["mosaic/@sim-igarape+2024"]
    assert not list((killed.home / "artifacts" / "mosaic").rglob("unfinished-*"))
