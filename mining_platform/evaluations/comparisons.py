"""Two models on the same test patches: differences of their scores with paired intervals.

Both are scored on the same drawn patches, or clusters, in each resample, so that what is hard for both cancels out (Efron &
Tibshirani 1993, chapter 16). An interval without 0 means a difference beyond the chance of drawing these test patches; chance in
training is not in it.
"""

from typing import Any

import numpy as np
import pandas as pd

from mining_platform.evaluations.bootstraps import resampled_scores
from mining_platform.evaluations.counts import ranking_scores, threshold_scores
from mining_platform.evaluations.intervals import CONFIDENCE_PCT, percentile_interval
from mining_platform.evaluations.patch_scores import few_clusters, no_clusters
from mining_platform.evaluations.predictions import by_id, check_predictions

COMPARED = ("f1", "precision", "recall", "specificity", "pr_auc", "roc_auc")
NAMED_IDS = 3  # in errors
Thresholds = tuple[float | None, float | None]


def compare(
    first: pd.DataFrame, second: pd.DataFrame, thresholds: Thresholds, *, seed: int, resamples: int = 1000
) -> dict[str, Any]:
    """Score by score: `first`, `second`, their `difference` (first less second), its interval `by_patch` and `by_cluster`.

    Rows are joined by patch id. Clusters are those of `first`. Where one of the thresholds is None only PR-AUC and ROC-AUC are
    compared; else `only_first_right` and `only_second_right` count the patches that tell the two apart.
    Raises ValueError when the tables do not hold the same patches with the same classes.
    """
    check_predictions(first)
    check_predictions(second)
    a, b = by_id(first), by_id(second)
    check_same_patches(a, b)
    with_calls = None not in thresholds
    used = thresholds if with_calls else (None, None)
    points = [_scores(rows, threshold) for rows, threshold in zip((a, b), used, strict=True)]
    units = {"by_patch": "patch_id"} if no_clusters(a) else {"by_patch": "patch_id", "by_cluster": "cluster"}
    draws = {"seed": seed, "resamples": resamples}
    drawn = {name: _differences(a, b, used, a[column].to_numpy(), **draws) for name, column in units.items()}
    facts = {
        "patches": len(a),
        "positives": int(a["is_mining"].sum()),
        "thresholds": list(used),
        **draws,
        "confidence_pct": CONFIDENCE_PCT,
        "scores": {name: _row(name, points, drawn) for name in COMPARED if name in points[0]},
        "clusters": int(a["cluster"].nunique()) if "by_cluster" in drawn else None,
    }
    return facts | _discordant(a, b, used) | _note(a)


def check_same_patches(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """ValueError where two tables differ in their patches or in the classes of these."""
    a, b = (set(table["patch_id"]) for table in (first, second))
    if a != b:
        only = [f"{len(side)} only in the {name}, such as {sorted(side)[:NAMED_IDS]}" for name, side in _sides(a, b) if side]
        raise ValueError(
            f"The tables do not hold the same patches: {'; '.join(only)}. Score both models on one test split, or leave the "
            "patches out that only one of them saw."
        )
    classes = first.set_index("patch_id")["is_mining"].astype(bool)
    differ = classes[classes != second.set_index("patch_id")["is_mining"].astype(bool).loc[classes.index]].index
    if len(differ):
        raise ValueError(
            f"{len(differ)} patches have another class in the second table, such as {sorted(differ)[:NAMED_IDS]}. "
            "Score both models against one label."
        )


def _sides(a: set[str], b: set[str]) -> tuple[tuple[str, set[str]], ...]:
    return ("first", a - b), ("second", b - a)


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float)


def _scores(rows: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    return ranking_scores(*_arrays(rows)) if threshold is None else threshold_scores(*_arrays(rows), threshold)


def _differences(
    a: pd.DataFrame, b: pd.DataFrame, thresholds: Thresholds, names: np.ndarray, *, seed: int, resamples: int
) -> dict[str, dict[str, Any]]:
    """Interval of each difference; the same units are drawn for both tables, for equal names and seed draw equally."""
    of_a, of_b = (
        resampled_scores(*_arrays(rows), names, threshold=threshold, seed=seed, resamples=resamples)
        for rows, threshold in zip((a, b), thresholds, strict=True)
    )
    return {name: percentile_interval(of_a[name] - of_b[name]) for name in of_a}


def _row(name: str, points: list[dict[str, Any]], drawn: dict[str, dict[str, Any]]) -> dict[str, Any]:
    one, other = points[0][name], points[1][name]
    difference = None if one is None or other is None else one - other
    row = {"first": one, "second": other, "difference": difference}
    return {**row, **{unit: intervals[name] for unit, intervals in drawn.items()}}


def _discordant(a: pd.DataFrame, b: pd.DataFrame, thresholds: Thresholds) -> dict[str, int]:
    if thresholds[0] is None or thresholds[1] is None:
        return {}
    right = [
        (rows["score"].to_numpy(float) >= threshold) == rows["is_mining"].to_numpy(bool)
        for rows, threshold in zip((a, b), thresholds, strict=True)
    ]
    return {"only_first_right": int((right[0] & ~right[1]).sum()), "only_second_right": int((right[1] & ~right[0]).sum())}


def _note(rows: pd.DataFrame) -> dict[str, str]:
    if reason := no_clusters(rows):
        return {"reason": f"no intervals by cluster: {reason}"}
    return few_clusters(int(rows["cluster"].nunique()))
