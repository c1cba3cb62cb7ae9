"""Intervals by patch and by cluster, against patches drawn one by one and against what is known of chance."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mining_platform.evaluations.bootstraps import drawn_units, resampled_scores
from mining_platform.evaluations.patch_scores import evaluate
from tests.mining_platform.prediction_tables import SIX, noisy


def arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["is_mining"].to_numpy(), table["score"].to_numpy()


def test_each_resample_holds_as_many_units_as_there_are() -> None:
    drawn = np.concatenate(list(drawn_units(40, resamples=500, seed=1, at_once=500)))
    assert drawn.shape == (500, 40)
    assert (drawn.sum(axis=1) == 40).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(40), abs=0.2)
    assert (drawn == 0).mean() == pytest.approx((1 - 1 / 40) ** 40, abs=0.01)


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_draws_do_not_depend_on_how_many_are_held_at_once(at_once: int) -> None:
    whole = np.concatenate(list(drawn_units(11, resamples=50, seed=3, at_once=50)))
    np.testing.assert_array_equal(np.concatenate(list(drawn_units(11, resamples=50, seed=3, at_once=at_once))), whole)


def test_every_resample_has_the_scores_that_scikit_learn_gives_its_patches() -> None:
    table = noisy(1, n=60)
    truth, scores = arrays(table)
    drawn = resampled_scores(truth, scores, np.array([f"{row:02d}" for row in range(60)]), threshold=0.5, seed=4, resamples=30)
    for row, times in enumerate(np.concatenate(list(drawn_units(60, resamples=30, seed=4, at_once=30)))):
        y, s = np.repeat(truth, times), np.repeat(scores, times)
        called = s >= 0.5
        assert drawn["precision"][row] == pytest.approx(metrics.precision_score(y, called))
        assert drawn["recall"][row] == pytest.approx(metrics.recall_score(y, called))
        assert drawn["f1"][row] == pytest.approx(metrics.f1_score(y, called))
        assert drawn["specificity"][row] == pytest.approx(metrics.recall_score(~y, ~called))
        assert drawn["pr_auc"][row] == pytest.approx(metrics.average_precision_score(y, s))
        assert drawn["roc_auc"][row] == pytest.approx(metrics.roc_auc_score(y, s))


def test_whole_clusters_are_drawn() -> None:
    table = noisy(2, n=60)
    truth, scores = arrays(table)
    clusters = np.array([f"c{row % 7}" for row in range(60)])
    drawn = resampled_scores(truth, scores, clusters, threshold=0.5, seed=4, resamples=20)
    for row, times in enumerate(np.concatenate(list(drawn_units(7, resamples=20, seed=4, at_once=20)))):
        each = times[np.arange(60) % 7]
        y, s = np.repeat(truth, each), np.repeat(scores, each)
        assert drawn["f1"][row] == pytest.approx(metrics.f1_score(y, s >= 0.5))
        assert drawn["pr_auc"][row] == pytest.approx(metrics.average_precision_score(y, s))


def test_the_bootstrap_interval_is_that_of_patches_drawn_one_by_one() -> None:
    table = noisy(1, n=200)
    truth, scores = arrays(table)
    rows = np.random.default_rng(0).integers(0, 200, (400, 200))
    drawn = np.array([metrics.f1_score(truth[row], scores[row] >= 0.5) for row in rows])
    facts = evaluate(table, 0.5, seed=5, resamples=4000)["f1_bootstrap"]
    assert facts["by"] == "patch"
    assert facts["mean"] == pytest.approx(drawn.mean(), abs=0.01)
    assert facts["low"] == pytest.approx(np.quantile(drawn, 0.025), abs=0.025)
    assert facts["high"] == pytest.approx(np.quantile(drawn, 0.975), abs=0.025)


def two_patches(score: float) -> pd.DataFrame:
    return pd.DataFrame({"patch_id": ["a", "b"], "is_mining": [True, False], "score": [score, 0.0]})


def test_the_bootstrap_of_a_perfect_model_has_no_width() -> None:
    perfect = pd.concat([two_patches(1.0).assign(patch_id=[f"a{row}", f"b{row}"]) for row in range(30)])
    facts = evaluate(perfect, 0.5, seed=1, resamples=200)["f1_bootstrap"]
    assert (facts["low"], facts["mean"], facts["high"], facts["undefined_resamples"]) == (1.0, 1.0, 1.0, 0)


def test_resamples_without_f1_are_counted() -> None:
    facts = evaluate(two_patches(1.0), 0.5, seed=1, resamples=1000)["f1_bootstrap"]
    assert facts["undefined_resamples"] == pytest.approx(250, abs=60)
    assert facts["mean"] == 1.0


def test_neighbours_that_are_copies_widen_the_interval_over_clusters_as_copies_do() -> None:
    single = noisy(5, n=100).assign(cluster=lambda table: table["patch_id"])
    copies = pd.concat([single.assign(patch_id=single["patch_id"] + f"_{copy}") for copy in range(9)])
    facts, alone = evaluate(copies, 0.5, seed=1), evaluate(single, 0.5, seed=1)

    def width(drawn: dict) -> float:
        return drawn["f1"]["high"] - drawn["f1"]["low"]

    by_patch, by_cluster = width(facts["bootstrap"]["by_patch"]), width(facts["bootstrap"]["by_cluster"])
    assert by_cluster == pytest.approx(width(alone["bootstrap"]["by_cluster"]), rel=1e-12)  # nine copies tell nothing new
    assert by_cluster / by_patch == pytest.approx(3, rel=0.2)  # the square root of nine
    assert facts["bootstrap"]["by_cluster"]["units"] == 100
    assert facts["f1_bootstrap"]["by"] == "cluster"


def test_clusters_of_one_patch_each_give_the_interval_by_patch() -> None:
    table = noisy(6).assign(cluster=lambda rows: rows["patch_id"])
    drawn = evaluate(table, 0.5, seed=1)["bootstrap"]
    assert drawn["by_cluster"] == drawn["by_patch"]


def test_neither_rows_nor_names_of_clusters_in_another_order_change_anything() -> None:
    table = noisy(2).assign(cluster=[f"c{row % 40}" for row in range(120)])
    again = table.sample(frac=1, random_state=1)
    assert evaluate(again, 0.5, seed=1) == evaluate(table, 0.5, seed=1)


def test_one_cluster_or_none_gives_no_interval_but_a_reason() -> None:
    assert evaluate(SIX, 0.5, seed=1)["bootstrap"]["reason"] == "the table does not say which patches are neighbours"
    facts = evaluate(SIX.assign(cluster="here"), 0.5, seed=1)
    assert facts["bootstrap"]["by_cluster"] is None
    assert facts["bootstrap"]["reason"] == "all patches are in one cluster"
    assert facts["f1_bootstrap"]["by"] == "patch"
    assert facts["recall_by_range"]["000_010"]["clusters"] == 1
    assert facts["recall_by_range"]["000_010"]["cluster_low"] is None


def test_few_clusters_come_with_a_caution() -> None:
    few = evaluate(SIX.assign(cluster=list("abcabc")), 0.5, seed=1)["bootstrap"]
    assert few["caution"].startswith("3 clusters are few: intervals over clusters are too narrow")
    many = noisy(1).assign(cluster=[f"c{row % 30}" for row in range(120)])
    assert "caution" not in evaluate(many, 0.5, seed=1)["bootstrap"]


def test_a_range_found_whole_in_some_clusters_and_not_at_all_in_others_has_a_wide_interval_over_clusters() -> None:
    found = [True] * 10 + [False] * 10
    rows = [{"patch_id": f"{c}_{n}", "cluster": c, "score": float(hit)} for c, hit in enumerate(found) for n in range(50)]
    table = pd.DataFrame(rows).assign(is_mining=True, range="050_060")
    row = evaluate(table, 0.5, seed=1)["recall_by_range"]["050_060"]
    assert (row["n"], row["clusters"], row["recall"]) == (1000, 20, 0.5)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 1000), rel=0.02)
    assert row["cluster_high"] - row["cluster_low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 20), rel=0.15)


def test_a_range_that_is_found_whole_has_no_interval_over_clusters_but_wilson_s() -> None:
    table = SIX.assign(cluster=list("abcabc"), score=SIX["is_mining"] * 1.0)
    facts = evaluate(table, 0.5, seed=1)
    row = facts["recall_by_range"]["000_010"]
    assert (row["n"], row["clusters"], row["recall"], row["high"]) == (2, 2, 1.0, 1.0)
    assert row["low"] < 0.4
    assert row["cluster_low"] is row["cluster_high"] is facts["no_mining"]["cluster_low"] is None


def test_with_permuted_labels_pr_auc_falls_to_the_share_of_mining_within_its_interval() -> None:
    """A twentieth of 95 % intervals may miss by chance; of 60 permutations more than 8 miss one time in a hundred."""
    table = noisy(3, n=400)
    assert evaluate(table, None, seed=1)["bootstrap"]["by_patch"]["pr_auc"]["low"] > table["is_mining"].mean() + 0.1
    random, missed = np.random.default_rng(0), 0
    for _ in range(60):
        truth = random.permutation(table["is_mining"].to_numpy())
        facts = evaluate(table[["patch_id", "score"]].assign(is_mining=truth), None, seed=1, resamples=300)
        interval = facts["bootstrap"]["by_patch"]["pr_auc"]
        missed += not interval["low"] <= table["is_mining"].mean() <= interval["high"]
        assert facts["roc_auc"] == pytest.approx(0.5, abs=0.12)
    assert missed <= 8
