"""What an audit found of one kind of leak: places, pairs, and the worst of them, gathered batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import OVERLAP_M2, Footprints, measure
from mining_platform.leakage.sides import Sides

MAX_WORST = 20
WORST_FIRST: Mapping[str, bool] = {"likeness": False, "overlap_m2": False, "distance_m": True, "a": True, "b": True}
"""Columns that worst pairs are sorted by, where they have them, and whether small values come first."""


@dataclass(frozen=True)
class Finding:
    """One kind of leak in a table."""

    places: tuple[str, ...]
    """Names of the places involved, sorted."""
    pairs: int
    """Pairs of rows on different sides; what two rows share twice (as two scenes) counts twice."""
    worst: tuple[Mapping[str, Any], ...]
    """At most MAX_WORST pairs of different places each, worst first: a, b (patch ids), split_a, split_b, year_a, year_b,
    distance_m, overlap_m2 and, where it applies, shared (the name in common) or likeness; None for what is not known."""
    counted: bool = True
    """Whether the places count as leaks, or are only told."""
    note: str = ""
    """What a reader must know beside the numbers."""


class Tally:
    """Places, pairs and the worst pairs, added up over batches, so that memory does not follow the number of pairs."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._involved = np.zeros(len(sides.places), dtype=bool)
        self._worst = pd.DataFrame({"a": np.zeros(0, np.int64), "b": np.zeros(0, np.int64)})
        self._pairs = 0

    def add(self, pairs: pd.DataFrame) -> None:
        """Count pairs of rows: columns a, b (positions) and what is known of them."""
        self.count(self._sides.place[pairs[["a", "b"]].to_numpy(np.int64)].ravel(), len(pairs))
        self.show(pairs)

    def count(self, places: NDArray[np.int64], pairs: int) -> None:
        """Count places, by position, and a number of pairs, without showing any."""
        self._involved[places] = True
        self._pairs += int(pairs)

    def show(self, pairs: pd.DataFrame) -> None:
        """Keep the worst of these pairs and those shown before, one for each two places."""
        if pairs.empty:
            return
        together = pd.concat([self._worst, pairs], ignore_index=True) if len(self._worst) else pairs
        by = [name for name in WORST_FIRST if name in together]
        together = together.sort_values(by, ascending=[WORST_FIRST[name] for name in by], ignore_index=True)
        two = np.sort(self._sides.place[together[["a", "b"]].to_numpy(np.int64)], axis=1)
        self._worst = together[~pd.DataFrame(two).duplicated()].head(MAX_WORST)

    @property
    def shown(self) -> NDArray[np.int64]:
        """Positions of the places of the pairs that are shown."""
        return np.unique(self._sides.place[self._worst[["a", "b"]].to_numpy(np.int64)])

    def finding(self, *, counted: bool = True, note: str = "") -> Finding:
        """What was gathered."""
        places = tuple(sorted(map(str, self._sides.places[self._involved])))
        worst = self._worst if "overlap_m2" in self._worst else with_measures(self._sides, self._worst)
        return Finding(places, self._pairs, described(self._sides, worst), counted, note)


def described(sides: Sides, pairs: pd.DataFrame) -> tuple[Mapping[str, Any], ...]:
    """Pairs of rows (columns a, b: positions) in words and numbers, as `Finding.worst` has them."""
    found = []
    for row in pairs.to_dict("records"):
        ends = {"a": int(row["a"]), "b": int(row["b"])}
        told: dict[str, Any] = {name: str(sides.ids[at]) for name, at in ends.items()}
        told |= {f"split_{name}": sides.names[sides.split[at]] for name, at in ends.items()}
        told |= {f"year_{name}": None if sides.year is None else int(sides.year[at]) for name, at in ends.items()}
        told |= {name: _number(row[name]) for name in ("distance_m", "overlap_m2")}
        found.append({**told, **{str(name): row[name] for name in ("shared", "likeness") if name in row}})
    return tuple(found)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def with_measures(sides: Sides, pairs: pd.DataFrame) -> pd.DataFrame:
    """A few pairs (columns a, b: positions) with distance_m and overlap_m2 of their footprints; NaN where there are none."""
    grounds = sides.table.footprints
    measures = [
        (np.nan, np.nan) if grounds is None else _measured(grounds, a, b) for a, b in zip(pairs["a"], pairs["b"], strict=True)
    ]
    return pairs.assign(distance_m=[each[0] for each in measures], overlap_m2=[each[1] for each in measures])


def _measured(footprints: Footprints, a: int, b: int) -> tuple[float, float]:
    gap, overlap = measure(footprints, np.array([a]), np.array([b]))
    return float(gap[0]), float(overlap[0]) if overlap[0] > OVERLAP_M2 else 0.0
