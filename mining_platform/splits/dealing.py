"""Whole groups are dealt to the splits so that their shares, of all rows and of each range, come near the fractions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.splits.hashes import unit_hash

MAX_STEPS = 400  # moves and swaps after the deal; each lessens the deviation
MAX_SWAP_GROUPS = 400  # with more, single moves are fine enough and pairs too many to try
LEAST_GAIN = 1e-4  # of squared shares, 1 % each: less would leave the seed no say


def deal(groups: pd.Series, strata: pd.Series | None, fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Split of each group: large groups first, those of like size in the seed's hash order, each to where most is lacking.

    What counts is the squared deviation of realised shares from the fractions, summed over the splits, for all rows and as
    much again for the mean over the strata (ranges). Then groups move or swap while that lessens it, and a split that
    went without gets the group that costs least, where there are as many groups as splits.
    """
    counts = pd.crosstab(groups, strata if strata is not None else pd.Series("", index=groups.index))
    names = [str(name) for name in counts.index]
    sizes = counts.to_numpy(dtype=float)
    shares = np.column_stack([sizes.sum(axis=1) / sizes.sum(), sizes / sizes.sum(axis=0) / np.sqrt(sizes.shape[1])])
    targets = np.outer(list(fractions.values()), shares.sum(axis=0))
    like = -np.floor(np.log2(sizes.sum(axis=1)))
    order = sorted(range(len(names)), key=lambda group: (like[group], unit_hash(f"{seed}:{names[group]}")))
    side = _improved(shares, targets, _dealt(shares, targets, order))
    return {name: list(fractions)[code] for name, code in zip(names, side, strict=True)}


def _dealt(shares: NDArray[np.float64], targets: NDArray[np.float64], order: list[int]) -> NDArray[np.int64]:
    """(groups,) split code: each group in turn goes where it lessens the deviation most."""
    off, side = -targets.copy(), np.zeros(len(shares), dtype=np.int64)
    for group in order:
        side[group] = int(np.argmin(off @ shares[group]))
        off[side[group]] += shares[group]
    return side


def _improved(shares: NDArray[np.float64], targets: NDArray[np.float64], side: NDArray[np.int64]) -> NDArray[np.int64]:
    side = side.copy()
    for _ in range(MAX_STEPS):
        off = np.stack([shares[side == code].sum(axis=0) for code in range(len(targets))]) - targets
        empty = np.flatnonzero(np.bincount(side, minlength=len(targets)) == 0)
        cost, group, code = _best_move(shares, off, side, empty)
        if np.isfinite(cost) and (cost < -LEAST_GAIN or empty.size):
            side[group] = code
        elif len(shares) <= MAX_SWAP_GROUPS and (pair := _best_swap(shares, off, side)):
            side[list(pair)] = side[list(pair[::-1])]
        else:
            break
    return side


def _best_move(
    shares: NDArray[np.float64], off: NDArray[np.float64], side: NDArray[np.int64], empty: NDArray[np.int64]
) -> tuple[float, int, int]:
    """Change of the squared deviation by the best move of one group out of a split with others, and that move.

    Where splits are empty, only moves into one of them.
    """
    towards = shares @ off.T
    change = 2 * (towards - towards[np.arange(len(side)), side][:, None] + (shares**2).sum(axis=1)[:, None])
    change[np.arange(len(side)), side] = np.inf
    change[np.bincount(side, minlength=len(off))[side] < 2] = np.inf  # noqa: PLR2004 - its split's last group
    if empty.size:
        change[:, [code for code in range(len(off)) if code not in empty]] = np.inf
    group, code = np.unravel_index(int(np.argmin(change)), change.shape)
    return float(change[group, code]), int(group), int(code)


def _best_swap(shares: NDArray[np.float64], off: NDArray[np.float64], side: NDArray[np.int64]) -> tuple[int, int] | None:
    """The two groups of different splits whose exchange lessens the deviation most; None where none does."""
    towards = (shares @ off.T)[:, side]  # (g, h): what group g would meet where h is
    own = np.diag(towards)
    apart = (shares**2).sum(axis=1)[:, None] + (shares**2).sum(axis=1) - 2 * shares @ shares.T
    change = np.where(side[:, None] != side, 2 * (towards - own[:, None] + towards.T - own + apart), np.inf)
    first, second = np.unravel_index(int(np.argmin(change)), change.shape)
    return (int(first), int(second)) if change[first, second] < -LEAST_GAIN else None
