"""Anyone's tables of patches (CSV, GeoJSON, GeoParquet, parquet) in one shape: ids, what is known of each, and the ground."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import shapely
from blake3 import blake3

from mining_platform.footprints import Footprints, subset, window_footprints
from mining_platform.patch_table_files import RawTable, TableError, column_of, named, read_raw, text_of
from mining_platform.patch_table_grounds import ground_of
from mining_platform.patch_table_ids import ID_COLUMNS, centre_ids, ids_of, no_ids, told_apart

PLACE_COLUMNS = ("place", "window_id", "tile")
MGRS_TILE = r"T?\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2}"
NO_SIDE = ("na", "nan", "none", "null")
"""What programs write where a patch has no split, in any case."""
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

    Ids: the named column, else the first of ID_COLUMNS, else, where there are coordinates, the centre in degrees (and the year);
    `patch_table_ids.told_apart` says what windows of several years and several rows on one ground are called.
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
    raws = [read_raw(path) for path in paths]
    tables = [_one_table(raw, id_column, columns, _compiled(id_pattern), size_m, crs) for raw in raws]
    origin = ["named" if id_column else column_of(raw, "", ID_COLUMNS) for raw in raws for _ in range(len(raw.values))]
    joined = _joined(tables)
    named_rows = joined.rows.assign(patch_id=told_apart(joined.rows, origin))
    return _checked(replace(joined, rows=named_rows), [str(path) for path in paths])


def window_table(windows: pd.DataFrame) -> PatchTable:
    """Windows of this project, by window id, as patches: one row a window, sorted; each is a place of its own.

    `windows` needs window_id and range; `region` is taken along, and `point_id` as the site. Of several rows of a window (years)
    the highest range counts. Where a range is not known (points without a map), `is_mining` says whether there is mining.
    """
    known = [name for name in ("region", "range") if name in windows]
    if "is_mining" in windows:
        unknown_mining = (windows["range"] == "") & windows["is_mining"].astype(bool)
        windows = windows.assign(range=windows["range"].where(~unknown_mining, MINING_RANGE))
    rows = windows.groupby("window_id", sort=True)[known].max().reset_index().rename(columns={"window_id": "patch_id"})
    rows = rows.assign(place=rows["patch_id"])
    absent = dict.fromkeys(("year", "split", "scene_ids"), "windows of a dataset have none")
    if "point_id" in windows and (windows["point_id"] != "").any():
        rows = rows.assign(site=windows.groupby("window_id", sort=True)["point_id"].max().to_numpy())
    else:
        absent["site"] = "windows of a dataset have one only where it is made of points or sites"
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
    ids = ids_of(raw, id_column)
    footprints, no_ground = ground_of(raw, ids, size_m, crs)
    rows = pd.DataFrame({"patch_id": ids}) if ids is not None else pd.DataFrame(index=range(len(raw.values)))
    missing = {} if footprints is not None else {"footprints": no_ground}
    for name, asked in columns.items():
        column = column_of(raw, asked, _place_columns(raw) if name == "place" else (name,))
        if column and not (name in _groups(pattern) and not asked):
            rows[name] = _values(raw, name, column)
        elif name not in _groups(pattern):
            missing[name] = f"{raw.path.name} has no column {name}"
    if pattern is not None:
        rows = _with_pattern(rows, raw, pattern, columns)
    if footprints is not None and ids is None:
        rows.insert(0, "patch_id", centre_ids(footprints, rows))
    elif ids is None:
        raise no_ids(raw)
    if footprints is not None and "place" not in rows:
        rows["place"], _ = _ground_names(footprints), missing.pop("place")
    elif "place" in missing:
        missing["place"] = f"{raw.path.name} has no column place, window_id or tile, and no coordinates"
    return PatchTable(rows, footprints, missing)


def _place_columns(raw: RawTable) -> list[str]:
    """The usual columns of places; a Sentinel-2 tile holds many."""
    return [name for name in PLACE_COLUMNS if name in raw.values and not text_of(raw.values[name]).str.fullmatch(MGRS_TILE).all()]


def _values(raw: RawTable, name: str, column: str) -> pd.Series:
    """A column as it is kept: years as whole numbers, scenes as they are, the rest as text."""
    if name == "scene_ids":
        return raw.values[column]
    if name == "split":
        return side_names(raw.values[column])
    texts = text_of(raw.values[column])
    return _years(raw, texts, f"column {column}") if name == "year" else texts


def side_names(values: pd.Series) -> pd.Series:
    """Names of sides as text, "" for what is missing and for the words of NO_SIDE."""
    texts = text_of(values)
    return texts.where(~texts.str.lower().isin(NO_SIDE), "")


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
