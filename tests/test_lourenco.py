"""The line on the real MapBiomas map of the gold field of Lourenço (Collection 8)."""

import json
from pathlib import Path

import pandas as pd
import pytest

from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.ranges import RANGES
from tests.conftest import ROOT, Installation

MINING_PIXELS = {2016: 19_874, 2017: 19_893, 2018: 20_060, 2019: 20_069, 2020: 20_153, 2021: 20_161, 2022: 20_235}
"""Pixels of class 30 in the published map."""


@pytest.fixture(scope="module")
def sampled(lourenco_map: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Land cover, candidates, quotas and samples of 2016 to 2022."""
    assert lourenco_map.exists()
    installation = Installation(tmp_path_factory.mktemp("lourenco") / "home", ROOT / "regions.geojson")
    states = installation.states("--assets", "lourenco_ranges/sample", "--regions", "lourenco")
    assert {row["state"] for row in states.values()} == {"made"}
    return installation


def facts(installation: Installation, asset: str, partition: str) -> dict:
    return open_artifact(ArtifactStore(installation.home / "artifacts"), Ref(asset, partition)).facts


@pytest.mark.parametrize(("year", "pixels"), MINING_PIXELS.items())
def test_the_published_count_of_mining_pixels_is_found(sampled: Installation, year: int, pixels: int) -> None:
    found = facts(sampled, "land_cover", f"lourenco|{year}")
    assert found["class_pixels"]["30"] == pixels
    assert found["collection"] == "8"
    assert found["simulated"] is False


@pytest.mark.parametrize("year", MINING_PIXELS)
def test_the_shortage_in_the_upper_ranges_is_reported(sampled: Installation, year: int) -> None:
    rows = {row["range"]: row for row in facts(sampled, "lourenco_ranges/quotas", str(year))["shortage"]}
    assert list(rows) == list(RANGES)
    assert rows["000"]["short"] == 0
    for upper in ("070_080", "080_090", "090_100"):
        assert rows[upper]["wanted"] == 13
        assert rows[upper]["taken"] == rows[upper]["found"] <= 1
        assert rows[upper]["short"] >= 12


def test_the_sample_takes_whole_windows_whose_two_shares_agree_on_the_range(sampled: Installation) -> None:
    artifact = open_artifact(ArtifactStore(sampled.home / "artifacts"), Ref("lourenco_ranges/sample", "lourenco|2022"))
    table = pd.read_parquet(artifact.path / "sample.parquet")
    assert (table["valid_share"] == 1).all()
    assert (table["eligible"]).all()
    assert (table["range"] == "000").sum() == 130
    assert table["class_px"].sum() < MINING_PIXELS[2022]


def test_the_same_ground_has_the_same_window_in_every_year(sampled: Installation) -> None:
    store = ArtifactStore(sampled.home / "artifacts")
    tables = [
        pd.read_parquet(open_artifact(store, Ref("lourenco_ranges/candidates", f"lourenco|{year}")).path / "candidates.parquet")
        for year in (2016, 2022)
    ]
    both = tables[0].merge(tables[1], on="window_id", suffixes=("_2016", "_2022"))
    assert len(both) > 400
    assert (both["minx_2016"] == both["minx_2022"]).all()
    assert (both["order_2016"] == both["order_2022"]).all()


@pytest.mark.slow
def test_the_whole_line_runs_over_scenes_painted_on_the_real_map(lourenco_map: Path, tmp_path: Path) -> None:
    assert lourenco_map.exists()
    installation = Installation(tmp_path / "home", ROOT / "regions.geojson")
    printed = installation.run("demo", "lourenco", timeout=600)
    assert "The land-cover map is real, the scenes are SIMULATED." in printed
    evaluation = facts(installation, "evaluation", "lourenco-painted-cnn|2022")
    assert evaluation["positives"] > 0
    assert evaluation["simulated"] is True
    assert facts(installation, "land_cover", "lourenco-painted|2022")["simulated"] is False
    page = (installation.home / "reports" / "lourenco" / "index.html").read_text()
    assert "PARTLY SIMULATED DATA" in page


def test_without_the_real_map_the_demonstration_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.conftest.REALDATA", tmp_path / "nothing")
    installation = Installation(tmp_path / "home", ROOT / "regions.geojson")
    printed = installation.run("demo", "lourenco")
    assert "Skipped: the real" in printed
    assert "MINING_PLATFORM_REALDATA" in printed
    assert installation.digests() == {}


def test_scenes_can_be_painted_over_the_whole_map_without_a_region_entry(lourenco_map: Path, tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", ROOT / "regions.geojson")
    out = tmp_path / "archive"
    printed = installation.run("simulate", "--out", str(out), "--land-cover", str(lourenco_map), "--dates", "4")
    facts = json.loads(printed[printed.index("{") :])
    assert (facts["regions"], facts["years"], facts["scene_count"]) == (["lorenco-85a22"], [2022], 4)
    assert facts["simulated"] is True
    assert not (out / "land_cover").exists(), "the real map stays the land cover"
    assert len(list((out / "stac").rglob("B04.tif"))) == 4


def test_a_year_that_the_map_lacks_is_refused_in_one_line(lourenco_map: Path, tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", ROOT / "regions.geojson")
    arguments = ("--out", str(tmp_path / "archive"), "--land-cover", str(lourenco_map), "--years", "2024")
    printed = installation.run("simulate", *arguments, code=2)
    assert "has no band for 2024" in printed
    assert "Traceback" not in printed
    assert list(tmp_path.glob("archive*")) == []


@pytest.fixture(scope="module")
def seven_years(sampled: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampled windows of all years with their sides, as a table that anyone could have made."""
    states = sampled.states("--assets", "lourenco_ranges/splits", "--regions", "lourenco")
    assert {row["state"] for row in states.values()} <= {"made", "skipped"}
    store, parts = ArtifactStore(sampled.home / "artifacts"), []
    for year in MINING_PIXELS:
        windows = pd.read_parquet(
            open_artifact(store, Ref("lourenco_ranges/sample", f"lourenco|{year}")).path / "sample.parquet",
            columns=["window_id", "range", "region"],
        )
        splits = pd.read_parquet(open_artifact(store, Ref("lourenco_ranges/splits", str(year))).path / "splits.parquet")
        table = windows.merge(splits, on="window_id", validate="one_to_one").assign(year=year)
        parts.append(table.assign(patch_id=table["window_id"] + f"_{year}"))
    path = tmp_path_factory.mktemp("splits") / "windows.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_the_audit_passes_on_our_splits_of_all_years_together(sampled: Installation, seven_years: Path) -> None:
    table = pd.read_csv(seven_years)
    assert (table.groupby("window_id")["split"].nunique() == 1).all(), "ground decides, not the year"
    told = json.loads(sampled.run("leakage", str(seven_years), "--json"))
    assert told["leaks"] == told["overlap"] == told["same_place_other_year"] == 0
    assert told["patches"] == (table["split"] != "buffer").sum() > 1000
    assert told["same_scene"] is None
    assert "scene" in told["not_checked"]["same_scene"]


def test_the_audit_fails_on_a_random_split_of_the_same_windows_and_shows_where(
    sampled: Installation, seven_years: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(seven_years)
    order = table.sample(frac=1, random_state=7).index
    sides = pd.Series("train", index=order)
    sides.iloc[: len(order) // 5] = "test"
    table.assign(split=sides.sort_index()).to_csv(tmp_path / "random.csv", index=False)
    picture = tmp_path / "leaks.png"
    told = json.loads(sampled.run("leakage", str(tmp_path / "random.csv"), "--picture", str(picture), "--json", code=1))
    places = table.assign(split=sides.sort_index()).groupby("window_id")["split"].nunique()
    assert told["same_place_other_year"] == (places > 1).sum() > 100
    assert told["leaks"] >= told["same_place_other_year"]
    assert picture.read_bytes().startswith(b"\x89PNG")
