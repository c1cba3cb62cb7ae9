import numpy as np
import pytest
from sklearn import calibration as reference
from sklearn import metrics

from mining_platform.evaluations.calibration import calibration, reliability


def sample(seed: int = 1, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are the very probability of mining."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0, 1, n)
    return random.uniform(0, 1, n) < scores, scores


def test_scores_that_are_the_probability_are_calibrated() -> None:
    facts = calibration(*sample())
    assert facts["expected_calibration_error"] < 0.02
    assert facts["brier_score"] == pytest.approx(1 / 6, abs=0.01)  # the mean of p (1 - p) over 0 to 1
    assert all(row["low"] - 0.02 <= row["mean_score"] <= row["high"] + 0.02 for row in facts["reliability"])


def test_the_reliability_table_is_counted_by_hand() -> None:
    scores = np.array([0.0, 0.05, 0.12, 0.95, 1.0, 1.0])
    rows = reliability(np.array([False, False, True, True, True, False]), scores)
    assert [row["patches"] for row in rows] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert [row["positives"] for row in rows] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert rows[0]["mean_score"] == pytest.approx(0.025)
    assert rows[9]["mining_share"] == pytest.approx(2 / 3)
    assert rows[2]["mean_score"] is rows[2]["mining_share"] is rows[2]["low"] is None
    assert (rows[9]["score_from"], rows[9]["score_to"]) == (0.9, 1.0)


def test_the_expected_calibration_error_is_counted_by_hand() -> None:
    facts = calibration(np.array([True, False, True, True]), np.array([0.05, 0.05, 0.85, 0.85]))
    assert facts["expected_calibration_error"] == pytest.approx((2 * abs(0.05 - 0.5) + 2 * abs(0.85 - 1)) / 4)


def test_brier_score_and_reliability_equal_those_of_scikit_learn() -> None:
    truth, scores = sample(3, 500)
    facts = calibration(truth, scores)
    assert facts["brier_score"] == pytest.approx(metrics.brier_score_loss(truth, scores))
    shares, means = reference.calibration_curve(truth, scores, n_bins=10)
    np.testing.assert_allclose([row["mining_share"] for row in facts["reliability"]], shares)
    np.testing.assert_allclose([row["mean_score"] for row in facts["reliability"]], means)


def test_always_saying_the_share_of_mining_has_no_skill_and_always_being_right_has_all() -> None:
    truth = np.array([True, False, False, False])
    assert calibration(truth, np.full(4, 0.25))["brier_skill"] == pytest.approx(0)
    assert calibration(truth, truth.astype(float))["brier_skill"] == 1.0
    assert calibration(np.array([True, True]), np.array([0.5, 0.6]))["brier_skill"] is None


def test_scores_that_are_no_probabilities_have_no_calibration_but_a_reason() -> None:
    facts = calibration(np.array([True, False]), np.array([3.5, -2.0]))
    assert facts["reason"] == "scores from -2 to 3.5 are no probabilities in [0, 1]"
    assert facts["reliability"] is facts["brier_score"] is facts["expected_calibration_error"] is None
