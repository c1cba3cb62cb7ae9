import numpy as np
import pytest
import rasterio

from mining_platform.bands import S2_OFFSET_DN
from mining_platform.offsets import dark_dn, detected_offset
from tests.conftest import REALDATA


def test_the_darkest_number_is_the_one_a_thousandth_of_the_valid_pixels_lies_below() -> None:
    numbers = np.arange(1, 10_001, dtype=np.uint16)
    assert dark_dn(numbers) == 11
    assert dark_dn(numbers, 0) == 1
    assert dark_dn(numbers, 0.5) == 5_001
    assert dark_dn(numbers, 1) == 10_000


def test_pixels_without_data_are_not_dark() -> None:
    numbers = np.zeros((50, 50), np.uint16)
    numbers[10:20] = 1_200
    assert dark_dn(numbers) == 1_200


def test_a_single_defective_pixel_does_not_decide() -> None:
    numbers = np.full(5_000, 1_100, np.uint16)
    numbers[7] = 3
    assert dark_dn(numbers) == 1_100


def test_the_darkest_number_equals_a_sort_on_random_pixels() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        numbers = rng.integers(0, 4_000, rng.integers(1, 3_000)).astype(np.uint16)
        numbers[0] = 5
        valid = np.sort(numbers[numbers > 0])
        assert dark_dn(numbers, 0.01) == valid[min(int(0.01 * valid.size), valid.size - 1)]


def test_what_is_no_share_and_pixels_without_data_are_refused() -> None:
    with pytest.raises(ValueError, match="is no share of pixels"):
        dark_dn(np.ones(3, np.uint16), 1.5)
    with pytest.raises(ValueError, match="No pixel has a digital number above 0"):
        dark_dn(np.zeros(3, np.uint16))
    with pytest.raises(ValueError, match="No band was given"):
        detected_offset({})


def test_the_offset_is_in_only_where_every_band_lies_at_or_above_its_size() -> None:
    assert detected_offset({"B02": 1_000, "B11": 1_400}) == S2_OFFSET_DN
    assert detected_offset({"B02": 1_300, "B11": 999}) == 0
    assert detected_offset({"B02": 2_000, "B11": 15}) == 0


def test_the_offset_of_the_real_scene_of_trombetas_is_still_in() -> None:
    path = REALDATA / "trombetas-s2-srtm-polygons" / "sen2_12band.tif"
    if not path.exists():
        pytest.skip(f"the real scene {path} is absent; set MINING_PLATFORM_REALDATA")
    with rasterio.open(path) as source:
        stack = np.floor(source.read().astype(np.float64) * 10_000 + 0.5).astype(np.uint16)
    darkest = {str(band): dark_dn(numbers) for band, numbers in enumerate(stack)}
    assert detected_offset(darkest) == S2_OFFSET_DN
    assert (min(darkest.values()), max(darkest.values())) == (1_035, 1_206)


def test_the_real_golden_scenes_have_no_offset_not_even_the_two_full_of_clouds() -> None:
    path = REALDATA / "s2-l1c-cloud-golden" / "REFERENCE_SCENES.npy"
    if not path.exists():
        pytest.skip(f"the real scenes {path} are absent; set MINING_PLATFORM_REALDATA")
    for scene in np.load(path):
        stack = np.floor(scene.astype(np.float64) * 10_000 + 0.5).astype(np.uint16)
        assert detected_offset({str(band): dark_dn(stack[..., band]) for band in range(stack.shape[-1])}) == 0
