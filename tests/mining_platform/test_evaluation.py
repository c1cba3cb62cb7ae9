import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mining_platform.datasets import RANGES
from mining_platform.evaluation import (
    average_precision,
    best_threshold,
    evaluate,
    f1_bootstrap,
    ndvi_baseline,
    precision_at,
    precision_recall,
    wilson_interval,
)
from mining_platform.evaluation_figures import precision_recall_figure, recall_figure, score_figure
from mining_platform.figures import figure_png

SEEDS = pytest.mark.parametrize("seed", range(8))


def predictions(rows: list[tuple[str, float]]) -> pd.DataFrame:
    """A table of predictions from (range, score)."""
    ranges, scores = [row[0] for row in rows], [row[1] for row in rows]
    ids = [f"w{row}_2024" for row in range(len(rows))]
    is_mining = [name != "000" for name in ranges]
    return pd.DataFrame({"patch_id": ids, "is_mining": is_mining, "score": scores, "range": ranges, "region": "sim-serra"})


def noisy(seed: int, n: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    names = random.choice(RANGES, n, p=[0.5, *[0.05] * 10])
    scores = (random.normal(0.35, 0.2, n) + 0.3 * (names != "000")).clip(0, 1).round(2)  # rounded, so that scores tie
    return predictions(list(zip(names.tolist(), scores.tolist(), strict=True)))


# Two of three mines found, one false alarm among three patches without mining.
SIX = predictions([("000_010", 0.2), ("000_010", 0.9), ("090_100", 0.8), ("000", 0.7), ("000", 0.1), ("000", 0.3)])


def test_scores_of_six_patches_are_those_counted_by_hand() -> None:
    facts = evaluate(SIX, 0.5, seed=1)
    assert [facts[name] for name in ("tp", "fp", "fn", "tn")] == [2, 1, 1, 2]
    assert (facts["patches"], facts["positives"], facts["negatives"]) == (6, 3, 3)
    for name in ("precision", "recall", "f1", "specificity"):
        assert facts[name] == pytest.approx(2 / 3)
    assert facts["pr_auc"] == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_a_score_at_the_threshold_is_an_alarm() -> None:
    assert evaluate(SIX, 0.8, seed=1)["tp"] == 2


def test_recall_is_told_for_each_range() -> None:
    facts = evaluate(SIX, 0.5, seed=1)["recall_by_range"]
    assert list(facts) == list(RANGES[1:])
    assert (facts["000_010"]["n"], facts["000_010"]["detected"], facts["000_010"]["recall"]) == (2, 1, 0.5)
    assert facts["090_100"]["recall"] == 1.0
    assert facts["050_060"] == {
        "n": 0,
        "detected": 0,
        "recall": None,
        "low": None,
        "high": None,
        "reason": "no patch in this range",
    }


def test_patches_without_mining_have_a_false_positive_rate() -> None:
    facts = evaluate(SIX, 0.5, seed=1)["no_mining"]
    assert (facts["n"], facts["false_positives"], facts["false_positive_rate"]) == (3, 1, pytest.approx(1 / 3))
    assert facts["low"] < 1 / 3 < facts["high"]


def test_ranges_add_up_to_the_whole() -> None:
    facts = evaluate(noisy(3), 0.5, seed=1)
    assert sum(row["detected"] for row in facts["recall_by_range"].values()) == facts["tp"]
    assert sum(row["n"] for row in facts["recall_by_range"].values()) == facts["positives"]


@SEEDS
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    table = noisy(seed)
    truth, called = table["is_mining"], table["score"] >= 0.5
    facts = evaluate(table, 0.5, seed=1)
    assert facts["precision"] == pytest.approx(metrics.precision_score(truth, called))
    assert facts["recall"] == pytest.approx(metrics.recall_score(truth, called))
    assert facts["f1"] == pytest.approx(metrics.f1_score(truth, called))
    assert facts["pr_auc"] == pytest.approx(metrics.average_precision_score(truth, table["score"]))


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


def test_the_bootstrap_interval_is_that_of_patches_drawn_one_by_one() -> None:
    table = noisy(1, n=200)
    truth, called = table["is_mining"].to_numpy(), table["score"].to_numpy() >= 0.5
    rows = np.random.default_rng(0).integers(0, 200, (4000, 200))
    drawn = np.array([metrics.f1_score(truth[row], called[row]) for row in rows[:400]])
    facts = evaluate(table, 0.5, seed=5, resamples=4000)["f1_bootstrap"]
    assert facts["mean"] == pytest.approx(drawn.mean(), abs=0.01)
    assert facts["low"] == pytest.approx(np.quantile(drawn, 0.025), abs=0.025)
    assert facts["high"] == pytest.approx(np.quantile(drawn, 0.975), abs=0.025)


def test_the_bootstrap_of_a_perfect_model_has_no_width() -> None:
    facts = f1_bootstrap({"tp": 30, "fp": 0, "fn": 0, "tn": 30}, seed=1, resamples=200)
    assert (facts["low"], facts["mean"], facts["high"], facts["undefined_resamples"]) == (1.0, 1.0, 1.0, 0)


def test_resamples_without_f1_are_counted() -> None:
    facts = f1_bootstrap({"tp": 1, "fp": 0, "fn": 0, "tn": 1}, seed=1, resamples=1000)
    assert facts["undefined_resamples"] == pytest.approx(250, abs=60)
    assert facts["mean"] == 1.0


def test_the_wilson_interval_is_the_published_one() -> None:
    interval = wilson_interval(15, 148)  # this and the next two: Newcombe 1998, Statistics in Medicine 17, table I, method 3
    assert interval is not None
    assert (round(interval["low"], 4), round(interval["high"], 4)) == (0.0624, 0.1605)
    few = wilson_interval(1, 29)
    assert few is not None
    assert (round(few["low"], 4), round(few["high"], 4)) == (0.0061, 0.1718)
    none_found = wilson_interval(0, 20)
    assert none_found is not None
    assert (none_found["low"], round(none_found["high"], 4)) == (0.0, 0.1611)


def test_the_interval_of_all_found_is_the_mirror_of_none_found() -> None:
    none_found, all_found = wilson_interval(0, 12), wilson_interval(12, 12)
    assert none_found is not None
    assert all_found is not None
    assert all_found["high"] == 1.0
    assert all_found["low"] == pytest.approx(1 - none_found["high"])


def test_precision_falls_with_prevalence_by_bayes_rule() -> None:
    assert precision_at(0.9, 0.1, 0.5) == pytest.approx(0.9)
    assert precision_at(0.9, 0.1, 0.01) == pytest.approx(0.009 / (0.009 + 0.099))
    assert precision_at(0.0, 0.0, 0.5) is None
    assert precision_at(0.9, 0.1, None) is None
    with pytest.raises(ValueError, match=r"share in \[0, 1\]; got 5"):
        precision_at(0.9, 0.1, 5)


def json_numbers(value: Any) -> None:
    json.dumps(value, allow_nan=False)


def test_a_test_split_without_mining_says_so_and_holds_no_nan() -> None:
    facts = evaluate(predictions([("000", 0.1), ("000", 0.2)]), 0.5, seed=1)
    assert facts["recall"] is facts["pr_auc"] is facts["f1"] is facts["precision"] is None
    assert facts["f1_bootstrap"]["low"] is None
    assert facts["undefined"]["recall"] == "no patch holds mining"
    assert facts["specificity"] == 1.0
    json_numbers(facts)


def test_a_test_split_of_mining_alone_says_so() -> None:
    facts = evaluate(predictions([("000_010", 0.1), ("090_100", 0.9)]), 0.5, seed=1)
    assert facts["specificity"] is None
    assert facts["undefined"]["specificity"] == "every patch holds mining"
    assert facts["no_mining"]["reason"] == "no patch in this range"
    json_numbers(facts)


def test_a_model_that_never_alarms_has_no_precision_but_a_recall_of_zero() -> None:
    facts = evaluate(SIX.assign(score=0.0), 0.5, seed=1)
    assert (facts["precision"], facts["recall"], facts["f1"]) == (None, 0.0, 0.0)
    assert facts["undefined"]["precision"] == "no patch was called mining"
    json_numbers(facts)


def test_what_is_defined_has_no_reason() -> None:
    assert evaluate(SIX, 0.5, seed=1, prevalence=0.01)["undefined"] == {}
    assert evaluate(SIX, 0.5, seed=1)["undefined"] == {"precision_at_prevalence": "no prevalence was given"}


def test_the_order_of_rows_changes_nothing() -> None:
    table = noisy(2)
    assert evaluate(table.sample(frac=1, random_state=1), 0.5, seed=1) == evaluate(table, 0.5, seed=1)


def test_regions_are_told_apart() -> None:
    table = SIX.assign(region=["b", "a", "b", "a", "b", "a"])
    facts = evaluate(table, 0.5, seed=1)["by_region"]
    assert list(facts) == ["a", "b"]
    assert (facts["a"]["tp"], facts["a"]["fp"], facts["a"]["recall"]) == (1, 1, 1.0)
    assert (facts["b"]["tp"], facts["b"]["fn"], facts["b"]["recall"]) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (SIX.drop(columns="range"), "lack the columns range"),
        (SIX.iloc[:0], "test split is empty"),
        (pd.concat([SIX, SIX.iloc[:1]]), "1 patches occur twice, first w0_2024"),
        (SIX.assign(score=[0.1, np.nan, 0.2, 0.3, 0.4, 0.5]), "1 patches have no finite score, first w1_2024"),
        (SIX.assign(range="zero"), "6 patches have a range other than 000, 000_010"),
        (SIX.assign(is_mining=True), "3 patches have a class that contradicts their range, first w3_2024"),
    ],
)
def test_a_table_unfit_for_evaluation_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(table, 0.5, seed=1)


