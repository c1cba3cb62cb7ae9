"""Scores group by group: mining ranges, regions, or whatever a table names. Each with its counts and intervals."""

from typing import Any

import numpy as np
import pandas as pd

from mining_platform.evaluations.bootstraps import resampled_shares, unit_codes, unit_sums
from mining_platform.evaluations.counts import ranking_scores, ratio, threshold_scores
from mining_platform.evaluations.curves import roc_auc
from mining_platform.evaluations.intervals import percentile_interval, wilson_interval
from mining_platform.evaluations.predictions import NOT_KNOWN
from mining_platform.ranges import RANGES

NOT_KNOWN_NAME = "not known"
"""Key of the patches with mining whose range is not known; there only if there are any."""


def by_group(predictions: pd.DataFrame, column: str, threshold: float | None) -> dict[str, dict[str, Any]]:
    """Counts and scores of each group of a column, by its name, with Wilson's intervals of recall and specificity."""
    return {str(name): _group(rows, threshold) for name, rows in predictions.groupby(column, sort=True)}


def _group(rows: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    is_mining, scores = rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float)
    if threshold is None:
        return ranking_scores(is_mining, scores)
    facts = threshold_scores(is_mining, scores, threshold)
    return {
        **facts,
        "recall_interval": wilson_interval(facts["tp"], facts["positives"]),
        "specificity_interval": wilson_interval(facts["tn"], facts["negatives"]),
    }


def recall_by_range(
    predictions: pd.DataFrame, threshold: float | None, *, seed: int, resamples: int
) -> dict[str, dict[str, Any]]:
    """Per mining range: n, detected, recall with Wilson's interval, and `separation` from the patches without mining.

    `separation` needs no threshold: the share of pairs of a patch of the range and one without mining in which the first scores
    higher (roc_auc). With a column `cluster`, `clusters` is the number of clusters in the range and `cluster_low`,
    `cluster_high` the bootstrap interval over clusters: None with one cluster and where all or no patches are detected, for the
    bootstrap has no width then and tells nothing. None with a reason where the range holds no patch or there is no threshold.
    """
    names = predictions["range"].where(predictions["range"] != NOT_KNOWN, NOT_KNOWN_NAME)
    mining = predictions.assign(range=names)[predictions["is_mining"].to_numpy(bool)]
    wanted = [*RANGES[1:], *([NOT_KNOWN_NAME] if (mining["range"] == NOT_KNOWN_NAME).any() else [])]
    others = predictions.loc[~predictions["is_mining"].to_numpy(bool), "score"].to_numpy(float)
    rates = {name: _rate(mining[mining["range"] == name], threshold, "detected", "recall") for name in wanted}
    clusters = _cluster_intervals(mining, wanted, threshold, seed=seed, resamples=resamples)
    return {name: {**rates[name], **_separation(mining[mining["range"] == name], others), **clusters[name]} for name in wanted}


def false_positives(predictions: pd.DataFrame, threshold: float | None, *, seed: int, resamples: int) -> dict[str, Any]:
    """The patches without mining: n, false_positives, false_positive_rate and its intervals, as `recall_by_range`."""
    rows = predictions[~predictions["is_mining"].to_numpy(bool)].assign(range=RANGES[0])
    clusters = _cluster_intervals(rows, [RANGES[0]], threshold, seed=seed, resamples=resamples)
    return {**_rate(rows, threshold, "false_positives", "false_positive_rate"), **clusters[RANGES[0]]}


def _rate(rows: pd.DataFrame, threshold: float | None, count_name: str, rate_name: str) -> dict[str, Any]:
    n = len(rows)
    if threshold is None or not n:
        reason = "no patch in this range" if not n else "no threshold was given"
        counted = 0 if threshold is not None else None
        return {"n": n, count_name: counted, rate_name: None, "low": None, "high": None, "reason": reason}
    alarms = int((rows["score"] >= threshold).sum())
    return {"n": n, count_name: alarms, rate_name: ratio(alarms, n), **(wilson_interval(alarms, n) or {})}


def _separation(rows: pd.DataFrame, others: np.ndarray) -> dict[str, float | None]:
    scores = np.concatenate([rows["score"].to_numpy(float), others])
    return {"separation": roc_auc(np.arange(len(scores)) < len(rows), scores) if len(scores) else None}


def _cluster_intervals(
    rows: pd.DataFrame, names: list[str], threshold: float | None, *, seed: int, resamples: int
) -> dict[str, dict[str, Any]]:
    """Per range: clusters, cluster_low, cluster_high; nothing where the table has no clusters or none can be told."""
    nothing: dict[str, dict[str, Any]] = {name: {} for name in names}
    if "cluster" not in rows or threshold is None or rows.empty:
        return nothing
    codes, units = unit_codes(rows["cluster"].to_numpy())
    is_in = (rows["range"].to_numpy()[:, None] == np.array(names)).astype(int)
    is_alarm = rows["score"].to_numpy(float) >= threshold
    wholes, hits = unit_sums(is_in, codes, units), unit_sums(is_in * is_alarm[:, None], codes, units)
    shares = resampled_shares(hits, wholes, seed=seed, resamples=resamples)
    found = {name: int((wholes[:, place] > 0).sum()) for place, name in enumerate(names)}
    return {
        name: _ends(percentile_interval(shares[:, place]), found[name]) if found[name] else {} for place, name in enumerate(names)
    }


def _ends(interval: dict[str, Any], clusters: int) -> dict[str, Any]:
    untold = interval["low"] == interval["high"]
    return {"clusters": clusters, **{f"cluster_{end}": None if untold else interval[end] for end in ("low", "high")}}
