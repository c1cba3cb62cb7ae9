"""Speckle filters on made speckle: how much smoother, how true to mean, edge and point, and where nothing is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mining_platform.speckle import FILTERS, Filter, gamma_map, refined_lee

LOOKS = 4.0
BOTH = pytest.mark.parametrize("smooth", [refined_lee, gamma_map])


def speckle(ground: NDArray[np.floating], seed: int = 1) -> NDArray[np.float32]:
    """4-look intensities over a ground: gamma distributed with mean 1."""
    return (ground * np.random.default_rng(seed).gamma(LOOKS, 1 / LOOKS, ground.shape)).astype(np.float32)


def looks_of(power: NDArray[np.floating]) -> float:
    """Equivalent number of looks of even ground."""
    return float(power.mean(dtype=np.float64) ** 2 / power.var(dtype=np.float64))


@BOTH
def test_even_ground_has_three_times_the_looks_and_its_mean(smooth: Filter) -> None:
    power = speckle(np.full((400, 400), 0.08))
    found = smooth(power, LOOKS, 7)
    assert found.dtype == np.float32
    assert looks_of(power) == pytest.approx(LOOKS, rel=0.02)
    assert looks_of(found) > 3 * looks_of(power)
    assert found.mean(dtype=np.float64) == pytest.approx(power.mean(dtype=np.float64), rel=0.01)


@pytest.mark.parametrize(("smooth", "share"), [(refined_lee, 0.9), (gamma_map, 0.8)])
@pytest.mark.parametrize("turn", [False, True])
def test_an_edge_of_6_db_keeps_its_place_and_its_contrast(smooth: Filter, share: float, turn: bool) -> None:
    """Means along the edge: halfway between the two pixels beside it, and three pixels away nearly the whole step."""
    ground = np.where(np.arange(60) < 30, 0.02, 0.08) * np.ones((2000, 1))
    power = speckle(ground)
    found = smooth(power.T, LOOKS, 7).T if turn else smooth(power, LOOKS, 7)
    profile = found[10:-10].mean(axis=0, dtype=np.float64)
    assert profile[29] < 0.05 < profile[30]
    dark, bright = profile[5:20].mean(), profile[40:55].mean()
    assert bright / dark == pytest.approx(4, rel=0.02)
    assert profile[32] - profile[27] > share * (bright - dark)


def test_refined_lee_keeps_a_diagonal_edge_sharper_than_a_mean_of_the_window() -> None:
    y, x = np.mgrid[:300, :300]
    ground = np.where(x > y, 0.08, 0.02)
    power = speckle(ground)
    found = refined_lee(power, LOOKS, 7)
    near = (np.abs(x - y) <= 3) & (np.abs(x - y) > 0)
    near[:10], near[-10:] = False, False
    bars = np.lib.stride_tricks.sliding_window_view(power, (7, 7)).mean(axis=(2, 3))
    mean = np.pad(bars, 3, mode="edge")
    error = {name: np.sqrt(((each - ground)[near] ** 2).mean()) for name, each in (("lee", found), ("mean", mean))}
    assert error["lee"] < 0.7 * error["mean"]


def test_gamma_map_keeps_a_point_target_as_it_is() -> None:
    power = speckle(np.full((41, 41), 0.08))
    power[20, 20] = 50.0
    assert gamma_map(power, LOOKS, 7)[20, 20] == 50.0


def test_refined_lee_keeps_most_of_a_point_target() -> None:
    power = speckle(np.full((41, 41), 0.08))
    power[20, 20] = 50.0
    assert refined_lee(power, LOOKS, 7)[20, 20] > 35.0


@BOTH
def test_no_data_stays_and_does_not_spread(smooth: Filter) -> None:
    power = np.full((60, 60), 0.08, np.float32)
    power[20:40, 25] = np.nan
    power[0, 0] = np.nan
    found = smooth(power, LOOKS, 7)
    np.testing.assert_allclose(found, power, rtol=1e-6)
    speckled = smooth(power * speckle(np.ones((60, 60))), LOOKS, 7)
    np.testing.assert_array_equal(np.isnan(speckled), np.isnan(power))


@BOTH
def test_where_nothing_is_known_there_is_nothing_and_no_warning(smooth: Filter) -> None:
    assert np.isnan(smooth(np.full((9, 9), np.nan, np.float32), LOOKS, 7)).all()


@BOTH
def test_ground_without_speckle_stays_as_it_is(smooth: Filter) -> None:
    even = np.full((20, 20), 0.25, np.float32)
    np.testing.assert_allclose(smooth(even, LOOKS, 7), even, rtol=1e-6)


@BOTH
def test_a_part_with_half_a_window_of_margin_is_that_of_the_whole_bit_for_bit(smooth: Filter) -> None:
    power = speckle(np.linspace(0.02, 0.3, 90 * 80).reshape(90, 80))
    power[40:44, 30:60] = np.nan
    whole = smooth(power, LOOKS, 7)
    np.testing.assert_array_equal(smooth(power[20 - 3 : 70 + 3, 13 - 3 : 51 + 3], LOOKS, 7)[3:-3, 3:-3], whole[20:70, 13:51])


@BOTH
def test_pixels_of_more_looks_are_smoothed_less_where_the_ground_varies(smooth: Filter) -> None:
    power = speckle(np.full((80, 80), 0.08))
    looks = np.where(np.arange(80) < 40, LOOKS, 400.0) * np.ones((80, 1))
    found = smooth(power, looks, 7)
    kept = np.abs(found / power - 1)
    assert np.median(kept[:, 45:75]) < 0.3 * np.median(kept[:, 5:35])


@BOTH
@pytest.mark.parametrize("window", [3, 6])
def test_a_window_without_middle_or_subwindows_is_refused(smooth: Filter, window: int) -> None:
    with pytest.raises(ValueError, match="odd number from 5"):
        smooth(np.ones((9, 9), np.float32), LOOKS, window)


def test_no_filter_is_a_filter_too() -> None:
    power = speckle(np.full((9, 9), 0.08))
    np.testing.assert_array_equal(FILTERS["none"](power, LOOKS, 1), power)
