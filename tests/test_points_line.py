"""A dataset of people's points from the file to the patch table: one region without a land-cover map, one with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from shapely.geometry import box

from mining_platform import patches, verdicts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, produce
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.experiment_trials import Trial
from mining_platform.experiments import EXPERIMENTS
from mining_platform.graph import build_steps, inactive_reason
from mining_platform.grids import project
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.packages.verification import verify_package
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.plans import Selection, plan
from mining_platform.point_files import PointsFile
from mining_platform.ranges import RANGES
from mining_platform.regions import Region
from mining_platform.sources import router
from mining_platform.splits.rules import SplitRule
from mining_platform.stages import datasets, imagery, labels, models, packages
from tests.synthetic import (
    EPSG,
    LEFT_M,
    TOP_M,
    TinyScene,
    scenes_at,
    write_catalogue,
    write_land_cover,
    yearly_map,
)

SIDE_M = 9_000
GAP_M = 1_000  # of the two regions, west and east
MINES, FARMS = [(1_000, 1_000), (2_000, 6_000)], [(4_000, 1_000), (1_000, 4_000)]
STAGES: Mapping[str, Any] = MappingProxyType(
    {
        "candidates": datasets.find_candidates,
        "quotas": datasets.share_quotas,
        "sample": datasets.draw_sample,
        "patches": datasets.cut_patches,
        "splits": datasets.part_windows,
        "manifest": datasets.list_patches,
        "package": packages.write_release,
    }
)
LEARNED: Mapping[str, Any] = MappingProxyType({"model": models.train_model, "evaluation": models.evaluate_model})
SCATTERED = [(east, south) for south in range(1_000, 8_001, 1_000) for east in (1_000, 3_500, 6_000, 8_000)]
"""Places of 32 points, 1,000 m or more apart."""
BASES: Mapping[str, Any] = MappingProxyType(
    {
        "land_cover": labels.clip_land_cover,
        "label": labels.label_grid,
        "scenes": imagery.list_scenes,
        "mosaic": imagery.compose_mosaic,
    }
)


@dataclass(frozen=True)
class PointsLine:
    """An installation on which the family of a dataset of points was made."""

    platform: Platform
    steps: Mapping[str, Step]
    row: Dataset

    def artifact(self, asset: str, key: str) -> Artifact:
        return open_artifact(self.platform.artifacts, Ref(asset, key))

    def table(self, stage: str, key: str) -> pd.DataFrame:
        return pd.read_parquet(self.artifact(f"{self.row.id}/{stage}", key).path / f"{stage}.parquet")


def make_region(name: str, left_m: int, catalogue: Path, land_cover: Path | None) -> Region:
    outline = project(box(left_m + 1, TOP_M - SIDE_M + 1, left_m + SIDE_M - 1, TOP_M - 1), EPSG, 4326)
    cover = yearly_map(land_cover, simulated=True) if land_cover else None
    scenes = scenes_at(catalogue, simulated=True)
    return Region(name, name.title(), "VE", (2024,), EPSG, "sampled", cover, scenes, outline)


def write_points(path: Path) -> Path:
    """The same places in both regions."""
    transformer = Transformer.from_crs(EPSG, 4326, always_xy=True)
    features = []
    for start in (LEFT_M, LEFT_M + SIDE_M + GAP_M):
        for kind, places in (("mine", MINES), ("farm", FARMS)):
            for east, south in places:
                place = {"type": "Point", "coordinates": transformer.transform(start + east, TOP_M - south)}
                named = {"kind": kind, "name": f"{kind}-{start + east}-{south}"}
                features.append({"type": "Feature", "properties": named, "geometry": place})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def make_row(points: Path) -> Dataset:
    return replace(
        DATASETS["sim_ranges"],
        id="points_of_test",
        title="SIMULATED patches on points",
        regions=("unmapped", "mapped"),
        years=(2024,),
        px=48,
        quotas=MappingProxyType({"mining": 10, "curated": 3, "grid": 20}),
        negatives=MappingProxyType({}),
        split=SplitRule("block", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), 960, 0.0, 7),
        layout="smallmines",
        points=PointsFile(str(points), "kind", ("mine",), ("farm",), id_column="name"),
    )


def make_all(platform: Platform, steps: Mapping[str, Step], row: Dataset) -> None:
    for asset, step in steps.items():
        stage: Callable[..., Any] | None = BASES.get(asset)
        if asset.startswith(f"{row.id}/") and not step.external:
            stage = partial(STAGES[asset.split("/")[1]], row)
        stage = LEARNED.get(asset, stage)
        for key in step.keys if stage else ():
            produce(
                platform.artifacts,
                Ref(asset, key),
                inputs=inputs_now(platform, step, key),
                code_version=step.version,
                config=step.config(platform, key),
                compute=partial(stage, platform, key),  # type: ignore[arg-type]
            )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("points")
    catalogue = write_catalogue(folder / "stac", [TinyScene("S2A_T", width_px=1_902, height_px=900)])
    classes = np.full((300, 300), 3, dtype=np.uint8)
    classes[30:37, 30:37] = 30  # mining by the map, too, at the first mine
    classes[:, 200:] = 30
    right = LEFT_M + SIDE_M + GAP_M
    cover = write_land_cover(folder / "map.tif", classes, affine=Affine(30, 0, right, 0, -30, TOP_M))
    regions = {
        "unmapped": make_region("unmapped", LEFT_M, catalogue, None),
        "mapped": make_region("mapped", right, catalogue, cover),
    }
    row = make_row(write_points(folder / "points.geojson"))
    with pytest.MonkeyPatch.context() as patch:
        for name in list(DATASETS):
            patch.delitem(DATASETS, name)
        patch.setitem(DATASETS, row.id, row)
        steps = build_steps(regions)
        platform = Platform(folder, regions, ArtifactStore(folder / "artifacts"), router, router)
        make_all(platform, steps, row)
        yield PointsLine(platform, steps, row)


def test_the_family_needs_no_land_cover_for_a_region_without_a_map(made: PointsLine) -> None:
    family = {f"{made.row.id}/{stage}" for stage in (*STAGES, "reviews")}
    assert {name for name in made.steps if name.startswith(made.row.id)} == family
    assert made.steps["land_cover"].keys == made.steps["label"].keys == ("mapped|2024",)
    inputs = [made.steps[f"{made.row.id}/patches"].inputs(made.platform, f"{name}|2024") for name in ("mapped", "unmapped")]
    assert [Ref("label", "mapped|2024") in inputs[0], any(ref.asset == "label" for ref in inputs[1])] == [True, False]


def test_quotas_count_mining_and_each_negative_recipe_over_both_regions(made: PointsLine) -> None:
    facts = made.artifact(f"{made.row.id}/quotas", "2024").facts
    rows = {row["negative"]: (row["wanted"], row["found"], row["taken"], row["short"]) for row in facts["shortage"]}
    assert rows[""] == (10, 4, 4, 6)
    assert rows["curated"] == (3, 4, 3, 0)
    assert facts["left_out"] == []
    verdict = verdicts.ranges_are_balanced(made.platform, made.artifact(f"{made.row.id}/quotas", "2024"))
    assert not verdict.holds
    assert "mining has 4 of 10" in verdict.reason


def test_patches_of_the_unmapped_region_have_no_label_and_those_of_the_mapped_one_the_maps(made: PointsLine) -> None:
    labels_of = {}
    for name in ("unmapped", "mapped"):
        store = made.artifact(f"{made.row.id}/patches", f"{name}|2024").path
        index = patches.read_index(store)
        assert len(index) > 0
        labels_of[name] = np.unique(patches.read_labels(store, index["row"].to_numpy())).tolist()
        assert patches.store_shapes(store)["image"] == (len(index), 12, 48, 48)
    assert labels_of == {"unmapped": [NO_LABEL], "mapped": [0, 1]}


def test_the_patch_table_has_every_sample_with_the_class_of_its_point(made: PointsLine) -> None:
    manifest = gpd.read_parquet(made.artifact(f"{made.row.id}/manifest", "2024").path / "manifest.parquet")
    points = manifest[manifest["point_id"] != ""]
    assert (points["is_mining"] == points["point_id"].str.startswith("mine")).all()
    assert points["is_mining"].sum() == 4
    assert manifest.loc[manifest["region"] == "unmapped", "share"].isna().all()
    assert manifest.loc[manifest["region"] == "mapped", "share"].notna().all()
    assert set(manifest.loc[manifest["region"] == "unmapped", "label_collection"]) == {"none"}
    assert set(manifest["scene_ids"]) == {"S2A_T"}
    assert not manifest["split"].isna().any()
    assert set(manifest.loc[~manifest["is_mining"], "negative"]) == {"curated", "grid"}


def test_the_checks_hold_on_what_was_made(made: PointsLine) -> None:
    for name in ("unmapped|2024", "mapped|2024"):
        assert verdicts.shares_lie_between_0_and_1(made.platform, made.artifact(f"{made.row.id}/candidates", name)).holds
        assert verdicts.every_patch_has_its_size(made.platform, made.artifact(f"{made.row.id}/patches", name)).holds
    assert verdicts.manifest_matches_the_stores(made.platform, made.artifact(f"{made.row.id}/manifest", "2024")).holds


def test_a_changed_file_of_points_makes_the_candidates_stale(made: PointsLine) -> None:
    selection = Selection(assets=(made.row.id,))
    assert {item.state for item in plan(made.platform, made.steps, selection)} <= {"fresh"}
    path = Path(str(made.row.points and made.row.points.href))
    before = path.read_text()
    path.write_text(before + "\n")
    stale = {str(item.ref) for item in plan(made.platform, made.steps, selection) if item.state == "stale"}
    path.write_text(before)
    assert f"{made.row.id}/candidates@mapped|2024" in stale


def test_a_missing_file_of_points_is_named_by_the_plan(made: PointsLine) -> None:
    path = Path(str(made.row.points and made.row.points.href))
    moved = path.rename(path.with_suffix(".gone"))
    items = plan(made.platform, made.steps, Selection(assets=(f"{made.row.id}/candidates",)))
    moved.rename(path)
    reasons = {str(item.ref): item.problem or "" for item in items if item.state == "cannot"}
    assert set(reasons) == {f"{made.row.id}/candidates@{name}|2024" for name in ("mapped", "unmapped")}
    assert all("There is no file of points" in reason for reason in reasons.values())


def test_a_dataset_of_the_grid_needs_a_map_in_every_region(made: PointsLine) -> None:
    plain = replace(
        DATASETS[made.row.id], points=None, quotas=dict.fromkeys(RANGES, 1), negatives=MappingProxyType({"random": 1.0})
    )
    assert inactive_reason(plain, made.platform.regions) == "region unmapped has no land-cover map, and the dataset no points"
    assert inactive_reason(made.row, made.platform.regions) is None


def test_the_package_holds_masks_without_a_class_where_there_is_no_map(made: PointsLine) -> None:
    package = made.artifact(f"{made.row.id}/package", "2024").path / packages.PACKAGE_DIRECTORY
    assert verify_package(package).problems == ()
    table = gpd.read_parquet(package / "manifest.parquet")
    assert set(table["region"]) == {"mapped", "unmapped"}
    for row in table.itertuples():
        with rasterio.open(package / row.label_path) as raster:
            assert (raster.read(1) == NO_LABEL).all() == (row.region == "unmapped")
    splits = pd.read_csv(package / "splits_2024.csv", dtype={"bin": str})
    assert splits["class_percentage"].isna().sum() == (table["region"] == "unmapped").sum() > 0
    card = (package / "README.md").read_text()
    assert "points of the file points.geojson, under the terms of their authors" in card
    assert "Ask the authors of the labels" in card


def scattered_points(path: Path) -> Path:
    """Mines and farms in turn at SCATTERED, and 480 m east of the first mine a second one."""
    transformer = Transformer.from_crs(EPSG, 4326, always_xy=True)
    places = [*((("mine", "farm")[number % 2], at) for number, at in enumerate(SCATTERED)), ("mine", (1_480, 1_000))]
    features = [
        {
            "type": "Feature",
            "properties": {"kind": kind, "name": f"{kind}-{east}-{south}"},
            "geometry": {"type": "Point", "coordinates": transformer.transform(LEFT_M + east, TOP_M - south)},
        }
        for kind, (east, south) in places
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dataset of points without any map, parted by clusters, and the 48 px network of Dissing and Kalo after one epoch."""
    folder = tmp_path_factory.mktemp("learned")
    catalogue = write_catalogue(folder / "stac", [TinyScene("S2A_T", width_px=900, height_px=900)])
    regions = {"unmapped": make_region("unmapped", LEFT_M, catalogue, None)}
    row = replace(
        make_row(scattered_points(folder / "points.geojson")),
        regions=("unmapped",),
        quotas=MappingProxyType({"mining": 17, "curated": 16}),
        split=SplitRule("cluster", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), 2_000, 0.0, 7, eps_m=700),
    )
    experiment = replace(EXPERIMENTS["asgm-3"], id="points", dataset=row.id)
    with pytest.MonkeyPatch.context() as patch:
        for table, own in ((DATASETS, row), (EXPERIMENTS, experiment)):
            for name in list(table):
                patch.delitem(table, name)  # type: ignore[arg-type]
            patch.setitem(table, own.id, own)  # type: ignore[call-overload]
        steps = build_steps(regions)
        platform = Platform(folder, regions, ArtifactStore(folder / "artifacts"), router, router, trial=Trial(epochs=1))
        make_all(platform, steps, row)
        yield PointsLine(platform, steps, row)


