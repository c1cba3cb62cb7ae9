"""Evaluate patch scores: everything that is told of one table of predictions.

No figure is ever NaN: what is undefined is None, and `undefined` says why. Intervals are 95 %.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.evaluations.bootstraps import FEW_CLUSTERS, resampled_scores
from mining_platform.evaluations.calibration import calibration
from mining_platform.evaluations.counts import REASONS, precision_at, ranking_scores, threshold_scores
from mining_platform.evaluations.groups import by_group, false_positives, recall_by_range
from mining_platform.evaluations.intervals import CONFIDENCE_PCT, percentile_interval, wilson_interval
from mining_platform.evaluations.predictions import by_id, check_predictions


def evaluate(
    predictions: pd.DataFrame,
    threshold: float | None,
    *,
    seed: int,
    resamples: int = 1000,
    prevalence: float | None = None,
) -> dict[str, Any]:
    """Facts on predictions (one row a patch, predictions.COLUMNS) at a threshold, JSON-able; the order of rows changes nothing.

    Without a threshold only what needs none is told. `bootstrap` has the mean and percentile interval of each score `by_patch`
    and, with a column `cluster` (neighbours share one), `by_cluster`; `f1_bootstrap` is the F1 of the latter where there are two
    clusters or more, else of the former, and says which. Precision, recall and specificity also have Wilson's intervals.
    Columns `range`, `region` and `group` are each told apart. With `prevalence`, the share of mining patches in the landscape,
    `precision_at_prevalence` is the precision expected there, for balanced samples flatter it.
    Raises ValueError when the table is not fit for evaluation.
    """
    check_predictions(predictions)
    rows = by_id(predictions)
    is_mining, scores = rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float)
    draws = {"seed": seed, "resamples": resamples}
    facts = {
        **_scores(is_mining, scores, threshold, prevalence),
        "bootstrap": bootstrap(rows, threshold, **draws),
        "calibration": calibration(is_mining, scores),
    }
    if threshold is not None:
        facts["f1_bootstrap"] = _headline(facts["bootstrap"])
    if "range" in rows:
        facts["recall_by_range"] = recall_by_range(rows, threshold, **draws)
        facts["no_mining"] = false_positives(rows, threshold, **draws)
    return facts | {f"by_{column}": by_group(rows, column, threshold) for column in ("region", "group") if column in rows}


def _scores(is_mining: np.ndarray, scores: np.ndarray, threshold: float | None, prevalence: float | None) -> dict[str, Any]:
    """Counts, scores, Wilson's intervals, and why what is None is so."""
    if threshold is None:
        facts = ranking_scores(is_mining, scores)
        return {**facts, "threshold": None, "undefined": _undefined(facts)}
    facts = threshold_scores(is_mining, scores, threshold)
    facts["precision_at_prevalence"] = precision_at(facts["recall"], facts["false_positive_rate"], prevalence)
    undefined = _undefined(facts)
    if prevalence is None:
        undefined["precision_at_prevalence"] = "no prevalence was given"
    return {
        **facts,
        "prevalence": prevalence,
        "precision_interval": wilson_interval(facts["tp"], facts["tp"] + facts["fp"]),
        "recall_interval": wilson_interval(facts["tp"], facts["positives"]),
        "specificity_interval": wilson_interval(facts["tn"], facts["negatives"]),
        "undefined": undefined,
    }


def _undefined(facts: dict[str, Any]) -> dict[str, str]:
    return {name: reason for name, reason in REASONS.items() if name in facts and facts[name] is None}


def bootstrap(rows: pd.DataFrame, threshold: float | None, *, seed: int, resamples: int) -> dict[str, Any]:
    """`by_patch` and `by_cluster`: units, mean and interval of each score; `by_cluster` is None with a `reason` without clusters.

    `caution` is there where clusters are so few that their interval is too narrow.
    """
    is_mining, scores = rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float)

    def drawn(column: str) -> dict[str, Any]:
        names = rows[column].to_numpy()
        values = resampled_scores(is_mining, scores, names, threshold=threshold, seed=seed, resamples=resamples)
        return {"units": int(rows[column].nunique()), **{name: percentile_interval(each) for name, each in values.items()}}

    facts = {"resamples": resamples, "seed": seed, "confidence_pct": CONFIDENCE_PCT, "by_patch": drawn("patch_id")}
    if reason := no_clusters(rows):
        return {**facts, "by_cluster": None, "reason": reason}
    clusters = int(rows["cluster"].nunique())
    return {**facts, "by_cluster": drawn("cluster"), **few_clusters(clusters)}


def no_clusters(rows: pd.DataFrame) -> str:
    """Why clusters of a table cannot be drawn; empty where they can."""
    if "cluster" not in rows:
        return "the table does not say which patches are neighbours"
    return "" if rows["cluster"].nunique() > 1 else "all patches are in one cluster"


def few_clusters(clusters: int) -> dict[str, str]:
    """A caution for facts where there are fewer than FEW_CLUSTERS clusters; nothing otherwise."""
    if clusters >= FEW_CLUSTERS:
        return {}
    return {"caution": f"{clusters} clusters are few: intervals over clusters are too narrow below about {FEW_CLUSTERS}"}


def _headline(drawn: dict[str, Any]) -> dict[str, Any]:
    """F1 over clusters where there are some, else over patches."""
    by = "by_patch" if drawn["by_cluster"] is None else "by_cluster"
    unit = {"by_patch": "patch", "by_cluster": "cluster"}[by]
    return {**drawn[by]["f1"], "by": unit, "units": drawn[by]["units"], "resamples": drawn["resamples"], "seed": drawn["seed"]}


def range_table(facts: dict[str, Any]) -> pd.DataFrame:
    """The curve of the project as a table: patches without mining first, then a row a range, from `evaluate`.

    Columns range, patches, called_mining, share_called_mining, low, high, cluster_low, cluster_high, separation.
    """
    without = facts["no_mining"]
    first = {**without, "detected": without["false_positives"], "recall": without["false_positive_rate"]}
    rows: Sequence[tuple[str, dict[str, Any]]] = [("000", first), *facts["recall_by_range"].items()]
    columns = {"range": "range", "n": "patches", "detected": "called_mining", "recall": "share_called_mining"}
    ends = ("low", "high", "cluster_low", "cluster_high", "separation")
    table = pd.DataFrame([{"range": name, **row} for name, row in rows]).reindex(columns=[*columns, *ends])
    return table.rename(columns=columns)
