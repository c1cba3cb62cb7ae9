"""Detections laid beside another system's by the command: what is compared, what is left out, what a changed file makes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shapely.geometry import box

from tests.conftest import ROOT, Installation
from tests.mining_platform.polygon_files import write_geojson
from tests.monitored_regions import CELL_DEG, UPPER_LEFT, artifact, made, monitored, write_map

REACHED = """
from assets_defs.definitions import defs
from assets_defs.partitions import asset_key
graph = defs.resolve_asset_graph()
for year in ("2022", "2024"):
    found = graph.get_parents_partitions(asset_key("annual_report"), year).parent_partitions
    print(year, *sorted(each.partition_key for each in found if each.asset_key == asset_key("comparison")))
"""


def square(region: str, columns: slice, rows: slice) -> Any:
    """Ground of some cells of a region's map, EPSG:4326."""
    west, north = UPPER_LEFT[region]
    left, right, top, bottom = (CELL_DEG * each for each in (columns.start, columns.stop, rows.start, rows.stop))
    return box(west + left, north - bottom, west + right, north - top)


def write_theirs(folder: Path, columns: int) -> None:
    """Their outlines of 2022: half of the mine's rows, and a mine of their own."""
    mine = square("alto", slice(10, 10 + columns), slice(20, 40))
    write_geojson(
        folder / "watch.geojson", [({"year": 2022}, mine), ({"year": 2022}, square("alto", slice(60, 80), slice(70, 90)))]
    )


@pytest.fixture
def compared(tmp_path: Path) -> Installation:
    """Two regions; `alto` names two other systems in 2022, of which one has no file, and `baixo` none."""
    features = [monitored(tmp_path, region) for region in UPPER_LEFT]
    for region in UPPER_LEFT:
        write_map(tmp_path, region, 2022, 10)
    write_theirs(tmp_path, 10)
    watch = {"id": "watch", "name": "Watch", "href": str(tmp_path / "watch.geojson"), "year_field": "year", "cell_m": 240}
    gone = {"id": "gone", "name": "Gone", "href": str(tmp_path / "gone_{year}.geojson")}
    features[0]["properties"]["years"] = [2022]
    features[0]["properties"]["monitoring"]["compared_with"] = [watch, gone]
    (tmp_path / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Installation(tmp_path / "home", tmp_path / "regions.geojson")


@pytest.mark.slow
def test_a_report_tells_what_others_find_and_a_changed_file_makes_just_the_comparison_and_the_report(
    compared: Installation, tmp_path: Path
) -> None:
    states = compared.states("--assets", "annual_report", "--years", "2022")

    assert {ref for ref in made(states) if ref.startswith("comparison")} == {"comparison@alto|2022"}
    facts = artifact(compared, "comparison", "alto|2022").facts
    (row,) = facts["systems"]
    assert [row[f"{name}_px"] for name in ("ours", "theirs", "both", "only_ours", "only_theirs")] == [400, 600, 200, 200, 400]
    assert [row[name] for name in ("our_places", "our_places_known", "their_places", "their_places_found")] == [1, 1, 2, 1]
    assert row["iou"] == pytest.approx(200 / 800, rel=1e-3)
    assert [(each["id"], each["why"]) for each in facts["left_out"]] == [("gone", "there is no file gone_2022.geojson")]
    report = artifact(compared, "annual_report", "2022").path
    assert pd.read_csv(report / "downloads" / "comparison-2022.csv")["system"].tolist() == ["watch"]
    assert "Not compared with Gone in Alto: its file is not there." in (report / "report.en.html").read_text()

    write_theirs(tmp_path, 12)

    assert made(compared.states("--stale")) == {"comparison@alto|2022", "annual_report@2022"}
    assert artifact(compared, "comparison", "alto|2022").facts["systems"][0]["theirs_px"] == 640


def test_dagster_reaches_the_comparisons_of_a_report_and_none_in_years_without(compared: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REACHED],
        cwd=ROOT,
        env=compared.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout.splitlines() == ["2022 alto|2022", "2024"]
