"""Later years are tested, earlier ones trained on, and no place is on two sides."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from mining_platform.patch_tables import PatchTable
from mining_platform.splits.grounds import set_aside
from mining_platform.splits.hashes import side_of, unit_hash
from mining_platform.splits.rules import BUFFER, TEST, SplitError, SplitRule


def time_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by its year: columns patch_id, group (the year), split, in the table's order.

    1. Whole years, from early to late, go to the splits in the order of the fractions, so that the shares of rows come nearest
       to them; or the years of `holdout`, which must be the last ones, are `test`, and those before go to the other splits.
    2. A place that has years on several sides belongs to one of them, by a hash of its name, weighed so that the rows that stay
       come near the fractions; its rows of other years are set aside as `buffer`. (Setting aside only what is seen again
       later would leave nothing of a table that has all places in all years.)
    3. Of two rows of different splits that overlap or are nearer than `buffer_m`, the earlier split's is set aside.
    """
    years = table.rows["year"]
    natural = years.map(_year_sides(years, rule)).astype(str)
    own = table.rows["place"].map(_place_sides(table.rows["place"], natural, rule))
    sides = table.rows[["patch_id"]].assign(group=years.astype(str), split=natural.where(natural == own, BUFFER))
    latest_first = {name: place for place, name in enumerate(reversed(list(rule.fractions)))}
    return set_aside(table, sides, latest_first, rule.buffer_m)


def _year_sides(years: pd.Series, rule: SplitRule) -> dict[int, str]:
    """Split of each year, never an earlier one in a later split's stead."""
    counts = years.value_counts().sort_index()
    if not rule.holdout:
        return _cut(counts, rule.fractions)
    last = list(counts.index[-len(rule.holdout) :])
    if sorted(rule.holdout) != [str(year) for year in last] or len(last) == len(counts):
        raise SplitError(
            f"Held-out years {sorted(rule.holdout)} must be the last of {list(counts.index)}, with others before them."
        )
    others = {name: fraction for name, fraction in rule.fractions.items() if name != TEST}
    if not others:
        raise SplitError(f"Beside the held-out {TEST!r} there must be another split; fractions are {dict(rule.fractions)}.")
    return _cut(counts.iloc[: -len(last)], others) | dict.fromkeys(last, TEST)


def _cut(counts: pd.Series, fractions: Mapping[str, float]) -> dict[int, str]:
    """Years cut into as many spans as there are fractions, each with a year, so that squared deviations of shares are least."""
    if len(counts) < len(fractions):
        raise SplitError(f"{len(counts)} years ({list(counts.index)}) cannot be parted into {list(fractions)}, whole years each.")
    wanted = np.array(list(fractions.values())) / sum(fractions.values())
    ends = np.concatenate([[0], counts.cumsum().to_numpy()]) / counts.sum()
    cuts = [(0, *inner, len(counts)) for inner in combinations(range(1, len(counts)), len(fractions) - 1)]
    best = min(cuts, key=lambda cut: float(((np.diff(ends[list(cut)]) - wanted) ** 2).sum()))
    spans = zip(fractions, best[:-1], best[1:], strict=True)
    return {int(year): name for name, start, stop in spans for year in counts.index[start:stop]}


def _place_sides(places: pd.Series, natural: pd.Series, rule: SplitRule) -> dict[str, str]:
    """The one split of each place among those that its years are in; each as likely as its fraction over its rows' share."""
    shares, sides = natural.value_counts(normalize=True), {}
    for place, found in natural.groupby(places).unique().items():
        possible = {name: fraction / shares[name] for name, fraction in rule.fractions.items() if name in found}
        sides[str(place)] = side_of(unit_hash(f"{rule.seed}:{place}") * sum(possible.values()), possible)
    return sides
