"""Anyone's tables of patches (CSV, GeoJSON, GeoParquet, parquet) in one shape: ids, what is known of each, and the ground."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import shapely
from blake3 import blake3

from mining_platform.footprints import Footprints, centres_deg, subset, window_footprints
from mining_platform.patch_table_files import RawTable, TableError, named, read_raw, text_of
from mining_platform.patch_table_grounds import ground_of

ID_COLUMNS = ("patch_id", "window_id", "patch_name", "id")
PLACE_COLUMNS = ("place", "window_id", "tile")
MINING_RANGE = "mining"
"""Range of patches with mining of an unknown share."""


@dataclass(frozen=True)
class PatchTable:
    """Patches with what is known of them, and the ground they stand on."""

    rows: pd.DataFrame
    """`patch_id` (str, unique) and, where known: place, year (int64), site, region, range, split (str; "" where a row has none),
    scene_ids (list or str, as it was given)."""
    footprints: Footprints | None
    """Row by row; None where the table has no coordinates."""
    missing: Mapping[str, str]
    """Name of what is not known -> why, in words."""


def read_patch_table(  # noqa: PLR0913 - one name for each column that a table can call as it likes
    paths: Sequence[Path],
    *,
    id_column: str = "",
    size_m: float | None = None,
    crs: str = "",
    place_column: str = "",
    year_column: str = "",
    split_column: str = "",
    site_column: str = "",
    region_column: str = "",
    range_column: str = "",
    scene_column: str = "",
    id_pattern: str = "",
) -> PatchTable:
    """The rows of one or more tables, one below the other; what only some of them have counts as not known.

    Ids: the named column, else the first of ID_COLUMNS, else, where there are coordinates, the centre in degrees (and the year).
    Places: the named column, else the group `place` of `id_pattern` (a regular expression searched in the ids; its group `year`
    gives the year), else the first of PLACE_COLUMNS, else equal footprints are one place. All other columns: the named one,
    else the one that is called year, split, site, region, range, scene_ids.

    Ground: window ids of this project; else geometries; else minx, miny, maxx, maxy; else lon, lat (or longitude, latitude);
    else x, y. Points become squares of `size_m` around them. Geographic coordinates are projected to `crs`, or to the UTM
    zone of their centre. `crs` also says what x, y or bounds are in where the table has no column crs or epsg.

    Raises TableError for what is missing, unreadable, not unique or not usable, with names.
    """
    if not paths:
        raise TableError("No table was named; give one or more .csv, .geojson or .parquet files.")
    columns = {
        "place": place_column,
        "year": year_column,
        "split": split_column,
        "site": site_column,
        "region": region_column,
        "range": range_column,
        "scene_ids": scene_column,
    }
    tables = [_one_table(read_raw(path), id_column, columns, _compiled(id_pattern), size_m, crs) for path in paths]
    return _checked(_joined(tables), [str(path) for path in paths])


def window_table(windows: pd.DataFrame) -> PatchTable:
    """Windows of this project, by window id, as patches: one row a window, sorted; each is a place of its own.

    `windows` needs window_id and range, `region` is taken along; of several rows of a window (years) the highest range counts.
    Where a range is not known (points without a map), `is_mining` says whether there is mining.
    """
    known = [name for name in ("region", "range") if name in windows]
    if "is_mining" in windows:
        unknown_mining = (windows["range"] == "") & windows["is_mining"].astype(bool)
        windows = windows.assign(range=windows["range"].where(~unknown_mining, MINING_RANGE))
    rows = windows.groupby("window_id", sort=True)[known].max().reset_index().rename(columns={"window_id": "patch_id"})
    rows = rows.assign(place=rows["patch_id"])
    absent = dict.fromkeys(("year", "site", "split", "scene_ids"), "windows of a dataset have none")
    return PatchTable(rows, window_footprints(rows["patch_id"].tolist()), MappingProxyType(absent))


def take(table: PatchTable, positions: Any) -> PatchTable:
    """The rows at some positions, or where a mask holds, in that order, numbered from 0."""
    chosen = np.asarray(positions)
    grounds = None if table.footprints is None else subset(table.footprints, chosen)
    return PatchTable(table.rows.iloc[chosen].reset_index(drop=True), grounds, table.missing)


def _one_table(
    raw: RawTable, id_column: str, columns: Mapping[str, str], pattern: re.Pattern | None, size_m: float | None, crs: str
) -> PatchTable:
    """One file's rows, each known thing in its own column."""
    ids = _ids(raw, id_column)
    footprints, no_ground = ground_of(raw, ids, size_m, crs)
    rows = pd.DataFrame({"patch_id": ids}) if ids is not None else pd.DataFrame(index=range(len(raw.values)))
    missing = {} if footprints is not None else {"footprints": no_ground}
    for name, asked in columns.items():
        column = _column(raw, asked, PLACE_COLUMNS if name == "place" else (name,))
        if column and not (name in _groups(pattern) and not asked):
            rows[name] = _values(raw, name, column)
        elif name not in _groups(pattern):
            missing[name] = f"{raw.path.name} has no column {name}"
    if pattern is not None:
        rows = _with_pattern(rows, raw, pattern, columns)
    if footprints is not None and ids is None:
        rows.insert(0, "patch_id", _centre_ids(footprints, rows))
    elif ids is None:
        raise TableError(f"{raw.path} has none of the id columns {list(ID_COLUMNS)}; name one of {named(raw)} with --id-column.")
    if footprints is not None and "place" not in rows:
        rows["place"], _ = _ground_names(footprints), missing.pop("place")
    elif "place" in missing:
        missing["place"] = f"{raw.path.name} has no column place, window_id or tile, and no coordinates"
    return PatchTable(rows, footprints, missing)


