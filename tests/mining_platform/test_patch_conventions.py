"""Three readers open a patch store unchanged and find the same pixels and the same meaning."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorstore as ts
import xarray as xr
import zarr
from affine import Affine
from pyproj import CRS

from mining_platform.grids import window_geobox
from mining_platform.patch_arrays import create_arrays, shard_patches, write_patches
from mining_platform.patches import read_attributes, read_images, read_labels
from mining_platform.zarr_arrays import ArrayError, open_array
from tests.mining_platform.patch_stores import CHANNELS, CLEAR_PLACES, PX, RED, store, windows, write_inputs
from tests.synthetic import EPSG

PLACES = [*CLEAR_PLACES, (2, 2), (3, 4)]  # the last is cloudy


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def cut(inputs: Path, tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """A store of eight patches in shards of four, and its index."""
    return tmp_path, store(inputs, tmp_path, windows(*PLACES), max_masked_share=1.0)[0]


def by_tensorstore(path: Path) -> Any:
    """An array as anyone opens it, without what this project asks of its readers."""
    return ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}).result()


def opened(folder: Path, **options: Any) -> xr.Dataset:
    return xr.open_zarr(folder / "patches.zarr", consolidated=False, decode_coords="all", **options)


def test_zarr_python_xarray_and_tensorstore_see_equal_pixels(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, index = cut
    group, raw = zarr.open_group(folder / "patches.zarr", mode="r"), opened(folder, mask_and_scale=False)
    for name, expected in (("image", read_images(folder, index["row"])), ("label", read_labels(folder, index["row"]))):
        assert expected.any()
        for found in (group[name][:], raw[name].to_numpy(), by_tensorstore(folder / "patches.zarr" / name).read().result()):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_every_reader_sees_names_and_units(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = cut
    array = by_tensorstore(folder / "patches.zarr" / "image")
    of_tensorstore = array.spec().to_json()["metadata"]["attributes"]
    of_zarr = dict(zarr.open_array(folder / "patches.zarr" / "image", mode="r").attrs)
    of_xarray = {**opened(folder)["image"].attrs, **opened(folder)["image"].encoding}
    for found in (of_tensorstore, of_zarr, of_xarray):
        told = {name: found[name] for name in ("long_name", "units", "scale_factor", "add_offset", "_FillValue", "grid_mapping")}
        assert told == {
            "long_name": "reflectance",
            "units": "1",
            "scale_factor": 1e-4,
            "add_offset": 0.0,
            "_FillValue": 0,
            "grid_mapping": "spatial_ref",
        }
        assert tuple(found["band_names"]) == CHANNELS
    assert array.domain.labels == opened(folder)["image"].dims == ("sample", "band", "y", "x")


def test_xarray_masks_and_scales_to_reflectance_unless_told_not_to(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, index = cut
    cloudy = int(index["masked_share"].argmax())
    image = opened(folder)["image"]
    assert image[cloudy].isnull().all()
    red = image[0, 0].to_numpy()
    stored = read_images(folder, [0])[0, 0]
    np.testing.assert_allclose(red, stored * 1e-4, rtol=1e-6)
    assert stored.min() > 0
    assert opened(folder, mask_and_scale=False)["image"][cloudy].to_numpy().max() == 0
    assert opened(folder)["label"].dtype == np.uint8
    assert opened(folder)["label"].attrs["flag_values"] == [0, 1, 255]
    assert opened(folder)["label"].attrs["flag_meanings"] == "other mining no_class"


def test_every_reader_sees_the_affine_and_the_reference_system_of_each_patch(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, index = cut
    path = folder / "patches.zarr"
    corners = {
        "xarray": (opened(folder)["x0"].to_numpy(), opened(folder)["y0"].to_numpy()),
        "zarr-python": tuple(zarr.open_array(path / name, mode="r")[:] for name in ("x0", "y0")),
        "tensorstore": tuple(by_tensorstore(path / name).read().result() for name in ("x0", "y0")),
    }
    expected = [window_geobox(window) for window in index["window_id"]]
    for x0, y0 in corners.values():
        assert [Affine(10, 0, left, 0, -10, top) for left, top in zip(x0, y0, strict=True)] == [box.affine for box in expected]
    assert [Affine(*row) for row in read_attributes(folder)["affines"]] == [box.affine for box in expected]
    references = (
        opened(folder)["spatial_ref"].attrs["crs_wkt"],
        zarr.open_array(path / "spatial_ref", mode="r").attrs["crs_wkt"],
        by_tensorstore(path / "spatial_ref").spec().to_json()["metadata"]["attributes"]["crs_wkt"],
        read_attributes(folder)["proj:wkt2"],
        read_attributes(folder)["proj:code"],
    )
    assert [CRS(reference).to_epsg() for reference in references] == [EPSG] * 5


def test_the_figures_of_each_patch_join_the_store_from_the_index_in_its_order(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = cut
    index = pd.read_parquet(folder / "patches.parquet").query("~dropped")
    found = opened(folder).assign_coords({name: ("sample", index[name]) for name in ("clear_share", "clear_min")})
    assert set(found.data_vars) == {"image", "label"}
    seen = found["image"].notnull().any("band").mean(("y", "x"))
    np.testing.assert_allclose(seen, found["clear_share"])
    assert sorted(set(found["clear_share"].to_numpy().tolist())) == [0.0, 0.84375, 1.0]  # 40 of 256 px in a cloud's corner
    assert found.isel(sample=found["clear_share"].to_numpy() == 1).sizes["sample"] == len(CLEAR_PLACES)


def test_reflectance_is_float32_in_two_lines(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = cut
    image = opened(folder, mask_and_scale=False)["image"]
    reflectance = image.where(image > 0) * np.float32(image.attrs["scale_factor"])
    assert (reflectance.dtype, opened(folder)["image"].dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(reflectance, opened(folder)["image"], rtol=1e-6)


def test_the_group_has_a_row_a_band(inputs: Path, tmp_path: Path) -> None:
    store(inputs, tmp_path, windows((0, 0)), channels=("B11", "B04"))
    first, second = read_attributes(tmp_path)["bands"]
    assert (first["id"], first["role"], first["wavelength_nm"]) == ("B11", "swir1", 1613.7)
    assert (second["id"], second["unit"], second["scale"], second["offset"], second["nodata"]) == (
        "B04",
        "reflectance",
        1e-4,
        0,
        0,
    )
    assert (opened(tmp_path, mask_and_scale=False)["image"][0, 1].to_numpy() == RED[:PX, :PX]).all()


@pytest.mark.parametrize("name", ["image", "label"])
def test_a_flipped_byte_in_a_file_is_an_error_and_never_numbers(cut: tuple[Path, pd.DataFrame], name: str) -> None:
    folder, index = cut
    file = folder / "patches.zarr" / name / "c" / "/".join("0" * (4 if name == "image" else 3))
    good, read = file.read_bytes(), read_images if name == "image" else read_labels
    for position in np.random.default_rng(0).integers(0, len(good), 20):
        content = bytearray(good)
        content[position] ^= 0xFF
        file.write_bytes(content)
        with pytest.raises(ArrayError, match="damaged"):
            read(folder, index["row"])
    file.write_bytes(good)
    assert read(folder, index["row"]).any()


def test_a_missing_file_is_an_error_that_names_it(cut: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = cut
    (folder / "patches.zarr" / "image" / "c" / "1" / "0" / "0" / "0").unlink()
    assert read_images(folder, [0]).any()
    with pytest.raises(ArrayError, match=r"c/1/0/0/0 of .*image are missing"):
        read_images(folder, [0, 4])


def test_files_hold_fewer_patches_where_patches_are_large() -> None:
    assert shard_patches(12, 128) == 256
    assert shard_patches(12, 256) == 170
    assert shard_patches(12, 48) == 256
    assert shard_patches(12, 8192) == 1


def test_patches_lie_in_the_order_written_across_files(tmp_path: Path) -> None:
    pixels = np.arange(9 * 2 * 4 * 4, dtype=np.uint16).reshape(9, 2, 4, 4)
    image, _ = create_arrays(tmp_path, 9, ("B04", "B03"), 4, shard=4)
    write_patches(image, iter(pixels))
    np.testing.assert_array_equal(open_array(tmp_path / "image").read().result(), pixels)
    assert len(list((tmp_path / "image").rglob("0"))) >= 3
