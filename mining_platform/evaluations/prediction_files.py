"""Anyone's tables of predictions (CSV, TSV, Parquet, GeoJSON) as a table of predictions of ours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.evaluations.pixel_columns import has_pixel_columns, pixel_counts
from mining_platform.patch_table_files import RawTable, TableError, column_of, named, read_raw, text_of
from mining_platform.patch_table_ids import ID_COLUMNS
from mining_platform.ranges import RANGES

YES, NO = ("1", "true", "yes", "mining"), ("0", "false", "no")
RANGE_PREFIX = "range_"
"""Of folders of published packages: range_000_010."""
NAMED = 3  # values in errors


@dataclass(frozen=True)
class PredictionColumns:
    """What the columns of a table are called."""

    label: str
    """Class of each patch: one of YES or NO, in any case."""
    score: str
    identifier: str
    """Empty: the first of ID_COLUMNS, else the number of the row."""
    by: str
    """What scores are told apart by: mining ranges, regions, anything; empty for none."""
    cluster: str
    """Which patches are neighbours; empty for none."""
    positive: str
    """The value of `label` that means mining; every other one does not. Empty: YES and NO."""


def read_predictions(path: Path, columns: PredictionColumns) -> pd.DataFrame:
    """patch_id, is_mining, score and, where asked for, cluster and `range` (where all values are mining ranges) or `group`.

    Raises TableError naming the file, the column and what is wrong with it.
    """
    raw = read_raw(path)
    if raw.values.empty:
        raise TableError(f"{path} has no rows.")
    rows = pd.DataFrame(
        {
            "patch_id": _ids(raw, columns.identifier),
            "is_mining": _classes(raw, columns.label, columns.positive),
            "score": _scores(raw, columns.score),
        }
    )
    if columns.cluster:
        rows["cluster"] = _filled(raw, columns.cluster)
    if not columns.by:
        return rows
    values = _filled(raw, columns.by)
    as_ranges = values.str.removeprefix(RANGE_PREFIX)
    return rows.assign(range=as_ranges) if as_ranges.isin(RANGES).all() else rows.assign(group=values)


def has_ids(path: Path, columns: PredictionColumns) -> bool:
    """Whether a table has a column of ids, which two tables need to be joined."""
    return bool(column_of(read_raw(path), columns.identifier, ID_COLUMNS))


def says_simulated(path: Path) -> bool:
    """Whether a table has a column `simulated` that is true anywhere, as predictions of simulated patches have."""
    values = read_raw(path).values
    return "simulated" in values and bool(text_of(values["simulated"]).str.lower().isin(YES).any())


def pixel_confusions(path: Path) -> tuple[NDArray[np.int64], tuple[str, ...]] | None:
    """Counts (n, class, class) and classes of a table of segmentation (`pixel_columns`), row by row; None for other tables."""
    raw = read_raw(path)
    if not has_pixel_columns([str(name) for name in raw.values]):
        return None
    try:
        return pixel_counts(raw.values)
    except ValueError as error:
        raise TableError(f"{path}: {error}") from None


def _ids(raw: RawTable, asked: str) -> pd.Series:
    column = column_of(raw, asked, ID_COLUMNS)
    if not column:
        return pd.Series([f"row {number:09d}" for number in range(1, len(raw.values) + 1)])
    ids = _filled(raw, column)
    if (twice := ids[ids.duplicated()].unique()).size:
        raise TableError(
            f"{raw.path}, column {column}: {len(twice)} ids stand on more than one row, such as {twice[:NAMED].tolist()}. Name a "
            "column of unique ids with --id."
        )
    return ids


def _filled(raw: RawTable, name: str) -> pd.Series:
    """A column as text, without gaps."""
    values = text_of(raw.values[column_of(raw, name, ())])
    if (gaps := values == "").any():
        raise TableError(f"{raw.path}, column {name}: {int(gaps.sum())} rows are empty, first row {_first(gaps)}. Fill them.")
    return values


def _classes(raw: RawTable, name: str, positive: str) -> pd.Series:
    values = _filled(raw, name)
    if positive:
        if not (values == positive).any():
            raise TableError(f"{raw.path}, column {name} never is {positive!r}; it is {sorted(values.unique())[:NAMED]}.")
        return values == positive
    lower = values.str.lower()
    if (strange := ~lower.isin([*YES, *NO])).any():
        raise TableError(
            f"{raw.path}, column {name} holds {sorted(values[strange].unique())[:NAMED]}, which say neither mining nor not. "
            f"Use {', '.join(YES)} and {', '.join(NO)}, or name the value that means mining with --positive."
        )
    return lower.isin(YES)


def _scores(raw: RawTable, name: str) -> pd.Series:
    values = raw.values[column_of(raw, name, ())].reset_index(drop=True)
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    wrong = pd.Series(~np.isfinite(numbers.to_numpy()))
    if wrong.any():
        held = [str(value) for value in values[wrong].unique()[:NAMED]]
        raise TableError(
            f"{raw.path}, column {name}: {int(wrong.sum())} rows hold no finite number, first row {_first(wrong)} ({held}). It "
            f"has the columns {named(raw)}."
        )
    return numbers


def _first(rows: pd.Series) -> int:
    """Number of the first such row, counted from 1 below the header."""
    return int(np.flatnonzero(rows)[0]) + 1
