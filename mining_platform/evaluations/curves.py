"""Curves over all thresholds, the areas below them, and the threshold of greatest F1. Equal scores are one step."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def precision_recall(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> pd.DataFrame:
    """Columns threshold, alarms, hits, precision, recall: one row a distinct score, falling.

    ValueError when no patch holds mining.
    """
    if not is_mining.any():
        raise ValueError("Precision and recall have no curve: no patch holds mining.")
    threshold, alarms, hits = _steps(is_mining, scores)
    columns = {"threshold": threshold, "alarms": alarms, "hits": hits}
    return pd.DataFrame({**columns, "precision": hits / alarms, "recall": hits / is_mining.sum()})


def roc(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> pd.DataFrame:
    """Columns threshold, false_positive_rate, recall: one row a distinct score, falling; the curve starts at (0, 0).

    ValueError when all patches hold mining or none does.
    """
    if is_mining.all() or not is_mining.any():
        raise ValueError("The ROC has no curve: patches with mining and patches without are both needed.")
    threshold, alarms, hits = _steps(is_mining, scores)
    false_rate = (alarms - hits) / (~is_mining).sum()
    return pd.DataFrame({"threshold": threshold, "false_positive_rate": false_rate, "recall": hits / is_mining.sum()})


def _steps(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> tuple[NDArray, NDArray, NDArray]:
    """Distinct scores falling, and how many patches, and patches with mining, score at least that."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each group of equal scores
    return scores[order][last], last + 1, np.cumsum(is_mining[order])[last]


def average_precision(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> float | None:
    """PR-AUC as average precision, the sum of precision times step in recall (no interpolation); None without positives."""
    if not is_mining.any():
        return None
    curve = precision_recall(is_mining, scores)
    return float((curve["precision"] * np.diff(curve["hits"], prepend=0)).sum() / is_mining.sum())


def roc_auc(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> float | None:
    """Share of pairs of a patch with mining and one without in which the first scores higher, equal scores counting half.

    That is the area below the ROC (Hanley & McNeil 1982, Radiology 143, 29-36). None when all patches hold mining or none does.
    """
    if is_mining.all() or not is_mining.any():
        return None
    _, alarms, hits = _steps(is_mining, scores)
    hits_here, false_here = np.diff(hits, prepend=0), np.diff(alarms - hits, prepend=0)
    twice_won = ((2 * hits - hits_here) * false_here).sum()
    return float(twice_won / (2 * int(is_mining.sum()) * int((~is_mining).sum())))


def best_threshold(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
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