def _column(raw: RawTable, asked: str, usual: Sequence[str]) -> str:
    """The column that was asked for, or the first of the usual ones; empty where there is none."""
    if asked and asked not in raw.values:
        raise TableError(f"{raw.path} has no column {asked!r}; it has {named(raw)}.")
    return asked or next((name for name in usual if name in raw.values), "")


def _ids(raw: RawTable, asked: str) -> pd.Series | None:
    column = _column(raw, asked, ID_COLUMNS)
    if not column:
        return None
    ids = text_of(raw.values[column])
    if (ids == "").any():
        raise TableError(f"{raw.path}: {int((ids == '').sum())} rows have an empty {column}; every patch needs an id.")
    return ids


def _values(raw: RawTable, name: str, column: str) -> pd.Series:
    """A column as it is kept: years as whole numbers, scenes as they are, the rest as text."""
    if name == "scene_ids":
        return raw.values[column]
    return _years(raw, text_of(raw.values[column]), f"column {column}") if name == "year" else text_of(raw.values[column])


def _years(raw: RawTable, texts: pd.Series, where: str) -> pd.Series:
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > 1e6)  # noqa: PLR2004 - 202200 is a year of some tables
    if wrong.any():
        raise TableError(f"{raw.path}: {where} holds {texts[wrong].unique()[:3].tolist()}, which are no years.")
    return numbers.astype("int64")


def _compiled(id_pattern: str) -> re.Pattern | None:
    if not id_pattern:
        return None
    try:
        pattern = re.compile(id_pattern)
    except re.error as error:
        raise TableError(f"The id pattern {id_pattern!r} is no regular expression: {error}.") from None
    if not _groups(pattern):
        raise TableError(f"The id pattern {id_pattern!r} names no group; write (?P<place>...) and (?P<year>...).")
    return pattern


def _groups(pattern: re.Pattern | None) -> set[str]:
    return {"place", "year"} & set(pattern.groupindex) if pattern else set()


def _with_pattern(rows: pd.DataFrame, raw: RawTable, pattern: re.Pattern, columns: Mapping[str, str]) -> pd.DataFrame:
    """The rows with the places and years that their ids tell, where no column was named for them."""
    if "patch_id" not in rows:
        raise TableError(f"{raw.path} has no ids for the id pattern; name one of {named(raw)} with --id-column.")
    told = rows["patch_id"].str.extract(pattern)
    for name in sorted(_groups(pattern)):
        if columns[name]:
            continue
        if told[name].isna().any():
            raise TableError(
                f"{raw.path}: ids {rows['patch_id'][told[name].isna()].tolist()[:3]} do not match {pattern.pattern!r}."
            )
        rows = rows.assign(**{name: told[name] if name == "place" else _years(raw, told[name], "the id pattern")})
    return rows


def _centre_ids(footprints: Footprints, rows: pd.DataFrame) -> list[str]:
    """Ids from the ground: longitude and latitude of the centre to 0.1 m, and the year where it is known."""
    ends = [f"_{year}" for year in rows["year"]] if "year" in rows else [""] * len(rows)
    return [f"{lon:.6f}_{lat:.6f}{end}" for (lon, lat), end in zip(centres_deg(footprints).tolist(), ends, strict=True)]


def _ground_names(footprints: Footprints) -> list[str]:
    """A name for each footprint, equal for equal outlines."""
    outlines = shapely.to_wkb(shapely.normalize(footprints.geometry))
    pairs = zip(footprints.epsg.tolist(), outlines, strict=True)
    return [f"ground_{blake3(b'%d:%s' % (epsg, wkb)).hexdigest(length=8)}" for epsg, wkb in pairs]


def _joined(tables: Sequence[PatchTable]) -> PatchTable:
    """All rows together, without what one of the tables lacks."""
    missing = {name: why for table in tables for name, why in table.missing.items()}
    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    rows = rows.drop(columns=[name for name in missing if name in rows])
    grounds = [table.footprints for table in tables if table.footprints is not None]
    if len(grounds) < len(tables):
        return PatchTable(rows, None, MappingProxyType(missing))
    joined = Footprints(np.concatenate([g.geometry for g in grounds]), np.concatenate([g.epsg for g in grounds]))
    return PatchTable(rows, joined, MappingProxyType(missing))


def _checked(table: PatchTable, paths: Sequence[str]) -> PatchTable:
    if table.rows.empty:
        raise TableError(f"{', '.join(paths)}: no rows.")
    twice = table.rows["patch_id"].duplicated()
    if twice.any():
        some = table.rows.loc[twice, "patch_id"].unique()
        raise TableError(
            f"{', '.join(paths)}: {len(some)} ids stand on more than one row, such as {some[:3].tolist()}. "
            "Name a column of unique ids with --id-column."
        )
    return table
