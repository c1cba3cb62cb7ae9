import warnings

import numpy as np
import pytest

from mining_platform.compositing import reducers
from mining_platform.compositing.medians import masked_median
from mining_platform.compositing.reducers import NO_DAY, medoid, percentile_of_values, plain_medoid, plain_percentile

PERCENTILES = (0, 1, 10, 12.5, 25, 33.33, 50, 66.67, 75, 90, 99.99, 100)


def stack_of(shape: tuple[int, ...], seed: int, most: int) -> np.ndarray:
    """Random numbers below `most`, a share of them masked, with stretches of pixels under cloud on most days."""
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, most, shape).astype(np.uint16)
    stack[rng.random(shape) < rng.choice([0.0, 0.1, 0.5, 0.9])] = 0
    stack[..., rng.random(shape[-3]) < 0.5, :, 150:] = 0
    stack[..., :, :2, :5] = 0
    return stack


def nanpercentile(stack: np.ndarray, percentile: float) -> np.ndarray:
    values = np.where(stack == 0, np.nan, stack.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        exact_half = 0.5 + 1e-6  # numpy's sums of products fall short of a half by some 1e-12
        return np.floor(np.nan_to_num(np.nanpercentile(values, percentile, axis=0)) + exact_half).astype(np.uint16)


@pytest.mark.parametrize("percentile", PERCENTILES)
def test_both_percentiles_equal_nanpercentile_rounded_half_up(percentile: float) -> None:
    for seed, days in enumerate((1, 2, 3, 5, 8, 17, 33)):
        for most in (4, 65536):
            stack = stack_of((days, 3, 311), seed, most)
            expected = nanpercentile(stack, percentile)
            np.testing.assert_array_equal(plain_percentile(stack, percentile), expected)
            np.testing.assert_array_equal(percentile_of_values(stack, percentile), expected)


@pytest.mark.parametrize("days", [0, 1, 2, 40, 100])
def test_the_fast_percentile_equals_the_plain_one_for_any_number_of_days(days: int) -> None:
    stack = stack_of((days, 3, 311), days, 3000)
    for percentile in (5, 20, 50, 95):
        np.testing.assert_array_equal(percentile_of_values(stack, percentile), plain_percentile(stack, percentile))


def test_a_quarter_between_two_values_is_rounded_half_up() -> None:
    stack = np.array([[[10]], [[0]], [[12]]], np.uint16)
    assert [percentile_of_values(stack, percentile).item() for percentile in (0, 24, 25, 50, 75, 100)] == [10, 10, 11, 11, 12, 12]


def test_all_percentiles_of_equal_values_are_that_value() -> None:
    stack = np.full((7, 2, 150), 65535, np.uint16)
    for percentile in PERCENTILES:
        assert (percentile_of_values(stack, percentile) == 65535).all()


def test_the_50th_percentile_is_the_median() -> None:
    stack = stack_of((24, 3, 311), 5, 3000)
    np.testing.assert_array_equal(percentile_of_values(stack, 50), masked_median(stack, stack != 0))


@pytest.mark.parametrize("percentile", [-1, 100.01, float("nan"), float("inf"), 33.333])
def test_a_percentile_that_is_none_is_refused(percentile: float) -> None:
    with pytest.raises(ValueError, match="give a number from 0 to 100 with at most two decimals"):
        percentile_of_values(np.ones((2, 1, 1), np.uint16), percentile)


@pytest.mark.parametrize("days", [0, 1, 2, 3, 10, 100])
def test_the_fast_medoid_equals_the_plain_one(days: int) -> None:
    for seed, most in enumerate((3, 3000, 65536)):
        stack = stack_of((4, days, 3, 311), seed, most)
        np.testing.assert_array_equal(medoid(stack), plain_medoid(stack))


def test_strips_make_no_difference_to_the_medoid(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = stack_of((3, 9, 13, 200), 8, 3000)
    whole = medoid(stack)
    monkeypatch.setattr(reducers, "_STRIP_BYTES", 9 * 200 * 4 * 5)
    np.testing.assert_array_equal(medoid(stack), whole)


def test_the_medoid_is_the_day_nearest_to_the_median_over_all_bands() -> None:
    red, blue = [10, 20, 30, 40, 50], [50, 10, 28, 30, 90]
    stack = np.array([red, blue], np.uint16).reshape(2, 5, 1, 1)
    assert medoid(stack).item() == 2  # medians 30 and 30: distances 40, 30, 2, 10, 80


def test_of_two_days_equally_near_the_medoid_is_the_earlier() -> None:
    stack = np.array([[10, 20]], np.uint16).reshape(1, 2, 1, 1)
    assert medoid(stack).item() == medoid(stack[:, ::-1]).item() == 0


def test_a_day_without_a_value_in_one_band_is_never_the_medoid() -> None:
    stack = np.array([[30, 10, 50], [30, 0, 90], [0, 20, 20]], np.uint16).reshape(3, 3, 1, 1)
    assert medoid(stack).item() == 2
    assert medoid(stack[:, :2]).item() == NO_DAY


def test_the_bands_of_the_medoid_are_those_of_one_day() -> None:
    stack = stack_of((4, 12, 3, 211), 2, 3000)
    day = medoid(stack)
    image = reducers.values_of_day(stack, day)
    assert (image[:, day == NO_DAY] == 0).all()
    assert (day != NO_DAY).any()
    for row, column in np.argwhere(day != NO_DAY):
        assert image[:, row, column].tolist() == stack[:, day[row, column], row, column].tolist()
        assert image[:, row, column].all()


def test_without_days_no_day_is_chosen_and_every_value_is_0() -> None:
    stack = np.zeros((2, 0, 3, 4), np.uint16)
    assert (medoid(stack) == NO_DAY).all()
    assert not reducers.values_of_day(stack, medoid(stack)).any()


def test_bands_added_one_by_one_choose_the_same_days_as_all_at_once() -> None:
    stack = stack_of((3, 10, 4, 250), 4, 3000)
    distance, valid = np.zeros(stack.shape[1:], np.uint32), np.ones(stack.shape[1:], bool)
    for band in stack:
        reducers.add_distance(distance, valid, band, percentile_of_values(band, 50))
    np.testing.assert_array_equal(reducers.nearest_day(distance, valid), plain_medoid(stack))


def test_distances_that_could_not_be_added_in_place_are_refused() -> None:
    stack, median, valid = np.ones((2, 3, 4), np.uint16), np.ones((3, 4), np.uint16), np.ones((2, 3, 4), bool)
    wide = np.zeros((2, 3, 8), np.uint32)
    with pytest.raises(ValueError, match=r"distance is \(2, 3, 4\) uint32, not C-contiguous"):
        reducers.add_distance(wide[:, :, ::2], valid, stack, median)
    with pytest.raises(ValueError, match=r"median is \(2, 3, 4\) uint16.*; \(3, 4\) uint16 is needed"):
        reducers.add_distance(np.zeros((2, 3, 4), np.uint32), valid, stack, stack)
    with pytest.raises(ValueError, match=r"valid is \(2, 3, 4\) uint16"):
        reducers.nearest_day(np.zeros((2, 3, 4), np.uint32), stack)  # type: ignore[arg-type]


def test_a_medoid_of_a_single_band_without_its_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a \(band, t, y, x\) uint16 stack, this one is \(2, 3, 4\) uint16"):
        medoid(np.ones((2, 3, 4), np.uint16))
