"""Two models on the same patches: paired differences, and tables that cannot be paired."""

import json

import numpy as np
import pandas as pd
import pytest

from mining_platform.evaluations.comparisons import compare
from mining_platform.evaluations.patch_scores import evaluate
from tests.mining_platform.prediction_tables import SIX, noisy


def nudged(table: pd.DataFrame, gain: float) -> pd.DataFrame:
    """The same scores, those of mining patches a little higher."""
    return table.assign(score=table["score"] + gain * table["is_mining"])


def test_a_model_compared_with_itself_differs_in_nothing_and_surely() -> None:
    facts = compare(noisy(1), noisy(1), (0.5, 0.5), seed=1)
    for row in facts["scores"].values():
        assert row["first"] == row["second"]
        assert (row["difference"], row["by_patch"]["low"], row["by_patch"]["high"]) == (0.0, 0.0, 0.0)
    assert (facts["only_first_right"], facts["only_second_right"]) == (0, 0)


def test_differences_are_those_of_the_scores_of_each() -> None:
    table = noisy(2)
    facts = compare(nudged(table, 0.2), table, (0.5, 0.4), seed=1)
    one, other = evaluate(nudged(table, 0.2), 0.5, seed=1), evaluate(table, 0.4, seed=1)
    for name in ("f1", "precision", "recall", "specificity", "pr_auc", "roc_auc"):
        row = facts["scores"][name]
        assert (row["first"], row["second"]) == (one[name], other[name])
        assert row["difference"] == pytest.approx(one[name] - other[name])
    assert (facts["patches"], facts["positives"]) == (120, int(table["is_mining"].sum()))


def test_pairing_shows_a_difference_that_two_separate_intervals_hide() -> None:
    table = noisy(3, n=300)
    better = nudged(table, 0.04)
    row = compare(better, table, (0.5, 0.5), seed=1)["scores"]["pr_auc"]
    intervals = [evaluate(each, 0.5, seed=1)["bootstrap"]["by_patch"]["pr_auc"] for each in (better, table)]
    assert intervals[0]["low"] < intervals[1]["high"]  # alone, the two could be equal
    assert row["by_patch"]["low"] > 0


def test_the_paired_interval_covers_no_difference_in_about_95_of_100_tests() -> None:
    """Two models of equal skill with errors of their own; 200 tests, of which 190 should hold 0, give or take 3 each way."""
    random, held = np.random.default_rng(5), 0
    for _ in range(200):
        truth = random.uniform(size=150) < 0.4
        shared = truth * 1.0 + random.normal(0, 0.7, 150)
        tables = [
            pd.DataFrame(
                {"patch_id": np.arange(150).astype(str), "is_mining": truth, "score": shared + random.normal(0, 0.5, 150)}
            )
            for _ in range(2)
        ]
        interval = compare(tables[0], tables[1], (0.5, 0.5), seed=1, resamples=200)["scores"]["recall"]["by_patch"]
        held += interval["low"] <= 0 <= interval["high"]
    assert 0.9 <= held / 200 <= 0.985


def test_rows_are_joined_by_id_whatever_their_order() -> None:
    one, other = noisy(1), nudged(noisy(1), 0.1)
    assert compare(one, other.sample(frac=1, random_state=2), (0.5, 0.5), seed=1) == compare(one, other, (0.5, 0.5), seed=1)


def test_patches_that_tell_the_two_apart_are_counted() -> None:
    other = SIX.assign(score=[0.9, 0.2, 0.8, 0.1, 0.1, 0.9])  # finds the first mine, misses the second; another false alarm
    facts = compare(SIX, other, (0.5, 0.5), seed=1)
    assert (facts["only_first_right"], facts["only_second_right"]) == (2, 2)


def test_clusters_are_drawn_for_both_and_few_of_them_cautioned_of() -> None:
    table = noisy(4).assign(cluster=[f"c{row % 12}" for row in range(120)])
    facts = compare(table, nudged(table, 0.2).drop(columns="cluster"), (0.5, 0.5), seed=1)
    assert facts["clusters"] == 12
    assert facts["scores"]["f1"]["by_cluster"]["low"] < facts["scores"]["f1"]["by_cluster"]["high"]
    assert facts["caution"].startswith("12 clusters are few")


def test_without_clusters_the_reason_is_told() -> None:
    facts = compare(SIX, SIX, (0.5, 0.5), seed=1)
    assert facts["clusters"] is None
    assert facts["reason"] == "no intervals by cluster: the table does not say which patches are neighbours"
    assert "by_cluster" not in facts["scores"]["f1"]


def test_without_one_of_the_thresholds_only_rankings_are_compared() -> None:
    facts = compare(noisy(1), noisy(2).assign(**noisy(1)[["is_mining", "range"]]), (0.5, None), seed=1)
    assert list(facts["scores"]) == ["pr_auc", "roc_auc"]
    assert "only_first_right" not in facts
    json.dumps(facts, allow_nan=False)


def test_a_score_that_one_model_has_not_has_no_difference() -> None:
    facts = compare(SIX, SIX.assign(score=0.0), (0.5, 0.5), seed=1)
    assert facts["scores"]["precision"]["second"] is facts["scores"]["precision"]["difference"] is None
    json.dumps(facts, allow_nan=False)


def test_tables_of_other_patches_are_refused_with_their_names() -> None:
    other = SIX.assign(patch_id=[*SIX["patch_id"][:5], "elsewhere"])
    with pytest.raises(
        ValueError, match=r"1 only in the first, such as \['w5_2024'\]; 1 only in the second, such as \['elsewhere'\]"
    ):
        compare(SIX, other, (0.5, 0.5), seed=1)
    with pytest.raises(ValueError, match=r"same patches: 1 only in the first, such as \['w5_2024'\]\. Score both"):
        compare(SIX, SIX.iloc[:5], (0.5, 0.5), seed=1)


def test_tables_of_other_classes_are_refused() -> None:
    other = SIX.assign(is_mining=[True, True, True, True, False, False]).drop(columns="range")
    with pytest.raises(ValueError, match=r"1 patches have another class in the second table, such as \['w3_2024'\]"):
        compare(SIX, other, (0.5, 0.5), seed=1)
