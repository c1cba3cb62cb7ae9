"""Columns of other people's tables by their meaning, whatever they are called."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.found import Request
from mining_platform.imports.image_files import files_below
from mining_platform.patch_table_files import TEXT_SUFFIXES, TableError, read_raw, text_of

YEARS = 1900, 2199
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("patch_id", "id", "patch_name", "patch", "name", "sample_id"),
        "file": ("file", "filename", "file_name", "path", "image", "image_path"),
        "lon": ("lon", "longitude", "lng", "long"),
        "lat": ("lat", "latitude"),
        "date": ("date", "datetime", "acquired", "acquisition_date", "timestamp"),
        "year": ("year",),
        "label": ("label", "class", "is_mining", "mining", "target"),
        "split": ("split", "set", "subset", "partition"),
        "range": ("range", "proportion_range", "bin"),
        "place": ("place", "site", "location", "tile"),
    }
)
"""What columns are usually called, by meaning, the first one first."""


def only_table(request: Request) -> str | None:
    """The table of a folder: the named one, else the only one, else `manifest.csv`; None where there is none."""
    tables = files_below(request.folder, TEXT_SUFFIXES)
    if request.table:
        if request.table not in tables:
            raise PatchImportError(f"{request.source} has no table {request.table}; it has {', '.join(tables) or 'none'}.")
        return request.table
    if len(tables) > 1 and "manifest.csv" not in tables:
        raise PatchImportError(f"{request.source} has {len(tables)} tables: {', '.join(tables)}. Name one with --table.")
    return "manifest.csv" if "manifest.csv" in tables else next(iter(tables), None)


def column_named(request: Request, table: str, meaning: str, *, required: bool = False) -> pd.Series:
    """A column's values as text, "" where it is not there; PatchImportError where it is named or required and absent."""
    values = read_table(request, table)
    asked = request.columns.get(meaning, "")
    lower = {str(name).lower(): name for name in values}
    name = asked if asked in values else next((lower[each] for each in SYNONYMS[meaning] if each in lower), None)
    if (asked and asked not in values) or (required and name is None):
        raise PatchImportError(
            f"{table} has no column {asked or meaning!r}; it has {', '.join(map(str, values))}. Name it with --column "
            f"{meaning}=NAME."
        )
    return pd.Series("", index=range(len(values)), dtype=object) if name is None else text_of(values[name])


def read_table(request: Request, name: str) -> pd.DataFrame:
    """Columns of a table of the folder, all text; PatchImportError where it cannot be read."""
    try:
        return read_raw(request.folder / name).values
    except TableError as error:
        told = " ".join(str(error).replace(str(request.folder / name), name).split()).rstrip(".")
        raise PatchImportError(
            f"{told}. Save it as CSV in UTF-8, with as many values in each row as there are columns."
        ) from None


def numbers(texts: pd.Series) -> pd.Series:
    """Numbers with a decimal point or comma, NaN for what is none."""
    pointed = texts.str.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True)
    return pd.to_numeric(pointed, errors="coerce").astype(float)


def whole_years(texts: pd.Series) -> pd.Series:
    """Years as numbers, NaN for what is none."""
    years = numbers(texts)
    return years.where((years % 1 == 0) & years.between(*YEARS))
