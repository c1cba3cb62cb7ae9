"""The bootstrap: scores of patches drawn anew, one by one or by whole clusters of neighbours.

Patches of one neighbourhood resemble each other. Drawn one by one they count as if each told something new, and the interval is
too narrow for a new place; drawn by whole clusters they count together (Davison & Hinkley 1997, Bootstrap Methods and their
Application, section 3.8). With few clusters that interval is itself too narrow (Cameron, Gelbach & Miller 2008, Rev. Econ. Stat.
90, 414-427, who find trouble below about 30).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mining_platform.evaluations.counts import cells

FEW_CLUSTERS = 30
COUNT_SCORES = ("precision", "recall", "f1", "specificity")
RANK_SCORES = ("pr_auc", "roc_auc")
_ELEMENTS = 4_000_000  # of an array of drawn patches; bounds memory, changes no result


def unit_codes(names: NDArray) -> tuple[NDArray[np.int64], int]:
    """Number of each row's unit in the sorted names of units, so that the order of rows changes nothing, and their number."""
    units, codes = np.unique(names.astype(str), return_inverse=True)
    return codes.astype(np.int64), len(units)


def drawn_units(units: int, *, resamples: int, seed: int, at_once: int) -> Iterator[NDArray[np.int32]]:
    """How often each unit is drawn when as many as there are are drawn with replacement: (at most `at_once`, units) at a time.

    Equal seed gives equal draws, whatever `at_once`.
    """
    random = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        picked = random.integers(0, units, size=(rows, units), dtype=np.int64)
        picked += np.arange(rows)[:, None] * units
        yield np.bincount(picked.ravel(), minlength=rows * units).reshape(rows, units).astype(np.int32)


def resampled_scores(
    is_mining: NDArray[np.bool_],
    scores: NDArray[np.floating],
    names: NDArray,
    *,
    threshold: float | None,
    seed: int,
    resamples: int,
) -> dict[str, NDArray[np.float64]]:
    """Each of COUNT_SCORES (unless the threshold is None) and RANK_SCORES in each resample: (resamples,), NaN where undefined.

    `names` (n,) are the units that are drawn: patch ids, or clusters. Equal names and seed give equal draws whatever the
    scores, so that two models can be compared resample by resample.
    """
    codes, units = unit_codes(names)
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))  # of each group of equal scores
    called = None if threshold is None else unit_sums(np.stack(cells(is_mining, scores >= threshold), axis=1), codes, units)
    parts = []
    for drawn in drawn_units(units, resamples=resamples, seed=seed, at_once=at_once(max(units, len(codes)))):
        ranks = _rank_scores(drawn[:, codes[order]], is_mining[order], starts)
        parts.append(ranks if called is None else {**_count_scores(drawn @ called), **ranks})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def resampled_shares(hits: NDArray, wholes: NDArray, *, seed: int, resamples: int) -> NDArray[np.float64]:
    """(units, m) hits and (units, m) wholes -> (resamples, m) sum of hits / sum of wholes over drawn units, NaN of nothing."""
    drawn = drawn_units(len(hits), resamples=resamples, seed=seed, at_once=at_once(len(hits)))
    return np.concatenate([_share(each @ hits, each @ wholes) for each in drawn])


def unit_sums(values: NDArray, codes: NDArray[np.int64], units: int) -> NDArray[np.int64]:
    """(n, m) counts or flags of rows -> (units, m) their sums over the rows of each unit."""
    sums = np.zeros((units, values.shape[1]), np.int64)
    np.add.at(sums, codes, values.astype(np.int64))
    return sums


def at_once(width: int) -> int:
    """Resamples of `width` numbers that are held at a time."""
    return max(1, _ELEMENTS // max(width, 1))


def _count_scores(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(resamples, 4) counts tp, fp, fn, tn -> the scores that follow from them."""
    tp, fp, fn, tn = counts.T
    return {
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "specificity": _share(tn, tn + fp),
    }


def _rank_scores(
    times: NDArray[np.int32], is_mining: NDArray[np.bool_], starts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Average precision and ROC area where each patch counts `times` (resamples, n); patches by falling score."""
    all_here = np.add.reduceat(times, starts, axis=1)
    hits_here = np.add.reduceat(times * is_mining, starts, axis=1)
    alarms, hits = np.cumsum(all_here, axis=1, dtype=np.int64), np.cumsum(hits_here, axis=1, dtype=np.int64)
    positives, negatives = hits[:, -1], alarms[:, -1] - hits[:, -1]
    steps = (hits / np.maximum(alarms, 1) * hits_here).sum(axis=1)
    twice_won = ((2 * hits - hits_here) * (all_here - hits_here)).sum(axis=1)
    return {"pr_auc": _share(steps, positives), "roc_auc": _share(twice_won, 2 * positives * negatives)}


def _share(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
