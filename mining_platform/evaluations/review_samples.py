"""Which windows people look at to estimate an area: a stratified random sample whose probabilities are known.

Balanced datasets are no such sample: their windows are chosen to fill ranges, not to stand for the landscape.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mining_platform.splits.hashes import unit_hash

DESIGN_COLUMNS = ("window_id", "stratum", "stratum_windows", "inclusion_probability")
LEAST_PER_STRATUM = 2  # a variance within a stratum needs two windows


def allocation(stratum_windows: Mapping[str, int], total: int, *, least: int) -> dict[str, int]:
    """Windows to review in each stratum: `least` in each, the rest in proportion to the windows that it has.

    So that rare strata, where mining is, get enough (Olofsson et al. 2014, section 5.1.2: 50 to 100 each). Strata with fewer
    windows are reviewed whole. ValueError when the total is too small, larger than all windows, or `least` is below 2.
    """
    floor = {name: min(least, windows) for name, windows in stratum_windows.items()}
    whole = sum(stratum_windows.values())
    if least < LEAST_PER_STRATUM or not sum(floor.values()) <= total <= whole:
        raise ValueError(
            f"{total} windows cannot be shared over strata of {dict(stratum_windows)} with at least {least} in each: review "
            f"{sum(floor.values())} to {whole} windows, and at least {LEAST_PER_STRATUM} in a stratum."
        )
    sizes = dict(floor)
    while rest := total - sum(sizes.values()):
        room = {name: stratum_windows[name] - size for name, size in sizes.items() if size < stratum_windows[name]}
        weights = {name: stratum_windows[name] for name in room}
        extra = {name: min(room[name], rest * weights[name] // sum(weights.values())) for name in room}
        if not any(extra.values()):
            largest = sorted(room, key=lambda name: (-weights[name], name))[:rest]
            extra = dict.fromkeys(largest, 1)
        sizes = {name: size + extra.get(name, 0) for name, size in sizes.items()}
    return sizes


def draw_review_sample(windows: pd.DataFrame, sizes: Mapping[str, int], *, seed: int) -> pd.DataFrame:
    """Windows to review, DESIGN_COLUMNS, by stratum and in the order in which they were drawn.

    `windows` is every window of the ground whose area is wanted, once, with window_id and stratum (such as what a map says
    of it); `sizes` the number to draw in each stratum. Within a stratum every window is as likely, sizes[stratum] /
    stratum_windows; which ones are drawn follows from the seed and their ids alone, and a larger sample holds the smaller one.
    Raises ValueError for windows that occur twice, strata without a size and sizes that a stratum cannot give.
    """
    if (twice := windows["window_id"].duplicated()).any():
        raise ValueError(f"{int(twice.sum())} windows occur twice, first {min(windows['window_id'][twice])}. Name each once.")
    counts = {str(name): int(count) for name, count in windows["stratum"].value_counts().sort_index().items()}
    _check_sizes(counts, sizes)
    drawn = [_drawn(rows, int(sizes[str(name)]), seed) for name, rows in windows.groupby("stratum", sort=True)]
    return pd.concat(drawn, ignore_index=True)


def _check_sizes(counts: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    for name in sorted({*counts, *sizes}):
        windows, size = counts.get(name, 0), sizes.get(name, 0)
        least = min(LEAST_PER_STRATUM, windows)
        if not max(least, 1) <= size <= windows:
            raise ValueError(
                f"Stratum {name!r} has {windows} windows, of which {size} are to be drawn. Draw {max(least, 1)} to {windows}: an "
                "area with an interval needs windows of every stratum."
            )


def _drawn(rows: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    hashes = np.array([unit_hash(f"{seed}:review:{window_id}") for window_id in rows["window_id"]])
    order = np.lexsort((rows["window_id"].to_numpy(str), hashes))[:size]
    chosen = rows.iloc[order][["window_id", "stratum"]]
    return chosen.assign(stratum_windows=len(rows), inclusion_probability=size / len(rows))
