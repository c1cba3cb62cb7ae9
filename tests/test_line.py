"""The whole line as a newcomer runs it: one command, every asset, two regions, two years, offline."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform import patches
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, records
from mining_platform.dataset_steps import DATASET_STAGES
from mining_platform.datasets import DATASETS
from mining_platform.mosaic_arrays import MOSAIC_NAME, computed_blocks
from mining_platform.packages.proportion_ranges import share_of
from mining_platform.ranges import range_of
from mining_platform.region_files import load_regions
from mining_platform.stages.imagery import blocks_to_compute
from mining_platform.stages.packages import PACKAGE_DIRECTORY
from tests.conftest import ROOT, Installation, Line


def opened(line: Line, asset: str, partition: str):  # noqa: ANN201 - Artifact
    return open_artifact(ArtifactStore(line.installation.home / "artifacts"), Ref(asset, partition))


def test_every_asset_of_the_demonstration_is_published(line: Line) -> None:
    published = set(line.installation.digests())
    for dataset in ("sim_ranges", "sim_ranges_48", "sim_context", "sim_indices", "sim_smallmines", "sim_toa"):
        assert {f"{dataset}/{stage}" for stage in DATASET_STAGES} <= {name.split("/@")[0] for name in published}
    regional = {
        f"{asset}/@{region}+{year}"
        for asset in ("land_cover", "scenes", "mosaic", "label")
        for region in ("sim-igarape", "sim-serra")
        for year in (2023, 2024)
    }
    assert regional <= published
    assert {
        f"{asset}/@{experiment}+{year}"
        for asset in ("model", "evaluation")
        for experiment in ("sim-cnn", "sim-cnn-48")
        for year in (2023, 2024)
    } <= published


def test_the_command_prints_a_row_for_each_partition_and_the_reports_path(line: Line) -> None:
    for name, digest in line.installation.digests().items():
        asset, partition = name.split("/@")
        rows = [row.split() for row in line.printed.splitlines() if row.startswith(f"{asset} ")]
        assert [asset, partition.replace("+", "|"), "made", digest[:12]] in [row[:4] for row in rows]
    assert "reports/simulated" in line.printed


def test_the_report_shows_mosaics_patches_and_recall_and_says_simulated(line: Line) -> None:
    (page,) = (line.installation.home / "reports").rglob("index.html")
    text = page.read_text()
    assert "SIMULATED DATA: no picture or number on this page shows a real place" in text
    for wanted in ("evaluation, sim-cnn, 2024", "mosaic, sim-serra, 2023", "sim_ranges/patches, sim-igarape, 2024"):
        assert f'<img alt="{wanted}" src="data:image/' in text


def test_the_simulated_mark_reaches_every_artifact(line: Line) -> None:
    for facts in (line.installation.home / "artifacts").rglob("facts.json"):
        assert json.loads(facts.read_text())["simulated"] is True, facts


def test_every_record_names_all_inputs_with_their_digests(line: Line) -> None:
    store = ArtifactStore(line.installation.home / "artifacts")
    record = records(store, Ref("model", "sim-cnn|2024"))[-1]
    named = {(each.asset, each.partition): each.digest for each in record.inputs}
    assert named == {
        (asset, partition): opened(line, asset, partition).digest
        for asset, partition in (
            ("sim_ranges/manifest", "2024"),
            ("sim_ranges/patches", "sim-igarape|2024"),
            ("sim_ranges/patches", "sim-serra|2024"),
        )
    }


def test_a_full_region_composes_everything_and_a_sampled_one_just_the_chunks_of_its_windows(line: Line) -> None:
    regions = load_regions(line.installation.regions)
    full = computed_blocks(opened(line, "mosaic", "sim-igarape|2024").path / MOSAIC_NAME)
    height, width = regions["sim-igarape"].geobox.shape
    assert full == [(i, j) for i in range(-(-height // 512)) for j in range(-(-width // 512))]
    bounds = regions["sim-serra"].geobox.boundingbox
    touched = set()
    for name in ("sim_ranges", "sim_ranges_48", "sim_context"):
        for window in pd.read_parquet(opened(line, f"{name}/sample", "sim-serra|2024").path / "sample.parquet").itertuples():
            rows = range(int(bounds.top - window.maxy) // 5120, -(-int(bounds.top - window.miny) // 5120))
            columns = range(int(window.minx - bounds.left) // 5120, -(-int(window.maxx - bounds.left) // 5120))
            touched |= {(i, j) for i in rows for j in columns}
    assert computed_blocks(opened(line, "mosaic", "sim-serra|2024").path / MOSAIC_NAME) == sorted(touched)


def test_one_window_asks_for_one_chunk_of_a_sampled_region_and_for_all_of_a_full_one(line: Line, tmp_path: Path) -> None:
    regions = load_regions(line.installation.regions)
    sample = gpd.read_parquet(opened(line, "sim_ranges/sample", "sim-serra|2024").path / "sample.parquet")
    bounds = regions["sim-serra"].geobox.boundingbox
    inside = (bounds.top - sample["miny"] <= 5120) & (sample["maxx"] - bounds.left <= 5120)
    sample[inside].head(1).to_parquet(tmp_path / "sample.parquet")
    inputs = {Ref("sim_ranges/sample", "sim-serra|2024"): Artifact(Ref("sim_ranges/sample"), "", tmp_path, {})}
    assert inside.any()
    assert blocks_to_compute(regions["sim-serra"], inputs) == [(0, 0)]
    assert blocks_to_compute(regions["sim-igarape"], inputs) is None


def test_patches_have_the_declared_size_and_their_pixels_are_the_mosaics(line: Line) -> None:
    from mining_platform.mosaic_arrays import read_window

    store = opened(line, "sim_ranges/patches", "sim-igarape|2024").path
    mosaic = opened(line, "mosaic", "sim-igarape|2024").path / MOSAIC_NAME
    sample = pd.read_parquet(opened(line, "sim_ranges/sample", "sim-igarape|2024").path / "sample.parquet").set_index("window_id")
    index = patches.read_index(store)
    for row in index[~index["dropped"]].head(5).itertuples():
        (image,) = patches.read_images(store, [row.row])
        bounds = sample.loc[row.window_id, ["minx", "miny", "maxx", "maxy"]].tolist()
        assert image.shape == (12, 128, 128)
        np.testing.assert_array_equal(image, read_window(mosaic, bounds)[0])


def test_a_release_never_has_ground_in_two_splits_nor_more_than_it_wants(line: Line) -> None:
    for name in ("sim_ranges", "sim_ranges_48"):
        manifest = pd.read_parquet(opened(line, f"{name}/manifest", "2024").path / "manifest.parquet")
        assert manifest["patch_id"].is_unique
        counts = manifest["range"].value_counts()
        assert all(counts[each] <= DATASETS[name].quotas[each] for each in counts.index)
        assert (manifest["is_mining"] == (manifest["share"] > 0)).all()


def test_recomputing_a_packages_labels_puts_every_patch_into_its_own_range(line: Line) -> None:
    package = opened(line, "sim_ranges/package", "2024").path / PACKAGE_DIRECTORY
    table = gpd.read_parquet(package / "manifest.parquet")
    assert len(table) == len(list((package / "images").rglob("*.png"))) > 0
    for row in table.itertuples():
        share = share_of(package, row, frozenset({30}))
        assert abs(share - row.share) < 1e-9
        assert (package / row.label_path).parent.name == f"range_{range_of(share)}"


def test_an_evaluation_counts_its_positives_in_every_range(line: Line) -> None:
    facts = opened(line, "evaluation", "sim-cnn-48|2024").facts
    assert facts["positives"] == sum(row["n"] for row in facts["recall_by_range"].values()) > 0
    assert facts["f1_bootstrap"]["low"] <= facts["f1_bootstrap"]["high"]


def test_a_second_run_skips_everything_and_changes_nothing(line: Line) -> None:
    before = line.installation.digests()
    printed = line.installation.run("demo", timeout=60)
    assert f"{len(before)} skipped" in printed
    assert " made" not in printed
    assert line.installation.digests() == before


@pytest.mark.parametrize("damage", ["garbage", ""])
def test_a_damaged_pointer_is_restored_by_the_next_run_and_nothing_else_is_made(line: Line, damage: str) -> None:
    before = line.installation.digests()
    pointer = line.installation.home / "artifacts" / "sim_ranges" / "quotas" / "@2024" / "current.json"
    pointer.chmod(0o644)
    pointer.write_text(damage)
    rows = line.installation.states("--assets", "sim_ranges/sample", "--years", "2024")
    assert {row["state"] for row in rows.values()} == {"skipped"}
    assert line.installation.digests() == before


def test_a_plan_foresees_what_cannot_be_made_and_leaves_the_lost_region_out(line: Line, fresh_home: Installation) -> None:
    (fresh_home.home / "archive").unlink()
    shutil.copytree(line.installation.home / "archive" / "land_cover", fresh_home.home / "archive" / "land_cover")
    (fresh_home.home / "archive" / "land_cover" / "sim-serra_coverage_2024.tif").unlink()
    rows = json.loads(fresh_home.run("plan", "--assets", "sim_ranges/splits", "--years", "2024", "--json"))
    states = {f"{row['asset']}@{row['partition']}": row["state"] for row in rows}
    assert {ref for ref, state in states.items() if state == "cannot"} == {
        "land_cover@sim-serra|2024",
        "sim_ranges/candidates@sim-serra|2024",
        "sim_ranges/sample@sim-serra|2024",
    }
    assert states["sim_ranges/splits@2024"] == "missing"


def test_status_and_plan_say_that_all_is_fresh(line: Line) -> None:
    printed = line.installation.run("plan", "--assets", "sim_ranges", "--json")
    assert json.loads(printed) == []
    rows = json.loads(line.installation.run("status", "--assets", "sim_ranges", "--json"))
    assert {row["state"] for row in rows} == {"fresh"}


def test_a_partition_without_scenes_fails_naming_region_year_source_and_remedy(line: Line, fresh_home: Installation) -> None:
    (fresh_home.home / "archive").unlink()
    shutil.copytree(line.installation.home / "archive" / "land_cover", fresh_home.home / "archive" / "land_cover")
    rows = fresh_home.states("--assets", "mosaic,sim_ranges/sample", "--years", "2024", "--regions", "sim-igarape", code=1)
    message = rows["scenes@sim-igarape|2024"]["message"]
    assert "Region sim-igarape, year 2024, source" in message
    assert "mining-platform simulate" in message
    assert rows["mosaic@sim-igarape|2024"]["state"] == "blocked"
    assert rows["sim_ranges/sample@sim-igarape|2024"]["state"] == "made"
    assert {name.split("/@")[0] for name in fresh_home.digests()} == {
        "land_cover",
        "sim_ranges/candidates",
        "sim_ranges/quotas",
        "sim_ranges/sample",
    }


def test_one_regions_failure_leaves_the_other_done_and_is_named(line: Line, fresh_home: Installation) -> None:
    (fresh_home.home / "archive").unlink()
    shutil.copytree(line.installation.home / "archive" / "land_cover", fresh_home.home / "archive" / "land_cover")
    (fresh_home.home / "archive" / "land_cover" / "sim-serra_coverage_2024.tif").unlink()
    rows = fresh_home.states("--assets", "sim_ranges/splits", "--years", "2024", code=1)
    states = {ref: row["state"] for ref, row in rows.items()}
    assert states == {
        "land_cover@sim-igarape|2024": "made",
        "land_cover@sim-serra|2024": "failed",
        "sim_ranges/candidates@sim-igarape|2024": "made",
        "sim_ranges/candidates@sim-serra|2024": "blocked",
        "sim_ranges/quotas@2024": "made",
        "sim_ranges/sample@sim-igarape|2024": "made",
        "sim_ranges/sample@sim-serra|2024": "blocked",
        "sim_ranges/splits@2024": "made",
    }
    assert "Region sim-serra, year 2024" in rows["land_cover@sim-serra|2024"]["message"]
    store = ArtifactStore(fresh_home.home / "artifacts")
    assert open_artifact(store, Ref("sim_ranges/quotas", "2024")).facts["left_out"] == ["sim-serra"]
    printed = fresh_home.run("materialize", "--assets", "sim_ranges/splits", "--years", "2024", code=1)
    assert "failed land_cover@sim-serra|2024: Region sim-serra, year 2024" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("materialize",), "Name what to make with --assets"),
        (("materialize", "--assets", "nonsense"), "No asset is called 'nonsense'"),
        (("materialize", "--assets", "land_cover", "--regions", "lourenco", "--years", "2023"), "No declared partition matches"),
        (("plan", "--years", "twenty"), "'twenty' is not a year"),
        (("regions", "show", "nowhere"), "Unknown region 'nowhere'; known: sim-igarape"),
        (("demo", "nonsense"), "There is no demonstration 'nonsense'"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line_with_exit_code_2(
    fresh_home: Installation, arguments: tuple[str, ...], message: str
) -> None:
    printed = fresh_home.run(*arguments, code=2)
    assert message in printed
    assert "Traceback" not in printed
    assert fresh_home.digests() == {}


def test_regions_can_be_listed_shown_validated_and_added(fresh_home: Installation, tmp_path) -> None:  # noqa: ANN001
    rows = json.loads(fresh_home.run("regions", "list", "--json"))
    assert {"lourenco", "sim-serra", "legal-amazon-22"} <= {row["id"] for row in rows}
    assert json.loads(fresh_home.run("regions", "show", "lourenco"))["grid"]["epsg"] == 32622
    assert "all valid" in fresh_home.run("regions", "validate")
    mine = tmp_path / "regions.geojson"
    mine.write_bytes(fresh_home.regions.read_bytes())
    feature = next(each for each in json.loads(mine.read_text())["features"] if "monitoring" not in each["properties"])
    feature["properties"]["id"] = "added"
    (tmp_path / "feature.geojson").write_text(json.dumps(feature))
    own = Installation(fresh_home.home, mine)
    assert "Added added" in own.run("regions", "add", str(tmp_path / "feature.geojson"))
    assert "used twice" in own.run("regions", "add", str(tmp_path / "feature.geojson"), code=2)
    assert "added" in {row["id"] for row in json.loads(own.run("regions", "list", "--json"))}


def test_datasets_without_their_regions_are_left_out_and_say_why(fresh_home: Installation, tmp_path) -> None:  # noqa: ANN001
    content = json.loads(fresh_home.regions.read_text())
    content["features"] = [feature for feature in content["features"] if feature["properties"]["id"] != "sim-serra"]
    path = tmp_path / "fewer.geojson"
    path.write_text(json.dumps(content))
    rows = {row["id"]: row for row in json.loads(Installation(fresh_home.home, path).run("datasets", "--json"))}
    assert rows["sim_ranges"]["inactive"] == "region sim-serra is not in the region file"
    assert rows["ranges"]["inactive"] is None


def test_the_yearly_job_refreshes_through_the_planner(line: Line) -> None:
    code = """
from assets_defs.automation import RefreshConfig, yearly_refresh
import dagster as dg
config = dg.RunConfig(ops={"refresh": RefreshConfig(year=2024, regions=["sim-igarape", "sim-serra"])})
print("success", yearly_refresh.execute_in_process(run_config=config).success)
"""
    before = line.installation.digests()
    environment = line.installation.environment
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert "success True" in done.stdout, done.stderr[-3000:]
    assert line.installation.digests() == before


def test_without_dagsters_database_a_run_changes_no_digest_and_dagster_knows_the_artifacts_again(line: Line) -> None:
    import dagster as dg

    before, databases = line.installation.digests(), line.installation.home / "dagster"
    aside = databases.rename(databases.with_name("dagster-aside"))
    try:
        states = line.installation.states("--assets", "sim_ranges/candidates")
        assert {row["state"] for row in states.values()} == {"skipped"}
        assert line.installation.digests() == before
        with dg.DagsterInstance.from_config(str(databases)) as instance:
            assert "sim-serra|2024" in instance.get_materialized_partitions(dg.AssetKey(["sim_ranges", "candidates"]))
    finally:
        shutil.rmtree(databases)
        aside.rename(databases)
