"""The whole line on a real scene with people's polygons: simulation is not the only truth."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from tests.conftest import REALDATA, ROOT, Installation

KEY = "trombetas|2022"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, str]:
    """An installation on which `mining-platform demo trombetas` has run, and what it printed."""
    if not (REALDATA / "trombetas-s2-srtm-polygons").exists():
        pytest.skip("the real scene of Trombetas is absent; set MINING_PLATFORM_REALDATA")
    installation = Installation(tmp_path_factory.mktemp("trombetas") / "home", ROOT / "regions.geojson")
    return installation, installation.run("demo", "trombetas")


def facts(made: tuple[Installation, str], asset: str, partition: str = KEY) -> dict[str, Any]:
    return open_artifact(ArtifactStore(made[0].home / "artifacts"), Ref(asset, partition)).facts


def test_everything_is_made_of_real_data(made: tuple[Installation, str]) -> None:
    assert "14 made" in made[1]
    assert "Scene and labels are real" in made[1]
    assert "check not passed" not in made[1]
    for path in (made[0].home / "artifacts").rglob("facts.json"):
        assert json.loads(path.read_text())["simulated"] is False


def test_the_offset_is_detected_taken_off_once_and_said(made: tuple[Installation, str]) -> None:
    assert '"offset_detected": true' in made[1]
    found = facts(made, "mosaic")
    assert [scene["offset_dn"] for scene in found["scenes"]] == [-1000]
    assert all(30 <= value < 300 for value in found["dark_dn"].values())
    assert set(found["floor_share"].values()) == {0.0}


def test_the_polygons_are_the_labels(made: tuple[Installation, str]) -> None:
    found = facts(made, "land_cover")
    assert found["polygons"] == {"dryout": 4, "forest": 8, "village": 9, "water": 4}
    assert found["class_pixels"].keys() == {"0", "3", "24", "25", "33"}


def test_no_ground_is_in_two_splits_and_every_split_has_both_kinds(made: tuple[Installation, str]) -> None:
    artifact = open_artifact(ArtifactStore(made[0].home / "artifacts"), Ref("trombetas_polygons/manifest", "2022"))
    table = pd.read_parquet(artifact.path / "manifest.parquet")
    counts = table.groupby("split")["is_mining"].agg(["sum", "size"])
    assert set(counts.index) == {"train", "val", "test"}
    assert ((counts["sum"] > 0) & (counts["sum"] < counts["size"])).all()
    assert facts(made, "trombetas_polygons/splits", "2022")["conflicts"] == 0


def test_the_model_tells_bare_ground_from_forest_and_water(made: tuple[Installation, str]) -> None:
    found = facts(made, "evaluation", "trombetas-cnn|2022")
    assert found["positives"] >= 4
    assert found["pr_auc"] > found["baselines"]["ndvi"]["pr_auc"] - 0.05
    assert found["f1"] >= 0.75


def test_the_report_says_what_stands_for_mining(made: tuple[Installation, str]) -> None:
    page = Path(made[0].home / "reports" / "trombetas" / "index.html").read_text()
    assert "SIMULATED" not in page