def test_the_ndvi_baseline_scores_the_share_of_bare_pixels() -> None:
    red_and_nir = np.array([[[[300, 2000], [1000, 0]], [[3000, 2500], [3000, 3000]]]], dtype=np.uint16)  # (1, 2, 2, 2)
    # NDVI 0.82, 0.11, exactly 0.5 (not vegetation) and one pixel without red
    assert ndvi_baseline(red_and_nir, ("B04", "B08")).tolist() == [2 / 3]


def test_a_patch_without_data_scores_zero_in_the_baseline() -> None:
    assert ndvi_baseline(np.zeros((1, 2, 4, 4), np.uint16), ("B04", "B08")).tolist() == [0.0]


def test_the_ndvi_baseline_needs_a_near_infrared_channel() -> None:
    with pytest.raises(KeyError, match="role 'nir'"):
        ndvi_baseline(np.zeros((1, 3, 4, 4), np.uint16), ("B04", "B03", "B02"))


def test_average_precision_of_a_perfect_ranking_is_one() -> None:
    assert average_precision(np.array([True] * 45 + [False] * 5), np.linspace(1, 0, 50)) == 1.0


def test_figures_are_drawn_with_equal_bytes_even_for_ranges_without_patches() -> None:
    facts = evaluate(SIX, 0.5, seed=1)
    curves = {"sim-cnn": SIX, "always no": SIX.assign(score=0.0)}
    for draw in (
        lambda: recall_figure(facts, title="Recall", simulated=True),
        lambda: precision_recall_figure(curves, facts, title="Curve", simulated=True),
        lambda: score_figure(SIX, 0.5, title="Scores", simulated=False),
    ):
        first, second = figure_png(draw()), figure_png(draw())
        assert first == second


def test_figures_say_that_data_are_simulated() -> None:
    facts = evaluate(SIX, 0.5, seed=1)
    titles = [recall_figure(facts, title="Recall", simulated=flag).get_suptitle() for flag in (True, False)]
    assert titles == ["SIMULATED · Recall", "Recall"]


def test_figures_are_drawn_for_a_test_split_without_mining() -> None:
    table = predictions([("000", 0.1), ("000", 0.2)])
    facts = evaluate(table, 0.5, seed=1)
    assert figure_png(recall_figure(facts, title="Recall", simulated=True))
    assert figure_png(precision_recall_figure({"model": table}, facts, title="Curve", simulated=True))
