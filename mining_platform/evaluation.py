"""Evaluate binary patch scores: counts, precision, recall, F1, PR-AUC, and recall per mining-proportion range.

A score at or above the threshold means mining. Where a figure is undefined (no positives, nothing called mining) it is None
and `undefined` says why; no figure is ever NaN. Intervals are 95 %. Patches are resampled one by one: neighbouring patches
resemble each other, so the intervals are narrower than those for a new region would be.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mining_platform import bands
from mining_platform.datasets import RANGES

COLUMNS = ("patch_id", "is_mining", "score", "range", "region")
NO_MINING = RANGES[0]
CONFIDENCE_PCT = 95
Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
NDVI_VEGETATION = 0.5  # above it a pixel is vegetation, as in the site recipe of the Landsat label pipeline (SPEC.md, document 4)

_REASONS = {
    "precision": "no patch was called mining",
    "recall": "no patch holds mining",
    "f1": "no patch holds mining and none was called mining",
    "specificity": "every patch holds mining",
    "false_positive_rate": "every patch holds mining",
    "pr_auc": "no patch holds mining",
    "precision_at_prevalence": "recall or false positive rate is undefined, or both are 0",
}


def evaluate(
    predictions: pd.DataFrame, threshold: float, *, seed: int, resamples: int = 1000, prevalence: float | None = None
) -> dict[str, Any]:
    """Facts on the predictions (one row a patch, COLUMNS) at a threshold, JSON-able; the order of rows changes nothing.

    `f1` has a percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13) and the bootstrap mean; proportions have
    Wilson's interval. With `prevalence`, the share of mining patches in the landscape, `precision_at_prevalence` is the
    precision expected there, for balanced samples flatter it. Raises ValueError when the table is not fit for evaluation.
    """
    check_predictions(predictions)
    is_mining = predictions["is_mining"].to_numpy(bool)
    is_alarm = predictions["score"].to_numpy(float) >= threshold
    counts = confusion(is_mining, is_alarm)
    bootstrap = f1_bootstrap(counts, seed=seed, resamples=resamples)
    facts = threshold_scores(is_mining, predictions["score"].to_numpy(float), threshold)
    facts["precision_at_prevalence"] = precision_at(facts["recall"], facts["false_positive_rate"], prevalence)
    undefined = {name: reason for name, reason in _REASONS.items() if facts[name] is None}
    if prevalence is None:
        undefined["precision_at_prevalence"] = "no prevalence was given"
    return {
        **facts,
        "prevalence": prevalence,
        "f1_bootstrap": bootstrap,
        "precision_interval": wilson_interval(counts["tp"], counts["tp"] + counts["fp"]),
        "recall_interval": wilson_interval(counts["tp"], counts["tp"] + counts["fn"]),
        "specificity_interval": wilson_interval(counts["tn"], counts["tn"] + counts["fp"]),
        "recall_by_range": recall_by_range(predictions, threshold),
        "no_mining": false_positives(predictions, threshold),
        "by_region": by_region(predictions, threshold),
        "undefined": undefined,
    }


def check_predictions(predictions: pd.DataFrame) -> None:
    """ValueError naming the column or the patch that makes a table of predictions unfit for evaluation."""
    if missing := [column for column in COLUMNS if column not in predictions]:
        raise ValueError(
            f"Predictions lack the columns {', '.join(missing)}; they have {', '.join(map(str, predictions.columns))}."
        )
    if predictions.empty:
        raise ValueError(
            "There are no predictions to evaluate: the test split is empty. Enlarge the dataset or change its split."
        )
    ids = predictions["patch_id"]
    problems = {
        "occur twice": ids.duplicated().to_numpy(),
        "have no finite score": ~np.isfinite(predictions["score"].to_numpy(float)),
        f"have a range other than {', '.join(RANGES)}": ~predictions["range"].isin(RANGES).to_numpy(),
        "have a class that contradicts their range": predictions["is_mining"].to_numpy(bool)
        != (predictions["range"] != NO_MINING).to_numpy(),
    }
    for problem, rows in problems.items():
        if rows.any():
            raise ValueError(f"{int(rows.sum())} patches {problem}, first {min(ids[rows])}. Join predictions by patch id.")


def confusion(is_mining: np.ndarray, is_alarm: np.ndarray) -> dict[str, int]:
    """Counts tp, fp, fn, tn of (n,) bool truth and (n,) bool call."""
    return {
        "tp": int((is_mining & is_alarm).sum()),
        "fp": int((~is_mining & is_alarm).sum()),
        "fn": int((is_mining & ~is_alarm).sum()),
        "tn": int((~is_mining & ~is_alarm).sum()),
    }


def threshold_scores(is_mining: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, Any]:
    """Counts and scores at a threshold; undefined ones are None."""
    counts = confusion(is_mining, scores >= threshold)
    tp, fp, fn, tn = counts["tp"], counts["fp"], counts["fn"], counts["tn"]
    return {
        "patches": len(is_mining),
        "positives": tp + fn,
        "negatives": fp + tn,
        "threshold": float(threshold),
        **counts,
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": _ratio(tn, tn + fp),
        "false_positive_rate": _ratio(fp, tn + fp),
        "pr_auc": average_precision(is_mining, scores),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def precision_recall(is_mining: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Columns threshold, alarms, hits, precision, recall: one row a distinct score, falling.

    ValueError when no patch holds mining.
    """
    if not is_mining.any():
        raise ValueError("Precision and recall have no curve: no patch holds mining.")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each group of equal scores
    alarms, hits = last + 1, np.cumsum(is_mining[order])[last]
    columns = {"threshold": scores[order][last], "alarms": alarms, "hits": hits}
    return pd.DataFrame({**columns, "precision": hits / alarms, "recall": hits / is_mining.sum()})


