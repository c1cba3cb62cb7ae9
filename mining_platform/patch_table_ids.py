"""What the rows of a table are called: by a column, by window and year, or by the ground that they stand on."""

import numpy as np
import pandas as pd

from mining_platform.footprints import Footprints, centres_deg
from mining_platform.patch_table_files import RawTable, TableError, column_of, named, text_of

WINDOW_COLUMN = "window_id"
ID_COLUMNS = ("patch_id", WINDOW_COLUMN, "patch_name", "id")


def ids_of(raw: RawTable, asked: str) -> pd.Series | None:
    """Ids by the named column, else by the first of ID_COLUMNS; None where there is none. TableError where one is empty."""
    column = column_of(raw, asked, ID_COLUMNS)
    if not column:
        return None
    ids = text_of(raw.values[column])
    if (ids == "").any():
        raise TableError(f"{raw.path}: {int((ids == '').sum())} rows have an empty {column}; every patch needs an id.")
    return ids


def no_ids(raw: RawTable) -> TableError:
    """What to raise for a table that has neither ids nor ground."""
    return TableError(f"{raw.path} has none of the id columns {list(ID_COLUMNS)}; name one of {named(raw)} with --id-column.")


def centre_ids(footprints: Footprints, rows: pd.DataFrame) -> list[str]:
    """Ids from the ground: longitude and latitude of the centre to 0.1 m, and the year where it is known."""
    ends = [f"_{year}" for year in rows["year"]] if "year" in rows else [""] * len(rows)
    return [f"{lon:.6f}_{lat:.6f}{end}" for (lon, lat), end in zip(centres_deg(footprints).tolist(), ends, strict=True)]


def told_apart(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The ids of rows, with those that are not unique by their nature told apart.

    `columns` says which column gave each id: one of ID_COLUMNS, "" for none, anything else for one that was asked for.

    1. Windows that stand on several rows are called as our patches, by window and year, where years are known.
    2. Rows called by their ground get a number where several stand on it. It follows what is known of the rows, so that another
       order of rows changes nothing.
    """
    ids, origin = rows["patch_id"], np.asarray(columns, dtype=object)
    if "year" in rows and (windows := origin == WINDOW_COLUMN).any() and ids[windows].duplicated().any():
        ids = ids.where(~windows, ids + "_" + rows["year"].astype(str))
    twice = (origin == "") & ids.duplicated(keep=False).to_numpy()
    if not twice.any():
        return ids
    known = rows[twice].astype(str)
    again = known.sort_values(known.columns.tolist()).groupby("patch_id").cumcount()
    return ids.where(~twice, known["patch_id"] + again.map(lambda number: f"#{number}" if number else ""))
