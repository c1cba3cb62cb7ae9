"""Whether a score of 0.8 means mining in 80 of 100 patches: reliability table, expected calibration error, Brier score.

Calibration holds for the share of mining in the sample at hand: scores of a model trained on balanced samples say nothing
about how probable mining is where it is rare.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.evaluations.counts import ratio
from mining_platform.evaluations.intervals import wilson_interval

BINS = 10  # of equal width, as Guo et al. 2017 (On Calibration of Modern Neural Networks, ICML) and scikit-learn draw them


def calibration(is_mining: NDArray[np.bool_], scores: NDArray[np.floating]) -> dict[str, Any]:
    """`reliability`, `expected_calibration_error` and `brier_score`, with its `brier_skill` against always saying the share.

    The error is the mean over patches of |mean score - share of mining| in their bin (Naeini et al. 2015, AAAI); the Brier
    score is the mean squared difference of score and truth (Brier 1950, Mon. Weather Rev. 78, 1-3). All None, with a `reason`,
    where scores are no probabilities.
    """
    if scores.min() < 0 or scores.max() > 1:
        reason = f"scores from {scores.min():.3g} to {scores.max():.3g} are no probabilities in [0, 1]"
        return {
            "reliability": None,
            "expected_calibration_error": None,
            "brier_score": None,
            "brier_skill": None,
            "reason": reason,
        }
    table = reliability(is_mining, scores)
    gaps = [row["patches"] * abs(row["mean_score"] - row["mining_share"]) for row in table if row["patches"]]
    brier, share = float(np.mean((scores - is_mining) ** 2)), float(is_mining.mean())
    worse = ratio(brier, share * (1 - share))
    return {
        "reliability": table,
        "expected_calibration_error": float(sum(gaps) / len(scores)),
        "brier_score": brier,
        "brier_skill": None if worse is None else 1 - worse,
    }


def reliability(is_mining: NDArray[np.bool_], scores: NDArray[np.floating], bins: int = BINS) -> list[dict[str, Any]]:
    """One row a bin of scores: score_from, score_to, patches, positives, mean_score, mining_share and its interval low, high.

    Bins are open at the right, the last is closed. Means of empty bins are None.
    """
    bin_of = np.minimum((scores * bins).astype(int), bins - 1)
    patches = np.bincount(bin_of, minlength=bins).tolist()
    positives = np.bincount(bin_of[is_mining], minlength=bins).tolist()
    sums = [float(np.sort(scores[bin_of == number]).sum()) for number in range(bins)]
    rows = []
    for number in range(bins):
        n, hits = patches[number], positives[number]
        interval: dict[str, Any] = {"low": None, "high": None, **(wilson_interval(hits, n) or {})}
        spans = {"score_from": number / bins, "score_to": (number + 1) / bins}
        means = {"mean_score": ratio(sums[number], n), "mining_share": ratio(hits, n)}
        rows.append({**spans, "patches": n, "positives": hits, **means, **interval})
    return rows
