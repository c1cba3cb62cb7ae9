"""Patches of channels from several places: the mosaic, layers beside it, indices of its bands."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.layers import write_layer
from mining_platform.mosaic_arrays import open_mosaic
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patches import read_attributes, read_images
from mining_platform.stacks import open_stack
from tests.mining_platform.patch_stores import PX, RED, store, windows, write_inputs

STACK = ("B11", "S1-VV", "B04", "OSM-highway", "MNDWI")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_inputs(tmp_path_factory.mktemp("inputs"))
    geobox = open_mosaic(folder / "mosaic.zarr").geobox

    def radar(box: GeoBox) -> np.ndarray:
        values = np.full((2, *box.shape), -7.0, np.float32)
        values[0, 32:48, 16:18] = np.nan
        return values

    def context(box: GeoBox) -> np.ndarray:
        values = np.zeros((1, *box.shape), np.float32)
        values[0, 5] = 1
        return values

    write_layer(folder / "radar.zarr", geobox, ("S1-VV", "S1-VH"), radar, blocks=None, simulated=False)
    write_layer(folder / "osm_context.zarr", geobox, ("OSM-highway",), context, blocks=None, simulated=True)
    return folder


def cut(inputs: Path, out: Path, channels: tuple[str, ...] = STACK, **options: float) -> tuple[pd.DataFrame, dict[str, Any]]:
    beside = {name: inputs / f"{name}.zarr" for name in ("radar", "osm_context")}
    return store(inputs, out, windows((0, 0), (2, 1), (1, 0)), channels=channels, layers=beside, **options)


def test_every_channel_has_its_own_pixels_in_the_order_that_was_asked_for(inputs: Path, tmp_path: Path) -> None:
    index, facts = cut(inputs, tmp_path)
    (row,) = index.loc[index["window_id"] == windows((0, 0))["window_id"][0], "row"]
    image = read_images(tmp_path, [row])[0]
    assert facts["channels"] == list(STACK)
    assert (image[0] == 777).all()
    assert (image[1] == round((-7 + 80) / 0.002)).all()
    np.testing.assert_array_equal(image[2], RED[:PX, :PX])
    assert image[3, 5].tolist() == [2] * PX
    assert (np.delete(image[3], 5, axis=0) == 1).all()


def test_the_store_tells_each_channels_unit_and_that_a_part_is_simulated(inputs: Path, tmp_path: Path) -> None:
    cut(inputs, tmp_path)
    told = read_attributes(tmp_path)
    assert [row["unit"] for row in told["bands"]] == ["reflectance", "dB", "reflectance", "flag", "index"]
    assert (told["unit"], told["scale"], told["offset"], told["simulated"]) == ("per band", 1.0, 0.0, True)


def test_ground_without_radar_counts_as_masked(inputs: Path, tmp_path: Path) -> None:
    index, _ = cut(inputs, tmp_path, max_masked_share=0.1)
    shares = index.set_index("window_id")["masked_share"]
    (void,) = windows((2, 1))["window_id"]
    assert shares[void] == pytest.approx(2 / 16)
    assert (shares.drop(void) == 0).all()
    assert index.set_index("window_id").loc[void, "dropped"]


def test_a_layer_without_the_channels_that_are_asked_for_masks_nothing(inputs: Path, tmp_path: Path) -> None:
    index, _ = cut(inputs, tmp_path, channels=("B04", "S1-VH"))
    assert (index["masked_share"] == 0).all()


def test_an_index_is_computed_from_the_mosaics_bands_by_their_roles(inputs: Path, tmp_path: Path) -> None:
    cut(inputs, tmp_path, channels=("B04", "B03", "MNDWI", "B11"))
    numbers = read_images(tmp_path, [0])[0].astype(float)
    green, swir = numbers[1], numbers[3]
    np.testing.assert_allclose(bands.as_values("MNDWI", numbers[2].astype(np.uint16)), (green - swir) / (green + swir), atol=6e-5)


def test_training_reads_the_values_in_their_units(inputs: Path, tmp_path: Path) -> None:
    cut(inputs, tmp_path, channels=("S1-VV", "OSM-highway"))
    image = PatchDataset([tmp_path])[0][0]
    assert image[0].numpy() == pytest.approx(-7.0, abs=1e-3)
    assert set(np.unique(image[1].numpy()).tolist()) <= {0.0, 1.0}


def test_channels_that_are_nowhere_are_named_with_those_that_are(inputs: Path) -> None:
    there = "B04, B03, B02, B11, S1-VV, S1-VH, nor indices"
    with pytest.raises(ValueError, match=rf"Channels \['DEM', 'NBR'\] are not among {there}"):
        open_stack(inputs / "mosaic.zarr", {"radar": inputs / "radar.zarr"}, ("B04", "DEM", "NBR"))
