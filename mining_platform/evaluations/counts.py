"""Scores at a threshold: who was called mining, and what follows from the four counts.

A score at or above the threshold means mining. What is undefined (no positives, nothing called mining) is None, never NaN.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.evaluations.curves import average_precision, roc_auc

CELLS = ("tp", "fp", "fn", "tn")
REASONS = {
    "precision": "no patch was called mining",
    "recall": "no patch holds mining",
    "f1": "no patch holds mining and none was called mining",
    "specificity": "every patch holds mining",
    "false_positive_rate": "every patch holds mining",
    "pr_auc": "no patch holds mining",
    "roc_auc": "all patches hold mining, or none does",
    "precision_at_prevalence": "recall or false positive rate is undefined, or both are 0",
}
"""Why a score is None."""


def confusion(is_mining: NDArray[np.bool_], is_alarm: NDArray[np.bool_]) -> dict[str, int]:
    """Counts tp, fp, fn, tn of (n,) bool truth and (n,) bool call."""
    return dict(zip(CELLS, (int(cell.sum()) for cell in cells(is_mining, is_alarm)), strict=True))


def cells(is_mining: NDArray[np.bool_], is_alarm: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """(n,) bool each: the patches of tp, fp, fn and tn."""
    return is_mining & is_alarm, ~is_mining & is_alarm, is_mining & ~is_alarm, ~is_mining & ~is_alarm


def threshold_scores(is_mining: NDArray[np.bool_], scores: NDArray[np.floating], threshold: float) -> dict[str, Any]:
    """Counts and scores at a threshold, and the scores that need none; undefined ones are None."""
    counts = confusion(is_mining, scores >= threshold)
    tp, fp, fn, tn = counts["tp"], counts["fp"], counts["fn"], counts["tn"]
    return {
        **ranking_scores(is_mining, scores),
        "threshold": float(threshold),
        **counts,
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": ratio(tn, tn + fp),
        "false_positive_rate": ratio(fp, tn + fp),
    }


def ranking_scores(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> dict[str, Any]:
    """How many patches there are, and the scores that need no threshold; undefined ones are None."""
    positives = int(is_mining.sum())
    return {
        "patches": len(is_mining),
        "positives": positives,
        "negatives": len(is_mining) - positives,
        "pr_auc": average_precision(is_mining, scores),
        "roc_auc": roc_auc(is_mining, scores),
    }


def ratio(part: float, whole: float) -> float | None:
    """The share, None of nothing."""
    return part / whole if whole else None


def precision_at(recall: float | None, false_positive_rate: float | None, prevalence: float | None) -> float | None:
    """Precision where a share `prevalence` of patches holds mining, by Bayes' rule; None where it is undefined.

    ValueError when the prevalence is not in [0, 1].
    """
    if prevalence is not None and not 0 <= prevalence <= 1:
        raise ValueError(f"A prevalence is a share in [0, 1]; got {prevalence}.")
    if prevalence is None or recall is None or false_positive_rate is None:
        return None
    hits = recall * prevalence
    return ratio(hits, hits + false_positive_rate * (1 - prevalence))
