"""The asset `model`, killed in the middle of its training: the next run goes on and publishes what one without a kill would.

Its inputs are published by hand, so that training is all that is made.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import dagster as dg
import geopandas as gpd
import pytest
from shapely import Point

from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.profiles import PROFILES
from mining_platform.stages.files import MANIFEST_FILE
from tests.conftest import COMMAND, ROOT, Installation
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.test_training import pixels

pytestmark = pytest.mark.slow
EXPERIMENT, DATASET, YEAR, PX, PATCHES = "sim-cnn-48", "sim_ranges_48", "2024", 48, 32
REGIONS = ("sim-igarape", "sim-serra")
SELECTION = ("materialize", "--only", "--assets", "model", "--experiments", EXPERIMENT, "--years", YEAR, "--epochs", "8")
MODEL = f"model/@{EXPERIMENT}+{YEAR}"
PATIENCE_S = 120


def manifest(region: str, first: int) -> gpd.GeoDataFrame:
    """Rows of a region's patches, in blocks of 16, the last of which is the test split."""
    rows = [
        {
            "patch_id": f"{region}_{row}",
            "region": region,
            "window_id": f"32722_{(first + row // 16) * 100_000}_9000000_{PX}",
            "split": "test" if row >= PATCHES - 8 else "val" if row >= PATCHES - 16 else "train",
            "dropped": False,
            "is_mining": row % 2 == 1,
        }
        for row in range(PATCHES)
    ]
    return gpd.GeoDataFrame(rows, geometry=[Point(-55, -6)] * PATCHES, crs=4326)


def prepared(home: Path) -> Installation:
    """A home with patches and their table, and nothing else."""
    store = ArtifactStore(home / "artifacts")

    def publish(ref: Ref, write: object) -> None:
        def compute(_inputs: object, out: Path) -> dict[str, object]:
            write(out)  # type: ignore[operator]
            return {"simulated": True}

        produce(store, ref, inputs=[], code_version="1", config={}, compute=compute)

    channels = PROFILES["s2-12"].channels
    for number, region in enumerate(REGIONS):
        images, _ = pixels(PATCHES, number, PX, len(channels))
        ids = [f"{region}_{row}" for row in range(PATCHES)]
        publish(Ref(f"{DATASET}/patches", f"{region}|{YEAR}"), lambda out, i=images, n=ids: write_pixels(out, i, channels, n))
    table = gpd.pd.concat([manifest(region, 10 * number) for number, region in enumerate(REGIONS)], ignore_index=True)
    publish(Ref(f"{DATASET}/manifest", YEAR), lambda out: table.to_parquet(out / MANIFEST_FILE))
    return Installation(home, ROOT / "regions.geojson")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Where the model was made without a kill."""
    installation = prepared(tmp_path_factory.mktemp("whole"))
    installation.run(*SELECTION)
    return installation


def epochs_told(installation: Installation) -> list[list[int]]:
    """Epochs in the event log of each run, oldest run first."""
    with dg.DagsterInstance.from_config(str(installation.home / "dagster")) as instance:
        runs = sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)
        lines = [[entry.user_message for entry in instance.all_logs(run.dagster_run.run_id)] for run in runs]
    marked = [
        [line.partition(": epoch ")[2] for line in each if line.startswith(f"{EXPERIMENT}|{YEAR}: epoch ")] for each in lines
    ]
    return [[int(line.partition(":")[0]) for line in each] for each in marked]


def killed_in_training(installation: Installation) -> None:
    """Start the command, kill it and its children once an epoch is over, while the next ones are trained."""
    running = subprocess.Popen(
        [str(COMMAND), *SELECTION], cwd=ROOT, env=installation.environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while not list((installation.home / "artifacts" / MODEL).glob("unfinished-*/checkpoints/member-0.safetensors")):
        assert time.monotonic() < deadline, "no epoch was finished"
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL


def test_each_epoch_is_a_line_in_the_log_of_its_run(whole: Installation) -> None:
    card = next((whole.home / "artifacts" / MODEL).glob("versions/*/model.json"))
    history = json.loads(card.read_text())["runs"][0]["history"]
    assert epochs_told(whole) == [[row["epoch"] for row in history]]


def test_a_run_killed_in_its_training_is_gone_on_with_and_publishes_the_same_digest(whole: Installation, tmp_path: Path) -> None:
    killed = prepared(tmp_path / "killed")
    killed_in_training(killed)
    assert f"{MODEL}" not in killed.digests()
    printed = killed.run(*SELECTION, "--json")
    rows = json.loads(printed[printed.index("[") : printed.rindex("]") + 1])
    assert [row["state"] for row in rows] == ["made"]
    assert killed.digests()[MODEL] == whole.digests()[MODEL]
    first, second = epochs_told(killed)
    (uninterrupted,) = epochs_told(whole)
    assert 1 < second[0] <= len(first) + 2  # a checkpoint stands before its epoch is told
    assert second[-1] == uninterrupted[-1]
    assert not list((killed.home / "artifacts" / MODEL).glob("unfinished-*"))
