from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.chunks import blocks_of_windows
from mining_platform.compositing.recipes import RECIPES
from mining_platform.mosaics import compose
from mining_platform.patches import (
    DROPPED_CLOUDY,
    INDEX_TYPES,
    read_attributes,
    read_images,
    read_index,
    read_labels,
    write_store,
)
from mining_platform.sources.stac import list_scenes
from mining_platform.zarr_arrays import ArrayError
from tests.mining_platform.patch_stores import CHANNELS, CLEAR_PLACES, PX, RED, store, windows, write_inputs
from tests.synthetic import EPSG, LEFT_M, TOP_M, TinyScene, region, write_catalogue


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def test_every_patch_is_exactly_the_pixels_of_its_window(inputs: Path, tmp_path: Path) -> None:
    index, _ = store(inputs, tmp_path, windows(*CLEAR_PLACES))
    images = read_images(tmp_path, index["row"])
    assert images.shape == (6, 4, PX, PX)
    cut = windows(*CLEAR_PLACES).set_index("window_id")
    for row, window in zip(index["row"], index["window_id"], strict=True):
        left, top = (int(cut.loc[window, "minx"]) - LEFT_M) // 10, (TOP_M - int(cut.loc[window, "maxy"])) // 10
        np.testing.assert_array_equal(images[row, 0], RED[top : top + PX, left : left + PX])
        assert (images[row, 3] == 777).all()


def test_rows_follow_the_window_ids_whatever_the_order_given(inputs: Path, tmp_path: Path) -> None:
    table = windows(*CLEAR_PLACES)
    index, _ = store(inputs, tmp_path / "a", table)
    store(inputs, tmp_path / "b", table.sample(frac=1, random_state=3))
    assert index["window_id"].is_monotonic_increasing
    assert index["row"].tolist() == list(range(6))
    assert index["patch_id"].tolist() == [f"{window}_2024" for window in index["window_id"]]
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    assert len(files) == 13  # group, index; of arrays their description, and two files of images, one of each other array


def test_windows_without_mining_may_be_masked_more_where_another_limit_is_given(inputs: Path, tmp_path: Path) -> None:
    cloudy = windows((4, 4), (5, 5)).assign(is_mining=[True, False])
    dropped = {}
    for limit in (None, 1.0):
        index, facts = store(inputs, tmp_path / str(limit), cloudy, max_masked_share_other=limit)
        dropped[limit] = index.set_index("window_id")["dropped"].reindex(cloudy["window_id"]).tolist()
        assert facts["dropped"] == sum(dropped[limit])
    assert dropped == {None: [True, True], 1.0: [True, False]}


def test_labels_are_1_on_mining_and_255_without_class(inputs: Path, tmp_path: Path) -> None:
    index, facts = store(inputs, tmp_path, windows((0, 0), (0, 5)))
    labels = read_labels(tmp_path, index["row"])
    assert (labels[0] == 1).all()
    assert (labels[1][:, :-3] == 0).all()
    assert (labels[1][:, -3:] == 255).all()
    assert facts["label_pixels"] == {"0": PX * (PX - 3), "1": PX * PX, "255": PX * 3}


def test_a_window_too_cloudy_is_listed_and_not_stored(inputs: Path, tmp_path: Path) -> None:
    index, facts = store(inputs, tmp_path, windows((0, 0), (4, 4), (0, 1)))
    dropped = index[index["dropped"]].iloc[0]
    assert (dropped["row"], dropped["drop_reason"], dropped["masked_share"], dropped["clear_min"]) == (-1, DROPPED_CLOUDY, 1.0, 0)
    assert index.loc[~index["dropped"], "row"].tolist() == [0, 1]
    assert (facts["windows"], facts["patches"], facts["dropped"]) == (3, 2, 1)
    kept = store(inputs, tmp_path / "all", windows((4, 4)), max_masked_share=1.0)[0]
    assert kept["row"].tolist() == [0]


def test_the_index_on_disk_is_the_one_returned(inputs: Path, tmp_path: Path) -> None:
    index, _ = store(inputs, tmp_path, windows((0, 0), (4, 4)))
    pd.testing.assert_frame_equal(read_index(tmp_path), index, check_dtype=False)
    assert list(index.columns) == list(INDEX_TYPES)
    assert index["clear_median"].tolist() == [1.0, 0.0]
    assert index["clear_share"].tolist() == [1.0, 0.0]


