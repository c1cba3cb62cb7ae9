"""Leaks by name: one site, or one scene, that feeds two sides."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.leakage.findings import MAX_WORST, Finding, Tally, with_measures
from mining_platform.leakage.sides import Sides, cross_pairs, some_pairs
from mining_platform.splits.named_groups import base_sites

SAME_SCENE, SAME_SITE = "same_scene", "same_site"
SCENE_ID = re.compile(r"[^\s,;|\[\]\"']+")
"""A scene id in a text of several, however they are set apart."""


def site_finding(sides: Sides) -> Finding | None:
    """Base sites (`_<digits>` at the end removed) on two sides; None where no sites are known."""
    if "site" not in sides.table.rows:
        return None
    sites = base_sites(sides.table.rows["site"])
    rows = np.flatnonzero((sites != "").to_numpy())
    return _shared(sides, rows, sites.iloc[rows].tolist()).finding()


def scene_finding(sides: Sides, counted: bool | None = None) -> Finding | None:
    """Scenes that feed rows on two sides; None where no scenes are known.

    A mosaic's scene covers a whole region, so that its neighbours always share scenes. Where a row has several scenes the
    finding is therefore told and not counted; `counted` says otherwise.
    """
    if "scene_ids" not in sides.table.rows:
        return None
    scenes = [scene_list(value) for value in sides.table.rows["scene_ids"]]
    rows = np.repeat(np.arange(len(scenes)), [len(each) for each in scenes])
    counts = all(len(each) <= 1 for each in scenes) if counted is None else counted
    note = "told, not counted as a leak: patches of mosaics share the scenes of their region (--count-scenes counts them)"
    return _shared(sides, rows, [name for each in scenes for name in each]).finding(counted=counts, note="" if counts else note)


def scene_list(value: Any) -> list[str]:
    """Scene ids of one row, sorted, each once: from a list, or a text with blanks, commas or the like between them."""
    if isinstance(value, str):
        return sorted(set(SCENE_ID.findall(value)))
    if isinstance(value, Iterable):
        return sorted({str(each) for each in value})
    return [] if pd.isna(value) else [str(value)]


def _shared(sides: Sides, rows: NDArray[np.int64], names: list[str]) -> Tally:
    """The tally of rows (positions, repeated where a row has several names) that share a name over two sides."""
    tally = Tally(sides)
    if not names:
        return tally
    codes, known = pd.factorize(np.asarray(names, dtype=object), sort=True)
    counts = cross_pairs(sides, codes, len(known), rows)
    tally.count(sides.place[rows[counts[codes] > 0]], int(counts.sum()))
    most = [int(code) for code in np.argsort(-counts, kind="stable")[:MAX_WORST] if counts[code]]
    if most:
        pairs = some_pairs(sides, codes, most, rows)
        tally.show(with_measures(sides, pairs[["a", "b"]]).assign(shared=[str(known[code]) for code in most]))
    return tally
