import numpy as np
import pytest
from sklearn import metrics

from mining_platform.evaluations.curves import average_precision, best_threshold, precision_recall, roc, roc_auc
from tests.mining_platform.prediction_tables import noisy

SEEDS = pytest.mark.parametrize("seed", range(8))


@SEEDS
def test_the_curve_equals_that_of_scikit_learn(seed: int) -> None:
    table = noisy(seed)
    curve = precision_recall(table["is_mining"].to_numpy(), table["score"].to_numpy())
    precision, recall, threshold = metrics.precision_recall_curve(table["is_mining"], table["score"])
    np.testing.assert_allclose(curve["threshold"], threshold[::-1])
    np.testing.assert_allclose(curve["precision"], precision[-2::-1])
    np.testing.assert_allclose(curve["recall"], recall[-2::-1])


@SEEDS
def test_no_threshold_has_a_higher_f1_than_the_best(seed: int) -> None:
    table = noisy(seed)
    truth, scores = table["is_mining"].to_numpy(), table["score"].to_numpy()
    reached = metrics.f1_score(truth, scores >= best_threshold(truth, scores))
    assert reached == pytest.approx(max(metrics.f1_score(truth, scores >= value) for value in np.unique(scores)))


def test_the_best_threshold_lies_half_way_between_the_classes() -> None:
    assert best_threshold(np.array([False, True, False, True]), np.array([0.1, 0.7, 0.3, 0.9])) == pytest.approx(0.5)


def test_of_equal_thresholds_the_one_with_fewer_alarms_is_taken() -> None:
    truth = np.array([True, False, False, True])  # one alarm: F1 2/3; all alarms: F1 2/3
    assert best_threshold(truth, np.array([0.9, 0.6, 0.5, 0.1])) == pytest.approx(0.75)


def test_equal_scores_leave_only_the_threshold_that_calls_all() -> None:
    assert best_threshold(np.array([True, False]), np.array([0.4, 0.4])) == 0.4


def test_a_threshold_between_neighbouring_floats_still_parts_them() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))
    threshold = best_threshold(np.array([False, True]), np.array([low, high]))
    assert low < threshold <= high


def test_a_threshold_needs_mining_patches() -> None:
    with pytest.raises(ValueError, match="no patch holds mining"):
        best_threshold(np.array([False, False]), np.array([0.1, 0.2]))


def test_average_precision_of_a_perfect_ranking_is_one() -> None:
    assert average_precision(np.array([True] * 45 + [False] * 5), np.linspace(1, 0, 50)) == 1.0


@SEEDS
def test_the_roc_equals_that_of_scikit_learn(seed: int) -> None:
    table = noisy(seed)
    truth, scores = table["is_mining"].to_numpy(), table["score"].to_numpy()
    curve = roc(truth, scores)
    false_rate, recall, threshold = metrics.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve["threshold"], threshold[1:])
    np.testing.assert_allclose(curve["false_positive_rate"], false_rate[1:])
    np.testing.assert_allclose(curve["recall"], recall[1:])
    assert roc_auc(truth, scores) == pytest.approx(metrics.roc_auc_score(truth, scores), rel=1e-12)


def test_the_area_below_the_roc_is_the_share_of_pairs_won() -> None:
    truth = np.array([True, True, False, False])
    assert roc_auc(truth, np.array([0.9, 0.4, 0.4, 0.1])) == (1 + 1 + 0.5 + 1) / 4
    assert roc_auc(truth, np.zeros(4)) == 0.5
    assert roc_auc(np.array([True, True]), np.array([0.1, 0.2])) is None


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_the_roc_needs_both_classes(truth: list[bool]) -> None:
    with pytest.raises(ValueError, match="patches with mining and patches without are both needed"):
        roc(np.array(truth), np.array([0.1, 0.2]))
