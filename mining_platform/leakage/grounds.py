"""Leaks by ground: footprints of two sides that overlap or come too near, and one place on two sides in different years."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import iter_close_pairs
from mining_platform.leakage.findings import MAX_WORST, Finding, Tally, with_measures
from mining_platform.leakage.sides import Sides, cross_pairs, some_pairs

OVERLAP, SAME_PLACE = "overlap", "same_place_other_year"


def ground_findings(sides: Sides, buffer_m: float) -> tuple[dict[str, Finding], dict[str, str]]:
    """Findings of the kinds `overlap` and `same_place_other_year`, and why one of them could not be looked for.

    1. Rows of one place in different years are `same_place_other_year`, wherever their footprints lie.
    2. Other rows whose footprints overlap, or are nearer than `buffer_m`, are `overlap`; so is one place twice in a year.
    3. Rows of one place that 2 cannot tell, as without coordinates, are `same_place_other_year` too, and the note says so.
    """
    overlap, same_place = Tally(sides), Tally(sides)
    told = np.zeros(len(sides.places), np.int64)  # pairs of one place that count as overlap
    for pairs in () if sides.table.footprints is None else iter_close_pairs(sides.table.footprints, buffer_m, sides.split):
        a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
        of_one_place = sides.place[a] == sides.place[b]
        other_year = of_one_place & ((sides.year[a] != sides.year[b]) if sides.year is not None else False)
        overlap.add(pairs[~other_year])
        same_place.show(pairs[other_year])
        told += np.bincount(sides.place[a[of_one_place & ~other_year]], minlength=len(told))
    findings = {} if sides.table.footprints is None else {OVERLAP: overlap.finding()}
    unchecked = {} if findings else {OVERLAP: sides.table.missing["footprints"]}
    if "place" not in sides.table.rows:
        return findings, {**unchecked, SAME_PLACE: sides.table.missing["place"]}
    untold = cross_pairs(sides, sides.place, len(sides.places)) - told
    if sides.year is None and findings and not untold.any():
        return findings, {**unchecked, SAME_PLACE: sides.table.missing["year"]}
    return {**findings, SAME_PLACE: _same_place(sides, same_place, untold)}, unchecked


def _same_place(sides: Sides, tally: Tally, untold: NDArray[np.int64]) -> Finding:
    """The finding of places on two sides, from the pairs of each that no other kind tells."""
    leaking = np.flatnonzero(untold)
    tally.count(leaking, int(untold.sum()))
    rest = np.setdiff1d(leaking, tally.shown)[: MAX_WORST - len(tally.shown)]
    if len(rest):
        pairs = some_pairs(sides, sides.place, rest.tolist(), np.arange(len(sides.place)))
        tally.show(with_measures(sides, pairs[["a", "b"]]))
    return tally.finding(note=_note(sides, untold))


def _note(sides: Sides, untold: NDArray[np.int64]) -> str:
    if sides.year is None:
        return f"years are not known ({sides.table.missing['year']}): rows of one place on two sides, whatever their years"
    if sides.table.footprints is not None:
        return ""
    codes, _ = pd.factorize(sides.place * (np.ptp(sides.year) + 1) + sides.year - sides.year.min())
    of_one_year = int(cross_pairs(sides, codes, int(codes.max()) + 1).sum())
    return f"{of_one_year} of the {untold.sum()} pairs are of one place in one and the same year" if of_one_year else ""
