"""The rows that an audit looks at: those on a side of the split, by position, with the place and year of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import window_footprints
from mining_platform.patch_tables import PatchTable, take
from mining_platform.splits.rules import BUFFER


class LeakageError(ValueError):
    """A table that cannot be audited as it is."""


@dataclass(frozen=True)
class Sides:
    """The rows that are on a side, sorted by patch id, so that no answer depends on the order of a table."""

    table: PatchTable
    names: tuple[str, ...]
    """Names of the sides."""
    split: NDArray[np.int64]
    """(n,) position of each row's side in `names`."""
    places: NDArray[np.object_]
    """Names of the places; a row without one is a place of its own, called as the patch."""
    place: NDArray[np.int64]
    """(n,) position of each row's place in `places`."""
    year: NDArray[np.int64] | None
    """(n,) year of each row; None where no years are known."""

    @property
    def ids(self) -> NDArray[np.object_]:
        """(n,) patch ids."""
        return self.table.rows["patch_id"].to_numpy(dtype=object)


def sides_of(table: PatchTable) -> Sides:
    """The rows with a split, but for those set aside as `buffer`.

    Raises LeakageError where the table has no splits, or no row is on a side, or two sides differ in case alone.
    """
    if "split" not in table.rows:
        raise LeakageError(f"There is no split to audit: {table.missing['split']}. Name it with --split-column or --splits.")
    on_a_side = ~table.rows["split"].str.lower().isin(["", BUFFER])
    if not on_a_side.any():
        raise LeakageError(f"None of the {len(table.rows)} rows is on a side: all splits are empty or {BUFFER!r}.")
    order = np.argsort(table.rows["patch_id"].to_numpy(dtype=str), kind="stable")
    kept = take(table, order[on_a_side.to_numpy()[order]])
    split, names = pd.factorize(kept.rows["split"], sort=True)
    if len(set(map(str.lower, names))) < len(names):
        raise LeakageError(f"Some of the sides {list(names)} differ in case alone; write each side in one way.")
    ids = kept.rows["patch_id"]
    place, places = pd.factorize(kept.rows["place"].where(kept.rows["place"] != "", ids) if "place" in kept.rows else ids)
    year = kept.rows["year"].to_numpy(np.int64) if "year" in kept.rows else None
    return Sides(kept, tuple(names), split.astype(np.int64), np.asarray(places, object), place.astype(np.int64), year)


def split_windows_table(windows: pd.DataFrame) -> PatchTable:
    """Windows of this project with their splits as patches: columns window_id, split and, where known, year.

    A window in two splits is two patches of one place.
    """
    known = [name for name in ("window_id", "year", "split") if name in windows]
    rows = windows[known].drop_duplicates().sort_values(known, ignore_index=True)
    names = rows["window_id"] if "year" not in rows else rows["window_id"] + "_" + rows["year"].astype(str)
    again = names.groupby(names).cumcount()
    rows = rows.rename(columns={"window_id": "place"}).assign(patch_id=names.where(again == 0, names + "#" + again.astype(str)))
    absent = {
        name: "splits of windows have none" for name in ("year", "site", "region", "range", "scene_ids") if name not in rows
    }
    return PatchTable(rows, window_footprints(rows["place"].tolist()), MappingProxyType(absent))


def cross_pairs(sides: Sides, groups: NDArray[np.int64], count: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """(count,) number of pairs of rows on different sides within each group.

    `groups` are those of the rows, or of the rows at the positions `rows`; each in [0, count).
    """
    split = sides.split if rows is None else sides.split[rows]
    keys, sizes = np.unique(groups * len(sides.names) + split, return_counts=True)
    squares = np.zeros(count, np.int64)
    np.add.at(squares, keys // len(sides.names), sizes.astype(np.int64) ** 2)
    return (np.bincount(groups, minlength=count).astype(np.int64) ** 2 - squares) // 2


def some_pairs(sides: Sides, groups: NDArray[np.int64], wanted: Sequence[int], rows: NDArray[np.int64]) -> pd.DataFrame:
    """One pair of rows on different sides for each group that is wanted, in that order: columns group, a, b (positions).

    Of different years where the group has such a pair with its first row. Every wanted group must be on two sides.
    """
    table = pd.DataFrame({"group": groups, "row": rows, "split": sides.split[rows]})
    table["year"] = 0 if sides.year is None else sides.year[rows]
    table = table[table["group"].isin(set(wanted))].sort_values(["group", "row"])
    firsts = table.drop_duplicates("group").set_index("group")
    first = table["group"].map(firsts["row"]).to_numpy()
    table = table.assign(a=first, same_year=table["year"].to_numpy() == table["group"].map(firsts["year"]).to_numpy())
    others = table[table["split"].to_numpy() != table["group"].map(firsts["split"]).to_numpy()]
    pairs = others.sort_values(["group", "same_year", "row"]).drop_duplicates("group").set_index("group").loc[list(wanted)]
    return pd.DataFrame({"group": list(wanted), "a": pairs["a"].to_numpy(), "b": pairs["row"].to_numpy()})
