import warnings

import numpy as np
import pytest

from mining_platform.compositing.medians import masked_median, median_of_values


def stack_of(dates: int, seed: int, most: int, shape: tuple[int, int] = (21, 37)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, most, (dates, *shape)).astype(np.uint16)
    stack[rng.random(stack.shape) < rng.choice([0.1, 0.5, 0.9])] = 0
    stack[:, :3, :5] = 0
    return stack


def clouded(stack: np.ndarray, seed: int) -> np.ndarray:
    """The stack without most of its dates over whole stretches of pixels."""
    rng = np.random.default_rng(seed)
    flat = stack.reshape(len(stack), -1).copy()
    for start in range(0, flat.shape[1], 150):
        flat[rng.random(len(flat)) < 0.6, start : start + 150] = 0
    return flat.reshape(stack.shape)


def nanmedian(stack: np.ndarray) -> np.ndarray:
    values = np.where(stack == 0, np.nan, stack.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.floor(np.nan_to_num(np.nanmedian(values, axis=0)) + 0.5).astype(np.uint16)


@pytest.mark.parametrize("dates", [*range(1, 18), 31, 32, 33, 64, 75, 100])
def test_both_medians_equal_nanmedian_rounded_half_up(dates: int) -> None:
    for seed, most in enumerate((5, 3000, 65536)):
        for stack in (stack_of(dates, seed, most), clouded(stack_of(dates, seed, most), seed)):
            expected = nanmedian(stack)
            np.testing.assert_array_equal(masked_median(stack, stack != 0), expected)
            np.testing.assert_array_equal(median_of_values(stack), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 127), (1, 128), (3, 43), (2, 128), (5, 0), (257, 3)])
def test_the_number_of_pixels_makes_no_difference(shape: tuple[int, int]) -> None:
    stack = np.random.default_rng(1).integers(0, 40, (6, *shape)).astype(np.uint16)
    np.testing.assert_array_equal(median_of_values(stack), masked_median(stack, stack != 0))


@pytest.mark.parametrize("valid", range(9))
def test_any_number_of_masked_dates_leaves_the_median_of_the_others(valid: int) -> None:
    """In all arrangements of which dates are masked, beside a pixel that has them all."""
    for chosen in range(1 << 8):
        if chosen.bit_count() == valid:
            values = np.array([65535 - 7 * date if chosen >> date & 1 else 0 for date in range(8)], np.uint16)
            stack = np.stack([values, np.arange(1, 9, dtype=np.uint16)], axis=1)[:, None]
            assert median_of_values(stack).tolist() == masked_median(stack, stack != 0).tolist()


def test_masked_values_do_not_count() -> None:
    stack = np.array([[[10]], [[20]], [[9000]]], np.uint16)
    clear = np.array([[[True]], [[True]], [[False]]])
    assert masked_median(stack, clear).item() == 15


def test_half_a_count_is_rounded_up_even_between_the_greatest_numbers() -> None:
    stack = np.array([[[65534, 1]], [[65535, 2]], [[0, 0]]], np.uint16)
    assert median_of_values(stack).tolist() == masked_median(stack, stack != 0).tolist() == [[65535, 2]]


def test_a_pixel_without_values_is_0() -> None:
    stack = np.full((4, 2, 2), 7, np.uint16)
    assert not masked_median(stack, np.zeros(stack.shape, bool)).any()
    assert not median_of_values(np.zeros_like(stack)).any()


def test_without_dates_every_pixel_is_0() -> None:
    stack = np.zeros((0, 3, 200), np.uint16)
    assert median_of_values(stack).tolist() == masked_median(stack, stack != 0).tolist() == [[0] * 200] * 3


def test_the_order_of_dates_and_the_layout_in_memory_make_no_difference() -> None:
    stack = stack_of(12, 3, 500)
    expected = median_of_values(stack)
    np.testing.assert_array_equal(median_of_values(stack[::-1]), expected)
    np.testing.assert_array_equal(median_of_values(np.asfortranarray(stack)), expected)
    np.testing.assert_array_equal(median_of_values(stack[:, 2:, 4:]), expected[2:, 4:])


def test_a_stack_of_another_type_or_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(t, y, x\) uint16, this one is \(2, 3, 4\) float32"):
        median_of_values(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match=r"must be \(t, y, x\) uint16, this one is \(3, 4\) uint16"):
        median_of_values(np.zeros((3, 4), np.uint16))
