"""Anyone's patch stores, and the rows of a table that say which of their patches count and what is known of them.

Training and prediction read patches through here alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.labels.recipes import NO_LABEL
from mining_platform.patch_conventions import LABEL_VALUES
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patch_table_files import TableError, column_of, named, read_raw, text_of
from mining_platform.patches import STORE_NAME

TRUE, FALSE = ("true", "1", "1.0", "yes", "mining"), ("false", "0", "0.0", "no")
TOLD = ("split", "is_mining", "dropped", "region", "year", "range", "share", "site", "place", "group", "window_id")
"""Columns of a table of patches, beside patch_id, that training and prediction know."""


def open_stores(stores: Sequence[Path], channels: Sequence[str] | None = None) -> PatchDataset:
    """The patches of folders with a patches.zarr as numbers, with these channels or all; TableError for other folders.

    ValueError where stores differ, or lack a channel.
    """
    for store in stores:
        if not (store / STORE_NAME).is_dir():
            raise TableError(f"{store} holds no {STORE_NAME}. Name folders that `mining-platform import` or a release wrote.")
    return PatchDataset(list(stores), channels=channels, as_reflectance=False)


def patch_rows(path: Path, known: Path | None = None, *, required: Sequence[str] = ("patch_id",)) -> pd.DataFrame:
    """patch_id and those of TOLD that a table has, as text, sorted by patch_id, without patches that were dropped.

    What the table does not tell comes from the table `known` of the same patches. TableError naming the table where a required
    column is missing, a patch occurs twice, or is not in `known`.
    """
    table = _told(path, required)
    if known is None:
        return in_use(table, path)
    more = _told(known, ("patch_id",))
    _check_once(more, known)
    if lacking := sorted(set(table["patch_id"]) - set(more["patch_id"])):
        raise TableError(
            f"{known} has no row of {len(lacking)} patches of {path}, such as {lacking[:3]}. Name the table of them."
        )
    columns = ["patch_id", *(name for name in more if name not in table)]
    return in_use(table.merge(more[columns], on="patch_id"), path)


def _told(path: Path, required: Sequence[str]) -> pd.DataFrame:
    raw = read_raw(path)
    names = {name: column_of(raw, "", (name,)) for name in ("patch_id", *TOLD)}
    if missing := [name for name in required if not names[name]]:
        raise TableError(f"{path} has no column {' and no '.join(missing)}; it has {named(raw)}. Make it with `split`.")
    return pd.DataFrame({name: text_of(raw.values[column]) for name, column in names.items() if column})


def in_use(table: pd.DataFrame, where: Path) -> pd.DataFrame:
    """A table of text without the patches that were dropped, sorted by patch_id; TableError for repeated ones."""
    if "dropped" in table:
        table = table[~table["dropped"].str.lower().isin(TRUE)].drop(columns="dropped")
    _check_once(table, where)
    return table.sort_values("patch_id", ignore_index=True)


def _check_once(table: pd.DataFrame, where: Path) -> None:
    if repeated := table.loc[table["patch_id"].duplicated(), "patch_id"].tolist():
        raise TableError(f"{where} names {repeated[:3]} more than once. Give each patch one split.")


def rows_of_split(table: pd.DataFrame, split: str, path: Path, remedy: str) -> pd.DataFrame:
    """The rows of one split; TableError where there is none, with the splits that there are."""
    rows = table[table["split"] == split]
    if rows.empty:
        known = ", ".join(sorted(set(table["split"]))) or "none"
        raise TableError(f"{path} has no patch of the split {split}; it has {known}. {remedy}")
    return rows.reset_index(drop=True)


def told_classes(rows: pd.DataFrame, path: Path) -> pd.Series:
    """Whether each patch holds mining by the column is_mining ("boolean"), missing where that is empty or absent.

    TableError for other words than TRUE and FALSE.
    """
    if "is_mining" not in rows:
        return pd.Series(pd.NA, index=rows.index, dtype="boolean")
    words = rows["is_mining"].str.lower()
    if strange := sorted(set(words) - {*TRUE, *FALSE, ""}):
        raise TableError(f"{path}: is_mining holds {strange[:3]}. Write true or false.")
    return words.isin(TRUE).astype("boolean").where(words != "")


def pixel_classes(labels: NDArray[np.uint8]) -> pd.Series:
    """(n, y, x) labels -> whether each patch holds mining ("boolean"), missing where no pixel has a class."""
    known = (labels != NO_LABEL).any(axis=(1, 2))
    return pd.Series((labels == LABEL_VALUES["mining"]).any(axis=(1, 2)), dtype="boolean").where(known)