def test_channels_are_chosen_by_name(inputs: Path, tmp_path: Path) -> None:
    store(inputs, tmp_path, windows((0, 0)), channels=("B11", "B04"))
    assert read_attributes(tmp_path)["channels"] == ["B11", "B04"]
    assert (read_images(tmp_path, [0], ["B11"]) == 777).all()
    np.testing.assert_array_equal(read_images(tmp_path, [0], ["B04", "B11"])[0, 0], RED[:PX, :PX])
    with pytest.raises(ValueError, match=r"Channels \['B12'\] are not among B11, B04"):
        read_images(tmp_path, [0], ["B12"])
    with pytest.raises(ValueError, match=r"Channels \['B09'\] are not among B04, B03, B02, B11"):
        store(inputs, tmp_path / "none", windows((0, 0)), channels=("B04", "B09"))


def test_the_store_describes_its_patches(inputs: Path, tmp_path: Path) -> None:
    index, _ = store(inputs, tmp_path, windows((0, 1), (4, 4)))
    found = read_attributes(tmp_path)
    assert (found["epsg"], found["scale"], found["nodata"], found["unit"]) == (EPSG, 1e-4, 0, "reflectance")
    assert found["patch_ids"] == index.loc[~index["dropped"], "patch_id"].tolist()
    assert found["affines"] == [[10, 0, LEFT_M + 160, 0, -10, TOP_M]]


def test_zarr_python_reads_the_store_unchanged(inputs: Path, tmp_path: Path) -> None:
    index, _ = store(inputs, tmp_path, windows(*CLEAR_PLACES))
    group = zarr.open_group(tmp_path / "patches.zarr", mode="r")
    np.testing.assert_array_equal(group["image"][:], read_images(tmp_path, index["row"]))
    assert group["image"].shards == (4, 4, PX, PX)
    assert group["image"].chunks == (1, 4, PX, PX)


def test_a_store_without_patches_has_an_index_and_no_rows(inputs: Path, tmp_path: Path) -> None:
    for name, table in (("none", windows()), ("dropped", windows((4, 4)))):
        index, facts = store(inputs, tmp_path / name, table)
        assert len(read_index(tmp_path / name)) == len(index) == facts["dropped"]
        assert read_images(tmp_path / name, []).shape == (0, 4, PX, PX)
        assert read_labels(tmp_path / name, []).shape == (0, PX, PX)
        with pytest.raises(ValueError, match="holds no patches"):
            read_images(tmp_path / name, [0])


def test_rows_that_are_not_stored_are_refused(inputs: Path, tmp_path: Path) -> None:
    store(inputs, tmp_path, windows((0, 0)))
    with pytest.raises(ValueError, match=r"Rows \[-1\] are not among the 1"):
        read_images(tmp_path, [0, -1])


def test_windows_of_another_size_or_listed_twice_are_refused(inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"are not 320 m x 320 m \(32 px\)"):
        store(inputs, tmp_path, windows((0, 0)), px=32)
    with pytest.raises(ValueError, match="are listed twice"):
        store(inputs, tmp_path, windows((0, 0), (0, 0)))
    with pytest.raises(ValueError, match="leaves the grid"):
        store(inputs, tmp_path, windows((6, 0)))


def test_a_window_on_a_chunk_that_was_not_composed_is_an_error(inputs: Path, tmp_path: Path) -> None:
    scene = TinyScene("S2_A", width_px=600, height_px=600)
    place = region(600, 600, catalogue=write_catalogue(tmp_path / "stac", [scene]))
    blocks = blocks_of_windows(place.geobox, windows((0, 0))[["minx", "miny", "maxx", "maxy"]].to_numpy())
    compose(place, list_scenes(place, 2024), CHANNELS, tmp_path, recipe=RECIPES["scl-median"], blocks=blocks)
    with pytest.raises(ArrayError, match=r"c/0/1 of .* are missing"):
        write_store(
            windows((0, 33)),
            2024,
            tmp_path / "mosaic.zarr",
            inputs / "label.zarr",
            tmp_path / "out",
            channels=CHANNELS,
            recipe="mapbiomas-mining",
            px=PX,
            max_masked_share=1.0,
        )


def test_making_another_region_or_year_rewrites_no_file_of_the_stores_there_are(inputs: Path, tmp_path: Path) -> None:
    published = ArtifactStore(tmp_path / "artifacts")

    def make(key: str, *places: tuple[int, int]) -> artifacts.Produced:
        def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
            return store(inputs, out, windows(*places))[1]

        return artifacts.produce(
            published, Ref("d/patches", key), inputs=[], code_version="1", config={"places": places}, compute=compute
        )

    def files(folder: Path) -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}

    first = make("here|2023", *CLEAR_PLACES)
    before = files(tmp_path)
    for key in ("here|2024", "there|2023"):
        assert not make(key, (0, 0), (2, 1)).skipped
    assert len(files(tmp_path)) > len(before)
    assert {path: state for path, state in files(tmp_path).items() if path in before} == before
    again = make("here|2023", *CLEAR_PLACES)
    assert (again.skipped, again.digest, again.path) == (True, first.digest, first.path)
