"""The Legal Amazon's six regions, really run on a SIMULATED map as large as its bounding box: 9.6 billion pixels."""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from benchmarks import proportions as benchmark
from benchmarks.class_maps import LEGAL_AMAZON, write_map
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.datasets import DATASETS
from mining_platform.leakage.audits import audit
from mining_platform.patch_tables import read_patch_table
from mining_platform.ranges import RANGES
from tests.conftest import ROOT, Installation

ZONES = tuple(f"legal-amazon-{zone}" for zone in range(18, 24))
YEAR = 2024
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def amazon_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_map(tmp_path_factory.mktemp("amazon") / f"coverage_{YEAR}.tif", LEGAL_AMAZON)


@pytest.fixture(scope="module")
def sampled(amazon_map: Path) -> Installation:
    """Land cover, candidates, quotas, samples and splits of the row `ranges`."""
    regions = amazon_map.with_name("regions.geojson")
    content = json.loads((ROOT / "regions.geojson").read_text())
    for feature in content["features"]:
        if feature["properties"]["id"] in ZONES:
            cover = feature["properties"]["land_cover"]
            cover |= {"collection": "simulated", "href": str(amazon_map.with_name("coverage_{year}.tif")), "simulated": True}
    regions.write_text(json.dumps(content))
    installation = Installation(amazon_map.parent / "home", regions)
    arguments = ("--assets", "ranges/sample,ranges/splits", "--years", str(YEAR), "--json")
    printed = installation.run("materialize", *arguments, timeout=1700)
    assert {row["state"] for row in json.loads(printed[printed.index("[") :])} == {"made"}
    return installation


def artifact_of(installation: Installation, asset: str, partition: str) -> tuple[Path, dict]:
    found = open_artifact(ArtifactStore(installation.home / "artifacts"), Ref(asset, partition))
    return found.path, found.facts


def samples(installation: Installation) -> gpd.GeoDataFrame:
    paths = [artifact_of(installation, "ranges/sample", f"{zone}|{YEAR}")[0] for zone in ZONES]
    return gpd.GeoDataFrame(pd.concat([gpd.read_parquet(path / "sample.parquet") for path in paths], ignore_index=True))


def test_the_shares_of_all_windows_take_less_than_a_minute(amazon_map: Path) -> None:
    row = benchmark.legal_amazon_row(amazon_map)
    assert row.ratio >= 1, row.note


def test_1300_windows_without_mining_and_130_of_each_range_are_taken_where_there_are_so_many(sampled: Installation) -> None:
    _, facts = artifact_of(sampled, "ranges/quotas", str(YEAR))
    rows = {row["range"]: row for row in facts["shortage"]}
    assert (rows["000"]["wanted"], rows["000"]["taken"]) == (1300, 1300)
    for name in RANGES[1:]:
        assert rows[name]["wanted"] == 130
        assert rows[name]["taken"] == min(130, rows[name]["found"])
    assert rows["000_010"]["short"] == rows["040_050"]["short"] == 0
    table = samples(sampled)
    assert len(table) == facts["taken"]
    assert table["range"].value_counts().to_dict() == {name: row["taken"] for name, row in rows.items() if row["taken"]}


def test_the_windows_are_whole_apart_and_spread_over_the_zones(sampled: Installation) -> None:
    table = samples(sampled)
    assert (table["valid_share"] == 1).all()
    assert table["window_id"].is_unique
    assert set(table["region"]) == set(ZONES[1:]), "the made-up border leaves zone 18 without a class"
    assert table["mining_distance_m"].notna().all()
    assert DATASETS["ranges"].sliding_px > 0
    assert ((table["minx"] % 1280 != 0) | (table["miny"] % 1280 != 0)).any(), "some windows lie beside the aligned ones"


def test_no_ground_is_on_two_sides_and_the_splits_are_near_the_fractions(sampled: Installation, tmp_path: Path) -> None:
    path, _ = artifact_of(sampled, "ranges/splits", str(YEAR))
    table = samples(sampled).merge(pd.read_parquet(path / "splits.parquet"), on="window_id", validate="one_to_one")
    table.drop(columns="geometry").to_csv(tmp_path / "windows.csv", index=False)
    report = audit(read_patch_table([tmp_path / "windows.csv"], id_column="window_id"))
    assert report.leaks == 0
    assert (table["split"] == "train").mean() == pytest.approx(0.8, abs=0.03)
