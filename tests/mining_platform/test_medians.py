import warnings

import numpy as np
import pytest

from mining_platform.medians import masked_median, median_of_values


def stack_of(dates: int, seed: int, most: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, most, (dates, 21, 37)).astype(np.uint16)
    stack[rng.random(stack.shape) < rng.choice([0.1, 0.5, 0.9])] = 0
    stack[:, :3, :5] = 0
    return stack


def nanmedian(stack: np.ndarray) -> np.ndarray:
    values = np.where(stack == 0, np.nan, stack.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.floor(np.nan_to_num(np.nanmedian(values, axis=0)) + 0.5).astype(np.uint16)


@pytest.mark.parametrize("dates", [*range(1, 18), 31, 32, 33, 64, 75])
def test_both_medians_equal_nanmedian_rounded_half_up(dates: int) -> None:
    for seed, most in enumerate((5, 3000, 65536)):
        stack = stack_of(dates, seed, most)
        expected = nanmedian(stack)
        np.testing.assert_array_equal(masked_median(stack, stack != 0), expected)
        np.testing.assert_array_equal(median_of_values(stack), expected)


def test_masked_values_do_not_count() -> None:
    stack = np.array([[[10]], [[20]], [[9000]]], np.uint16)
    clear = np.array([[[True]], [[True]], [[False]]])
    assert masked_median(stack, clear).item() == 15


def test_a_pixel_without_values_is_0() -> None:
    stack = np.full((4, 2, 2), 7, np.uint16)
    assert not masked_median(stack, np.zeros(stack.shape, bool)).any()
    assert not median_of_values(np.zeros_like(stack)).any()