def average_precision(is_mining: np.ndarray, scores: np.ndarray) -> float | None:
    """PR-AUC as average precision, the sum of precision times step in recall (no interpolation); None without positives."""
    if not is_mining.any():
        return None
    curve = precision_recall(is_mining, scores)
    return float((curve["precision"] * np.diff(curve["hits"], prepend=0)).sum() / is_mining.sum())


def best_threshold(is_mining: np.ndarray, scores: np.ndarray) -> float:
    """The threshold of greatest F1, half-way between the neighbouring scores; the highest of equals, for fewer false alarms.

    ValueError when no patch holds mining.
    """
    curve = precision_recall(is_mining, scores)
    f1 = 2 * curve["hits"] / (curve["alarms"] + is_mining.sum())
    best = int(f1.to_numpy().argmax())
    lowest_alarm = float(curve["threshold"].iloc[best])
    if best + 1 == len(curve):
        return lowest_alarm
    highest_silence = float(curve["threshold"].iloc[best + 1])
    middle = (lowest_alarm + highest_silence) / 2
    return middle if middle > highest_silence else lowest_alarm  # neighbouring floats have no middle


def f1_bootstrap(counts: Mapping[str, int], *, seed: int, resamples: int) -> dict[str, Any]:
    """Mean and 95 % percentile interval of F1 over patches drawn with replacement.

    F1 needs only the four counts, and drawing n patches with replacement is drawing the counts from a multinomial, so that is
    what is drawn. Resamples without any mining patch or alarm have no F1; they are left out and counted.
    """
    cells = np.array([counts["tp"], counts["fp"], counts["fn"], counts["tn"]])
    drawn = np.random.default_rng(seed).multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    twice_hits, whole = 2 * drawn[:, 0], 2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2]
    f1 = twice_hits[whole > 0] / whole[whole > 0]
    low, high = np.quantile(f1, [0.025, 0.975]).tolist() if len(f1) else (None, None)
    return {
        "mean": float(f1.mean()) if len(f1) else None,
        "low": low,
        "high": high,
        "resamples": resamples,
        "undefined_resamples": resamples - len(f1),
        "seed": seed,
    }


def wilson_interval(hits: int, n: int) -> dict[str, float] | None:
    """95 % score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212); None when n is 0."""
    if not n:
        return None
    share, spread = hits / n, Z_95**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return {"low": 0.0 if hits == 0 else centre - half, "high": 1.0 if hits == n else centre + half}


def recall_by_range(predictions: pd.DataFrame, threshold: float) -> dict[str, dict[str, Any]]:
    """Per mining range: n, detected, recall and its interval; None with a reason where the range holds no patch."""
    return {name: _rate(predictions[predictions["range"] == name], threshold, "detected", "recall") for name in RANGES[1:]}


def false_positives(predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """The class without mining: n, false_positives, false_positive_rate and its interval."""
    return _rate(predictions[predictions["range"] == NO_MINING], threshold, "false_positives", "false_positive_rate")


def _rate(rows: pd.DataFrame, threshold: float, count_name: str, rate_name: str) -> dict[str, Any]:
    n, alarms = len(rows), int((rows["score"] >= threshold).sum())
    interval = wilson_interval(alarms, n)
    facts = {"n": n, count_name: alarms, rate_name: _ratio(alarms, n)}
    return {**facts, **interval} if interval else {**facts, "low": None, "high": None, "reason": "no patch in this range"}


def by_region(predictions: pd.DataFrame, threshold: float) -> dict[str, dict[str, Any]]:
    """Counts and scores at the threshold per region, by region id."""
    return {
        str(region): threshold_scores(rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float), threshold)
        for region, rows in predictions.groupby("region", sort=True)
    }


def precision_at(recall: float | None, false_positive_rate: float | None, prevalence: float | None) -> float | None:
    """Precision where a share `prevalence` of patches holds mining, by Bayes' rule; None where it is undefined.

    ValueError when the prevalence is not in [0, 1].
    """
    if prevalence is not None and not 0 <= prevalence <= 1:
        raise ValueError(f"A prevalence is a share in [0, 1]; got {prevalence}.")
    if prevalence is None or recall is None or false_positive_rate is None:
        return None
    hits = recall * prevalence
    return _ratio(hits, hits + false_positive_rate * (1 - prevalence))


def ndvi_baseline(images: np.ndarray, channels: tuple[str, ...]) -> np.ndarray:
    """(n, band, y, x) uint16 DN -> (n,) float64 score: share of the valid pixels that are not vegetation.

    Not vegetation is NDVI = (NIR - red) / (NIR + red) <= NDVI_VEGETATION; a pixel is valid when both bands hold data.
    A patch without valid pixels scores 0. Choose its threshold like the model's, with `best_threshold` on validation.
    """
    nir, red = (images[:, channels.index(bands.band_of_role(role, channels))].astype(np.float32) for role in ("nir", "red"))
    valid = (nir > 0) & (red > 0)
    is_bare = valid & (nir - red <= NDVI_VEGETATION * (nir + red))
    return is_bare.sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
