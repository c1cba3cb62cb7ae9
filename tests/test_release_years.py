"""A release over two years from the maps to the package: the same windows in both, each year's own pixels, labels and shares."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform import patches, verdicts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, produce
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.experiments import EXPERIMENTS
from mining_platform.graph import build_steps
from mining_platform.packages.verification import verify_package
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.plans import Selection, plan, select
from mining_platform.profiles import PROFILES
from mining_platform.ranges import RANGES
from mining_platform.reviews.decisions import Decision
from mining_platform.reviews.desks import open_desk
from mining_platform.reviews.logs import append_decisions, dataset_log
from mining_platform.reviews.publishing import publish_reviews
from mining_platform.sources import router
from mining_platform.splits.rules import SplitRule
from mining_platform.stages import datasets, imagery, labels, models, packages
from tests.synthetic import LEFT_M, TOP_M, TinyScene, region, write_catalogue, write_land_cover, yearly_map

ACROSS, PX, NATIVE = 8, 48, 16  # windows a side, and the pixels of a window's side: of the mosaic and of the map
FOREST, MINE, NOTHING = 3, 30, 0
YEARS, DN = ("2023", "2024"), {"2023": 1_000, "2024": 3_000}
OLD, NEW, UNSEEN = [(1, 1), (1, 3), (5, 2), (6, 6)], [(2, 5), (4, 5)], (3, 1)
"""Windows (row, column) with mining in both years, in 2024 alone, and in both but of no class in a part of 2023."""
STAGES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "candidates": datasets.find_candidates,
    "quotas": datasets.share_quotas,
    "sample": datasets.draw_sample,
    "patches": datasets.cut_patches,
    "splits": datasets.part_windows,
    "manifest": datasets.list_patches,
    "package": packages.write_release,
}
BASES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "land_cover": labels.clip_land_cover,
    "label": labels.label_grid,
    "scenes": imagery.list_scenes,
    "mosaic": imagery.compose_mosaic,
}


pytestmark = pytest.mark.slow


def classes_of(year: str) -> np.ndarray:
    """The map: a quarter of a window is mining, in 2023 an eighth."""
    classes = np.full((ACROSS * NATIVE, ACROSS * NATIVE), FOREST, np.uint8)
    for row, column in [*OLD, UNSEEN, *(NEW if year == "2024" else [])]:
        top, left = row * NATIVE, column * NATIVE
        classes[top : top + (4 if year == "2024" else 2), left : left + NATIVE] = MINE
    if year == "2023":
        classes[UNSEEN[0] * NATIVE + 8, UNSEEN[1] * NATIVE] = NOTHING
    return classes


def window(place: tuple[int, int]) -> str:
    return f"32721_{LEFT_M // 10 + place[1] * PX}_{TOP_M // 10 - place[0] * PX}_{PX}"


ROW = replace(
    DATASETS["sim_smallmines"],
    id="two_years",
    title="SIMULATED patches of two years",
    regions=("tiny",),
    px=PX,
    profile="s2-12",
    quotas=MappingProxyType({**dict.fromkeys(RANGES, 0), "000": 10, "020_030": 7}),
    split=SplitRule("paired", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), 960, 0.0, 7),
    zero_candidates=20,
)


@dataclass(frozen=True)
class Made:
    """An installation on which the family was made."""

    platform: Platform
    steps: Mapping[str, Step]

    def artifact(self, stage: str, key: str) -> Artifact:
        return open_artifact(self.platform.artifacts, Ref(f"{ROW.id}/{stage}", key))

    def table(self, stage: str, key: str) -> pd.DataFrame:
        return gpd.read_parquet(self.artifact(stage, key).path / f"{stage}.parquet")

    def inputs(self, asset: str, key: str) -> dict[Ref, Artifact]:
        refs = inputs_now(self.platform, self.steps[asset], key)
        return {each: open_artifact(self.platform.artifacts, each) for each in refs}


def make(platform: Platform, steps: Mapping[str, Step], row: Dataset) -> None:
    """Everything of the graph that has a stage here, in its order."""
    for asset, step in steps.items():
        family = asset.startswith(f"{row.id}/") and not step.external
        stage = partial(STAGES[asset.split("/")[1]], row) if family else BASES.get(asset)
        for key in step.keys if stage else ():
            given = inputs_now(platform, step, key)
            produce(
                platform.artifacts,
                Ref(asset, key),
                inputs=given,
                code_version=step.version,
                config=step.config(platform, key),
                compute=partial(stage, platform, key),  # type: ignore[arg-type]
            )


UNET = EXPERIMENTS["sim-smallmines-unet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder, side = tmp_path_factory.mktemp("years"), ACROSS * PX
    scenes = [
        TinyScene(f"S2A_{year}", when=f"{year}-06-01T14:00:00Z", values=value, width_px=side, height_px=side)
        for year, value in DN.items()
    ]
    catalogue = write_catalogue(folder / "stac", scenes)
    for year in YEARS:
        write_land_cover(folder / f"map_{year}.tif", classes_of(year))
    cover = yearly_map(folder / "map_{year}.tif", simulated=True)  # noqa: RUF027 - the source fills it in
    place = region(side, side, land_cover=cover, catalogue=catalogue, simulated=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(DATASETS):
            patch.delitem(DATASETS, name)
        patch.setitem(DATASETS, ROW.id, ROW)
        for name in list(EXPERIMENTS):
            patch.delitem(EXPERIMENTS, name)
        patch.setitem(EXPERIMENTS, "pair", replace(UNET, id="pair", dataset=ROW.id, profile="s2-12"))
        steps = build_steps({place.id: place})
        platform = Platform(folder, {place.id: place}, ArtifactStore(folder / "artifacts"), router, router)
        make(platform, steps, ROW)
        yield Made(platform, steps)


def test_the_windows_are_the_same_in_both_years_and_none_was_ineligible_in_one(made: Made) -> None:
    before, now = (made.table("sample", f"tiny|{year}") for year in YEARS)
    assert before["window_id"].tolist() == now["window_id"].tolist()
    assert set(now.loc[now["is_mining"], "window_id"]) == {window(place) for place in [*OLD, *NEW]}
    assert window(UNSEEN) not in set(now["window_id"])
    short = {row["range"]: (row["found"], row["taken"]) for row in made.artifact("quotas", "2024").facts["shortage"]}
    assert short["020_030"] == (6, 6), "the window that one year does not know is not counted either"
    assert short["000"] == (20, 10)


def test_shares_ranges_and_classes_are_each_years_own(made: Made) -> None:
    table = made.table("manifest", "2024").set_index(["window_id", "year"])
    assert table["share"][window(OLD[0])].to_dict() == pytest.approx({2023: 0.125, 2024: 0.25}, abs=1e-6)
    assert table["range"][window(OLD[0])].to_dict() == {2023: "010_020", 2024: "020_030"}
    assert table["is_mining"][window(NEW[0])].to_dict() == {2023: False, 2024: True}
    assert table["negative"][window(NEW[0])].to_dict() == {2023: "random", 2024: ""}


def test_the_manifest_has_each_place_once_a_year_under_its_own_name_and_scene(made: Made) -> None:
    table = made.table("manifest", "2024")
    assert len(table) == 2 * 16
    assert (table["patch_id"] == table["window_id"] + "_" + table["year"].astype(str)).all()
    assert table["patch_id"].is_unique
    assert (table["scene_ids"] == "S2A_" + table["year"].astype(str)).all()
    assert (table.groupby("window_id")["year"].nunique() == 2).all()


def test_images_and_labels_are_cut_in_each_year(made: Made) -> None:
    for year, mines in (("2023", OLD), ("2024", [*OLD, *NEW])):
        store = made.artifact("patches", f"tiny|{year}").path
        index = patches.read_index(store)
        assert (patches.read_images(store, index["row"].tolist()) == DN[year]).all()
        mining = (patches.read_labels(store, index["row"].tolist()) == 1).any(axis=(1, 2))
        assert set(index["window_id"][mining]) == {window(place) for place in mines}


def test_a_place_has_one_side(made: Made) -> None:
    splits = pd.read_parquet(made.artifact("splits", "2024").path / "splits.parquet")
    assert splits["window_id"].is_unique
    table = made.table("manifest", "2024")
    assert (table.groupby("window_id")["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "val", "test"}


def test_the_package_has_both_years_of_each_tile_and_is_whole(made: Made) -> None:
    package = made.artifact("package", "2024").path / packages.PACKAGE_DIRECTORY
    found = verify_package(package)
    assert (found.problems, found.patches, found.recomputed) == ((), 32, 32)
    tiles = {year: {path.stem.split("_")[2] for path in package.glob(f"{year}/IMAGE/*.tif")} for year in YEARS}
    assert tiles["2023"] == tiles["2024"] == {f"{number:04d}" for number in range(16)}
    splits = [pd.read_csv(package / f"splits_{year}.csv", dtype=str).sort_values("patch_name") for year in YEARS]
    assert splits[0]["split"].tolist() == splits[1]["split"].tolist()
    assert json.loads((package / "datapackage.json").read_text())["mining-platform"]["years"] == [2023, 2024]
    assert "32 patches of 480 m a side (48 pixels of 10 m), years 2023, 2024." in (package / "README.md").read_text()


def test_the_checks_of_manifest_and_splits_look_at_both_years(made: Made) -> None:
    manifest = made.artifact("manifest", "2024")
    assert verdicts.manifest_matches_the_stores(made.platform, manifest).reason == "32 rows match"
    assert verdicts.every_place_keeps_its_side(made.platform, made.artifact("splits", "2024")).holds
    assert verdicts.shares_lie_between_0_and_1(made.platform, made.artifact("candidates", "tiny|2024")).holds
    told = verdicts.no_picture_is_in_two_splits(made.platform, manifest)
    assert told.numbers["not_checked"].keys().isdisjoint({"near_duplicate"}), "pictures of both years are found"


def test_training_opens_the_patches_of_both_years_and_parts_them_by_place(made: Made) -> None:
    given = made.inputs("model", "pair|2024")
    manifest, stored = models.manifest_of(given, "pair|2024"), models.open_patches(EXPERIMENTS["pair"], given)
    assert {stored.patch_id(item)[-4:] for item in range(len(stored))} == set(YEARS)
    assert stored.channels == PROFILES["s2-12"].channels
    train, val = models.training_patches(EXPERIMENTS["pair"], ROW, manifest, stored)
    sides = [{each.dataset.patch_id(item) for item in each.items.tolist()} for each in (train, val)]
    places = [{patch.rsplit("_", 1)[0] for patch in side} for side in sides]
    assert places[0].isdisjoint(places[1])
    assert [len(side) for side in sides] == [2 * len(place) for place in places]


def test_a_changed_map_of_the_earlier_year_makes_what_rests_on_it_stale_and_nothing_else(made: Made) -> None:
    path = made.platform.home / "map_2023.tif"
    content = path.read_bytes()
    changed = classes_of("2023")
    changed[:3, :3] = MINE
    write_land_cover(path, changed)
    try:
        told = {str(item.ref): item.state for item in plan(made.platform, made.steps, Selection((ROW.id,)))}
    finally:
        path.write_bytes(content)
    fresh = {name for name, state in told.items() if state == "fresh"}
    assert fresh == {
        *(f"{asset}@tiny|{year}" for asset in ("scenes", "mosaic") for year in YEARS),
        *("land_cover@tiny|2024", "label@tiny|2024"),
    }
    assert set(told.values()) == {"fresh", "stale"}


def test_the_year_of_a_release_is_planned_with_the_others_that_it_holds(made: Made) -> None:
    refs = set(map(str, select(made.platform, made.steps, Selection((f"{ROW.id}/package",), years=(2024,)))))
    assert {"land_cover@tiny|2023", "mosaic@tiny|2023", f"{ROW.id}/patches@tiny|2023"} <= refs
    earlier = set(map(str, select(made.platform, made.steps, Selection((f"{ROW.id}/sample",), years=(2023,)))))
    assert {f"{ROW.id}/candidates@tiny|2024", f"{ROW.id}/quotas@2024", "land_cover@tiny|2024"} <= earlier
    assert not {"scenes@tiny|2024", f"{ROW.id}/sample@tiny|2024"} & earlier


def test_reviewers_of_the_earlier_year_see_the_splits_of_the_release(made: Made) -> None:
    desk = open_desk(made.platform, ROW, 2023)
    assert set(desk.patches["split"]) == {"train", "val", "test"}
    assert set(desk.patches["patch_id"].str[-4:]) == {"2023"}


def test_a_window_rejected_in_the_earlier_year_leaves_both(made: Made, tmp_path: Path) -> None:
    name, store = window(OLD[1]), ArtifactStore(Path(shutil.copytree(made.platform.home / "artifacts", tmp_path / "artifacts")))
    mine = replace(made, platform=replace(made.platform, home=tmp_path, artifacts=store))
    append_decisions(dataset_log(mine.platform, ROW.id), [Decision(ROW.id, "tiny", 2023, name, "reject", "", "Ana", "a hut", "")])
    publish_reviews(mine.platform, ROW.id, "tiny", 2023)
    stale = {str(item.ref) for item in plan(mine.platform, mine.steps, Selection((ROW.id,))) if item.state == "stale"}
    assert {f"{ROW.id}/quotas@2024", f"{ROW.id}/sample@tiny|2023", f"{ROW.id}/sample@tiny|2024"} <= stale
    make(mine.platform, mine.steps, ROW)
    for year in YEARS:
        assert name not in set(mine.table("sample", f"tiny|{year}")["window_id"])
    assert len(mine.table("manifest", "2024")) == 2 * 15
