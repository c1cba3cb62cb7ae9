"""Layers beside the mosaic: written by chunks, read at windows in each channel's unit, and where a channel of a stack lies."""

from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from mining_platform import bands, layers, profiles, stacks
from mining_platform.layer_figures import layer_picture, preview
from mining_platform.layers import open_layer, read_layer, write_layer
from mining_platform.zarr_arrays import ArrayError

GEOBOX = GeoBox.from_bbox((300_000, 9_000_000, 306_000, 9_007_000), crs="EPSG:32722", resolution=10)
CHANNELS = ("S1-VV", "S1-VH")


def ramp(box: GeoBox) -> np.ndarray:
    """dB that tell their place: VV falls with the row, VH with the column; no VH in the first ten columns of the grid."""
    rows = (GEOBOX.boundingbox.top - box.boundingbox.top) / 10 + np.arange(box.shape[0])
    columns = (box.boundingbox.left - GEOBOX.boundingbox.left) / 10 + np.arange(box.shape[1])
    down, across = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([-down / 100, np.where(across < 10, np.nan, -across / 100)]).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "radar.zarr"
    write_layer(path, GEOBOX, CHANNELS, ramp, blocks=None, simulated=True)
    return path


def window(row: int, column: int, px: int = 32) -> tuple[float, float, float, float]:
    left, top = 300_000 + 10 * column, 9_007_000 - 10 * row
    return left, top - 10 * px, left + 10 * px, top


def test_values_come_back_within_half_a_step_and_voids_are_voids(path: Path) -> None:
    found = read_layer(path, window(500, 0))
    for channel, numbers, row in zip(CHANNELS, found, ramp(GEOBOX)[:, 500:532, :32], strict=True):
        np.testing.assert_allclose(bands.as_values(channel, numbers), row, atol=0.0011)
    assert (found[1, :, :10] == 0).all()
    assert (found[1, :, 10:] > 0).all()


def test_facts_tell_the_share_of_voids_by_channel(tmp_path: Path) -> None:
    facts = write_layer(tmp_path / "radar.zarr", GEOBOX, CHANNELS, ramp, blocks=[(1, 0)], simulated=False, threads=2)
    assert facts["void_share"] == {"S1-VV": 0.0, "S1-VH": pytest.approx(10 / 512)}
    assert (facts["computed_chunks"], facts["computed_pixels"]) == ([[1, 0]], 188 * 512)


def test_a_chunk_that_was_not_asked_for_is_an_error_and_no_zeros(tmp_path: Path) -> None:
    write_layer(tmp_path / "radar.zarr", GEOBOX, CHANNELS, ramp, blocks=[(1, 0)], simulated=False)
    with pytest.raises(ArrayError, match="are missing"):
        read_layer(tmp_path / "radar.zarr", window(0, 0))


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="values came for 1 channels"):
        write_layer(tmp_path / "radar.zarr", GEOBOX, CHANNELS[:1], ramp, blocks=[(0, 0)], simulated=False)


def test_equal_values_give_equal_bytes_whatever_the_threads(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zarr"
    write_layer(other, GEOBOX, CHANNELS, ramp, blocks=None, simulated=True, threads=3)
    files = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    assert all((path / name).read_bytes() == (other / name).read_bytes() for name in files)
    assert len(files) > 4


def test_xarray_opens_a_layer_with_its_coordinates(path: Path) -> None:
    import xarray as xr

    with xr.open_zarr(path, consolidated=False) as opened:
        assert dict(opened.sizes) == {"band": 2, "y": 700, "x": 600}
        assert float(opened.x[0]) == 300_005.0
        assert [row["unit"] for row in opened.attrs["bands"]] == ["dB", "dB"]


def test_the_picture_is_a_png_that_says_simulated(path: Path) -> None:
    assert open_layer(path).simulated
    assert layer_picture(path, "Radar").startswith(b"\x89PNG")


FLAGS = ("OSM-highway", "OSM-aeroway")


def flags(box: GeoBox) -> np.ndarray:
    """A road of one pixel in row 511, a runway of one pixel in row 514 and column 510; nothing is known of the last 100 rows."""
    rows = (GEOBOX.boundingbox.top - box.boundingbox.top) / 10 + np.arange(box.shape[0])[:, None]
    columns = (box.boundingbox.left - GEOBOX.boundingbox.left) / 10 + np.arange(box.shape[1])
    found = np.stack([np.broadcast_to(rows == 511, box.shape), (rows == 514) & (columns == 510)]).astype(np.float32)
    return np.where(rows >= 600, np.nan, found)


def test_a_feature_of_one_pixel_stays_in_the_picture_of_flags_and_not_known_is_no_feature(tmp_path: Path) -> None:
    write_layer(tmp_path / "osm.zarr", GEOBOX, FLAGS, flags, blocks=None, simulated=True)
    shown = preview(open_layer(tmp_path / "osm.zarr"), tmp_path / "osm.zarr", longest_px=140)  # cells of 5 x 5 pixels
    assert shown.shape == (2, 140, 120)
    assert np.flatnonzero((shown[0] == 1).any(axis=1)).tolist() == [102], "rows 510 to 514 lie in two chunks"
    assert (shown[0][102] == 1).all()
    assert np.argwhere(shown[1] == 1).tolist() == [[102, 102]]
    assert np.isnan(shown[:, 120:]).all()
    assert (np.nan_to_num(shown[:, :120], nan=-1) >= 0).all()


def test_the_picture_of_values_takes_every_nth_pixel(path: Path) -> None:
    shown = preview(open_layer(path), path, longest_px=140)
    np.testing.assert_allclose(shown, ramp(GEOBOX)[:, ::5, ::5], atol=0.0011)


def test_the_place_of_a_channel_follows_from_its_sensor() -> None:
    channels = profiles.profile("smallmines-13").channels
    assert stacks.layers_of(channels) == ("radar", "elevation")
    assert stacks.channels_of_layer("radar", channels) == CHANNELS
    assert stacks.layers_of(profiles.profile("s2-12+indices").channels) == ()
    assert stacks.layers_of(profiles.profile("s2-12+osm-5").channels) == ("osm_context",)
    assert layers.layer_name("radar") == "radar.zarr"


@pytest.mark.parametrize("channel", ["B04", "S1-VV", "DEM", "OSM-highway", "OSM-highway-distance", "NDVI", "L-thermal"])
def test_every_kind_of_channel_keeps_its_values_and_its_voids(channel: str) -> None:
    scale, offset = bands.stored_as(channel)
    values = np.array([np.nan, offset + scale, offset + 2 * scale, offset + 20_000 * scale])
    numbers = bands.as_stored(channel, values)
    assert numbers.tolist() == [0, 1, 2, 20_000]
    np.testing.assert_allclose(bands.as_values(channel, numbers), values, rtol=1e-5, atol=1e-4)


def test_values_beyond_what_numbers_hold_become_the_ends() -> None:
    assert bands.as_stored("S1-VV", np.array([-500.0, 500.0, np.inf])).tolist() == [1, 65_535, 0]
