"""Verdicts on published splits and manifests: a leak fails them, a clean release and the simulated line pass."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mining_platform import verdicts, zarr_arrays
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, produce
from mining_platform.leakage.pictures import read_pictures
from tests.conftest import Line

WINDOWS = [f"32722_{60_000 + 200 * number}_900128_128" for number in range(4)]
SIDES = ["train", "test", "train", "test"]


def publish(store: ArtifactStore, asset: str, key: str, write: Callable[[Path], None]) -> Artifact:
    """Publish what a function writes as a version of an asset's partition."""

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        write(out)
        return {}

    produce(store, Ref(asset, key), inputs=[], code_version="1", config={}, compute=compute, run_id="test")
    return open_artifact(store, Ref(asset, key))


def publish_splits(store: ArtifactStore, year: str, sides: list[str], windows: list[str] = WINDOWS) -> Artifact:
    table = pd.DataFrame({"window_id": windows, "group": windows, "split": sides})
    return publish(store, "sim_ranges/splits", year, lambda out: table.to_parquet(out / "splits.parquet"))


def patch_store(out: Path, ids: list[str], images: np.ndarray) -> None:
    """A patch store of (n, band, y, x) images, as `patches.write_store` lays it out."""
    channels = ["B02", "B03", "B04"]
    zarr_arrays.create_group(out / "patches.zarr", {"channels": channels, "px": images.shape[-1], "patch_ids": ids})
    axes = ("sample", "band", "y", "x")
    where = out / "patches.zarr" / "image"
    shapes = {"shape": images.shape, "chunks": (1, *images.shape[1:]), "shards": (len(ids), *images.shape[1:])}
    zarr_arrays.write_box(
        zarr_arrays.create_array(where, dtype=images.dtype, dimension_names=axes, **shapes), (0, 0, 0, 0), images
    )
    windows = [name.rsplit("_", 1)[0] for name in ids]
    index = pd.DataFrame({"patch_id": ids, "window_id": windows, "row": range(len(ids)), "dropped": False})
    index.to_parquet(out / "patches.parquet")


def blobs(count: int) -> np.ndarray:
    """(count, 3, 32, 32) uint16 images that differ."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(300, 3_000, (count, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    return (coarse + rng.integers(0, 50, coarse.shape)).astype(np.uint16)


def test_ground_in_two_splits_fails_with_places_and_the_worst_pairs(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    good = publish_splits(store, "2023", SIDES)
    verdict = verdicts.no_ground_is_in_two_splits(None, good)  # type: ignore[arg-type]
    assert verdict.holds
    assert verdict.numbers["nearest_m"] == 2_000 - 1_280
    bad = publish_splits(store, "2024", [*SIDES, "val"], [*WINDOWS, "32722_60064_900128_128"])
    verdict = verdicts.no_ground_is_in_two_splits(None, bad)  # type: ignore[arg-type]
    assert not verdict.holds
    assert verdict.reason == "1 pairs of windows of different splits share ground, in 2 places"
    assert verdict.numbers["worst"][0]["overlap_m2"] == 640 * 1280


def test_sides_that_hold_over_the_years_pass(tmp_path: Path) -> None:
    platform: Any = SimpleNamespace(artifacts=ArtifactStore(tmp_path))
    first = publish_splits(platform.artifacts, "2023", SIDES)
    assert verdicts.every_place_keeps_its_side(platform, first).reason == "no other year is published: nothing to compare"
    same = publish_splits(platform.artifacts, "2024", SIDES[:3], WINDOWS[:3])
    assert verdicts.every_place_keeps_its_side(platform, same).holds


def test_a_release_in_which_one_window_changed_sides_fails(tmp_path: Path) -> None:
    platform: Any = SimpleNamespace(artifacts=ArtifactStore(tmp_path))
    publish_splits(platform.artifacts, "2023", SIDES)
    moved = publish_splits(platform.artifacts, "2024", ["train", "val", "buffer", "test"])
    verdict = verdicts.every_place_keeps_its_side(platform, moved)
    assert not verdict.holds
    assert verdict.reason == "1 windows change sides between 2023, 2024; 1 places share ground"
    assert verdict.numbers["worst"][0]["year_a"] == 2023


@pytest.mark.parametrize("doubled", [False, True])
def test_near_identical_images_of_two_places_on_two_sides_are_told(tmp_path: Path, doubled: bool) -> None:
    platform: Any = SimpleNamespace(artifacts=ArtifactStore(tmp_path))
    ids, images = [f"{window}_2023" for window in WINDOWS], blobs(4)
    images[3] = images[0] + 20 if doubled else images[3]
    for region, part in (("sim-igarape", slice(0, 2)), ("sim-serra", slice(2, 4))):
        publish(
            platform.artifacts,
            "sim_ranges/patches",
            f"{region}|2023",
            lambda out, part=part: patch_store(out, ids[part], images[part]),
        )
    rows = pd.DataFrame({"patch_id": ids, "window_id": WINDOWS, "year": 2023, "split": SIDES, "scene_ids": "s1 s2"})
    rows = rows.assign(region=["sim-igarape"] * 2 + ["sim-serra"] * 2, dropped=False)
    rows.loc[4] = ["32722_1_1_128_2023", "32722_1_1_128", 2023, "test", "s1 s2", "sim-serra", True]
    manifest = publish(platform.artifacts, "sim_ranges/manifest", "2023", lambda out: rows.to_parquet(out / "manifest.parquet"))
    verdict = verdicts.no_picture_is_in_two_splits(platform, manifest)
    assert verdict.holds is not doubled
    assert verdict.reason == f"{int(doubled)} pairs of different places on different sides look alike"
    if doubled:
        assert {verdict.numbers["worst"][0][end] for end in ("a", "b")} == {ids[0], ids[3]}


def test_stores_are_joined_by_window_where_a_table_names_windows(tmp_path: Path) -> None:
    patch_store(tmp_path, [f"{window}_2023" for window in WINDOWS], blobs(4))
    assert set(read_pictures([tmp_path], [], WINDOWS[:3]).patch_ids) == set(WINDOWS[:3])


@pytest.mark.parametrize("dataset", ["sim_ranges", "sim_ranges_48", "sim_context", "sim_smallmines"])
def test_the_simulated_releases_do_not_leak(line: Line, dataset: str) -> None:
    platform: Any = SimpleNamespace(artifacts=ArtifactStore(line.installation.home / "artifacts"))
    for asset, fact in (
        ("splits", verdicts.no_ground_is_in_two_splits),
        ("splits", verdicts.every_place_keeps_its_side),
        ("manifest", verdicts.no_picture_is_in_two_splits),
    ):
        verdict = fact(platform, open_artifact(platform.artifacts, Ref(f"{dataset}/{asset}", "2024")))
        assert verdict.holds, verdict.reason
