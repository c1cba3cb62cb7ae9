"""The command `experiments`: what there is, what is published of it, and its summary as files."""

import json
from pathlib import Path

import pytest

from mining_platform.artifacts import ArtifactStore
from tests.conftest import ROOT, Installation
from tests.mining_platform.evaluated_stores import put_evaluation


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    """A home on which one experiment of 2023 is evaluated."""
    put_evaluation(ArtifactStore(tmp_path / "artifacts"), "sim-cnn|2023", trial={"epochs": 2, "max_patches": 48})
    return Installation(tmp_path, ROOT / "regions.geojson")


def test_the_last_year_with_an_evaluation_is_told_and_written(home: Installation, tmp_path: Path) -> None:
    printed = home.run("experiments", "--json", "--out", str(tmp_path / "out"))
    told = json.loads(printed[printed.index("{") :])
    rows = {row["experiment"]: row for row in told["experiments"]}
    assert told["year"] == 2023
    assert (rows["sim-cnn"]["state"], rows["sim-cnn"]["f1"]) == ("small trial: 48 patches, 2 epochs", 0.6667)
    assert rows["sim-cnn-48"]["state"] == "not made"
    assert sorted(Path(path).name for path in told["written"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert "SIMULATED DATA" in (tmp_path / "out" / "summary.html").read_text()


def test_what_cannot_be_told_is_refused_in_one_line(home: Installation, tmp_path: Path) -> None:
    assert "No experiment has a release of 1999. There are " in home.run("experiments", "--year", "1999", code=2)
    nothing = home.run("experiments", "--year", "2024", "--out", str(tmp_path / "out"), code=2)
    assert "No experiment of 2024 is evaluated." in nothing
    assert not (tmp_path / "out").exists()
    few = home.run("materialize", "--assets", "model", "--max-patches", "5", code=2)
    assert "5 patches are too few for 4 of each class in train, val, test. Ask for 24 or more." in few
