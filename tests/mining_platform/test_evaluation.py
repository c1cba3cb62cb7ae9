import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mining_platform.evaluations.counts import precision_at
from mining_platform.evaluations.intervals import wilson_interval
from mining_platform.evaluations.patch_scores import evaluate, range_table
from mining_platform.ranges import RANGES
from tests.mining_platform.prediction_tables import SIX, noisy, predictions

SEEDS = pytest.mark.parametrize("seed", range(8))


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
        "separation": None,
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
        (SIX.drop(columns="score"), "lack the columns score; they have patch_id, is_mining"),
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


def test_a_range_is_as_separate_from_no_mining_as_its_patches_score_above_it() -> None:
    facts = evaluate(SIX, 0.5, seed=1)["recall_by_range"]
    assert facts["000_010"]["separation"] == pytest.approx((1 + 3) / 6)  # 0.2 beats one of three, 0.9 all
    assert facts["090_100"]["separation"] == 1.0


def test_without_a_threshold_only_what_needs_none_is_told() -> None:
    facts = evaluate(SIX, None, seed=1)
    assert "f1" not in facts
    assert "f1_bootstrap" not in facts
    assert facts["threshold"] is None
    assert facts["pr_auc"] == evaluate(SIX, 0.5, seed=1)["pr_auc"]
    row = facts["recall_by_range"]["000_010"]
    assert (row["n"], row["detected"], row["recall"], row["reason"]) == (2, None, None, "no threshold was given")
    assert row["separation"] == pytest.approx(2 / 3)
    json_numbers(facts)


def test_patches_of_unknown_range_are_counted_apart() -> None:
    table = SIX.assign(range=["", "000_010", "090_100", "", "000", "000"])
    facts = evaluate(table, 0.5, seed=1)
    assert (facts["recall_by_range"]["not known"]["n"], facts["recall_by_range"]["not known"]["detected"]) == (1, 0)
    assert (facts["no_mining"]["n"], facts["no_mining"]["false_positives"]) == (3, 1)
    assert sum(row["n"] for row in facts["recall_by_range"].values()) == facts["positives"]


def test_a_table_needs_neither_ranges_nor_regions() -> None:
    facts = evaluate(SIX[["patch_id", "is_mining", "score"]], 0.5, seed=1)
    assert facts["recall"] == pytest.approx(2 / 3)
    assert not {"recall_by_range", "no_mining", "by_region", "by_group"} & set(facts)


def test_recall_of_a_group_has_the_interval_of_its_own_patches() -> None:
    facts = evaluate(SIX.assign(group=["a", "a", "b", "a", "b", "b"]), 0.5, seed=1)["by_group"]
    assert facts["a"]["recall_interval"] == wilson_interval(1, 2)
    assert facts["b"]["specificity_interval"] == wilson_interval(2, 2)


def test_the_table_of_ranges_starts_with_the_patches_without_mining() -> None:
    table = range_table(evaluate(SIX, 0.5, seed=1))
    assert table["range"].tolist() == list(RANGES)
    assert table.loc[:1, ["patches", "called_mining"]].to_numpy().tolist() == [[3, 1], [2, 1]]
    assert table["share_called_mining"].iloc[:2].tolist() == pytest.approx([1 / 3, 1 / 2])
    assert table.loc[table["range"] == "050_060", "share_called_mining"].isna().all()


def test_the_table_of_ranges_needs_no_threshold() -> None:
    table = range_table(evaluate(SIX, None, seed=1))
    assert table["called_mining"].isna().all()
    assert table.loc[table["range"] == "090_100", "separation"].tolist() == [1.0]
