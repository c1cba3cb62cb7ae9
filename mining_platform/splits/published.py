"""A published split beside ours, joined by id or by place and year, never by position."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mining_platform.patch_tables import PatchTable
from mining_platform.splits.rules import SplitError


@dataclass(frozen=True)
class Attached:
    """A table's rows with the published side of each, and what did not match."""

    rows: pd.DataFrame
    """The table's rows, in its order, with `published_split`; "" where nothing was published."""
    only_ours: tuple[str, ...]
    """Patch ids without a published side."""
    only_published: tuple[str, ...]
    """Published keys (joined by a space) without a patch."""


def attach_published(table: PatchTable, published: pd.DataFrame, *, on: Sequence[str] = ("patch_id",)) -> Attached:
    """The published `split` of each patch, found by the columns `on`, such as patch_id or place and year.

    SplitError for columns that one of the two lacks, and for a key that was published in two splits.
    """
    keys = list(on)
    if lacking := [name for name in [*keys, "split"] if name not in published]:
        raise SplitError(f"The published split has no columns {lacking}; it has {list(published.columns)}.")
    if lacking := [name for name in keys if name not in table.rows]:
        raise SplitError(f"The table has no columns {lacking} to join the published split by; it has {list(table.rows.columns)}.")
    sides = published[[*keys, "split"]].drop_duplicates()
    ours, theirs = (frame[keys].astype(str).agg(" ".join, axis=1) for frame in (table.rows, sides))
    if twice := theirs[theirs.duplicated()].unique().tolist():
        raise SplitError(f"{len(twice)} keys were published in two splits, such as {twice[:3]}.")
    found = ours.map(dict(zip(theirs, sides["split"], strict=True)))
    only_ours = tuple(table.rows["patch_id"][found.isna()])
    return Attached(table.rows.assign(published_split=found.fillna("")), only_ours, tuple(sorted(set(theirs) - set(ours))))
