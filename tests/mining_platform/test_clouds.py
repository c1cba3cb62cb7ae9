import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_opening

from mining_platform.clouds import MARGIN_PX, clear_mask, clear_on, dilate, masking_geobox, opened
from mining_platform.grids import lattice_geobox

CLEAR = 4


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def scene(code: int, rows: slice, columns: slice) -> np.ndarray:
    scl = np.full((60, 60), CLEAR, np.uint8)
    scl[rows, columns] = code
    return scl


def test_a_scene_of_vegetation_soil_and_water_is_clear() -> None:
    for code in (2, 4, 5, 6, 7, 11):
        assert clear_mask(np.full((20, 20), code, np.uint8)).all()


@pytest.mark.parametrize("code", [3, 8, 9, 10])
def test_a_cloud_masks_itself_and_five_pixels_around(code: int) -> None:
    clear = clear_mask(scene(code, slice(25, 35), slice(25, 35)))
    assert not clear[30, 20:40].any()
    assert clear[30, [19, 40]].all()


def test_bright_bare_soil_taken_for_cloud_in_a_speck_stays_clear() -> None:
    assert clear_mask(scene(9, slice(30, 34), slice(30, 34))).all()


def test_pixels_without_data_or_defective_are_never_clear_and_do_not_grow() -> None:
    for code in (0, 1):
        scl = scene(code, slice(30, 31), slice(30, 31))
        assert not clear_mask(scl)[30, 30]
        assert clear_mask(scl).sum() == scl.size - 1


def test_a_cloud_at_the_edge_is_not_eroded_from_outside() -> None:
    clear = clear_mask(scene(9, slice(0, 3), slice(0, 60)))
    assert not clear[:8].any()
    assert clear[8:].all()


@pytest.mark.parametrize("seed", range(4))
def test_dilation_and_opening_agree_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for share in (0.02, 0.3, 0.7, 0.95):
        mask = rng.random((50, 63)) < share
        for radius in (1, 2, 5):
            np.testing.assert_array_equal(dilate(mask, radius), binary_dilation(mask, disc(radius)))
        padded = np.pad(mask, 4, constant_values=True)
        inside = (slice(6, -6), slice(6, -6))
        np.testing.assert_array_equal(opened(padded, 2)[inside], binary_opening(padded, disc(2))[inside])


@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_scene_is_masked_as_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scl = np.where(rng.random((80, 80)) < 0.75, 9, CLEAR).astype(np.uint8)
    part = clear_mask(scl[20 - MARGIN_PX : 60 + MARGIN_PX, 20 - MARGIN_PX : 60 + MARGIN_PX])
    np.testing.assert_array_equal(part[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX], clear_mask(scl)[20:60, 20:60])


def test_ten_metre_pixels_take_the_twenty_metre_pixel_they_lie_in() -> None:
    geobox = lattice_geobox(600_010, 9_299_900, 600_100, 9_299_990, 32721)
    coarse = masking_geobox(geobox)
    assert coarse.boundingbox[:4] == (599_820, 9_299_720, 600_280, 9_300_180)
    scl = np.full(coarse.shape, CLEAR, np.uint8)
    scl[MARGIN_PX, MARGIN_PX + 1] = 0
    clear = clear_on(geobox, scl)
    assert np.argwhere(~clear).tolist() == [[0, 1], [0, 2]]