@pytest.mark.slow
def test_a_model_learns_and_is_scored_on_points_without_any_map(learned: PointsLine) -> None:
    card, facts = (learned.artifact(asset, "points|2024").facts for asset in ("model", "evaluation"))
    manifest = gpd.read_parquet(learned.artifact(f"{learned.row.id}/manifest", "2024").path / "manifest.parquet")
    sides = manifest.groupby("split")["is_mining"].agg(["sum", "count"])
    assert card["train"] == {"mining": sides.loc["train", "sum"], "patches": sides.loc["train", "count"]}
    assert (facts["positives"], facts["patches"]) == tuple(sides.loc["test"])
    assert facts["tp"] + facts["fn"] == facts["positives"] > 0
    assert set(facts["by_region"]) == {"unmapped"}
    assert set(facts["baselines"]) == {"always_no", "band_means", "ndvi"}


@pytest.mark.slow
def test_scores_without_a_map_say_that_there_is_no_range_and_are_told_apart_by_kind(learned: PointsLine) -> None:
    evaluation = learned.artifact("evaluation", "points|2024")
    assert evaluation.facts["undefined"]["recall_by_range"].startswith("no range: there is no land-cover map")
    assert not {"recall_by_range", "no_mining"} & set(evaluation.facts)
    groups = evaluation.facts["by_group"]
    assert set(groups) == {"mining", "curated"}
    assert groups["mining"]["positives"] == groups["mining"]["patches"] == evaluation.facts["positives"]
    assert groups["curated"]["positives"] == 0
    files = {path.name for path in evaluation.path.iterdir()}
    assert {"preview.png", "precision_recall.png", "roc.png", "regions.png"} <= files
    assert "recall_by_range.csv" not in files


@pytest.mark.slow
def test_neighbours_in_the_intervals_are_the_clusters_of_the_split(learned: PointsLine) -> None:
    evaluation = learned.artifact("evaluation", "points|2024")
    groups = learned.table("splits", "2024").set_index("window_id")["group"]
    predictions = pd.read_parquet(evaluation.path / "predictions.parquet")
    assert (predictions["cluster"] == predictions["window_id"].map(groups)).all()
    assert groups.nunique() == len(groups) - 1, "two mines are 480 m apart, the others farther than eps_m"
    assert evaluation.facts["bootstrap"]["by_cluster"]["units"] == predictions["cluster"].nunique()
    assert evaluation.facts["cluster_by"].startswith("clusters of the split: centres at most 700 m apart")
