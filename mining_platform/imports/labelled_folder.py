"""A folder of GeoTIFF or NPY patches and a table (id, lon, lat, date, label, split), as found in the wild.

The label is of a whole patch: mining or not; its pixels have no class.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import Finding, PatchImportError, found
from mining_platform.imports.found import Found, Request, rows_of, side_of
from mining_platform.imports.image_files import NPY_SUFFIX, TIFF_SUFFIXES, files_below, read_header, read_image
from mining_platform.imports.table_columns import column_named, numbers, only_table, whole_years

LAYOUT = "labelled-folder"
SUFFIXES = (*TIFF_SUFFIXES, NPY_SUFFIX)
LABELS: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("1", "1.0", "true", "yes", "mining", "mine", "positive", "pos", "asgm"), True),
        **dict.fromkeys(("0", "0.0", "false", "no", "other", "background", "none", "negative", "neg", "non-mining"), False),
    }
)
"""What labels are called, in small letters."""
NEAR_DEG = 5.0
"""A row is swapped whose swapped coordinates are this near to the middle of all, and its own not within four times that."""
_DATE = re.compile(r"((?:19|20)\d{2})(?:([-/]?)(\d{2})(?:\2(\d{2}))?)?(?:[T ].*)?")


def read_labelled(request: Request) -> Found:
    """The patches that the table names; PatchImportError for rows that cannot be used, all of them named with why."""
    table = only_table(request)
    if table is None:
        raise PatchImportError(
            f"{request.source} has no table (.csv) of its patches. Write one: id, lon, lat, date, label, split."
        )
    rows, bad = _rows(request, table)
    stray = sorted(set(files_below(request.folder, SUFFIXES)) - set(rows["image_file"]))
    bad = {**bad, "files without a row": stray}
    told = tuple(each for why, names in bad.items() for each in found("bad rows", f"{why} are left out", names))
    if told and not request.leave_out_bad_rows:
        problems = "; ".join(each.line.replace(" are left out", "") for each in told)
        raise PatchImportError(f"{request.source}: {problems}. Mend them, or leave them out with --leave-out-bad-rows.")
    kept = rows_of(_records(rows[~rows["is_bad"]].drop(columns="is_bad")))
    if kept.empty:
        raise PatchImportError(f"{table} has no row that can be used.")
    return _found(request, kept, told)


def _found(request: Request, rows: pd.DataFrame, told: tuple[Finding, ...]) -> Found:
    names = rows["image_file"].tolist()
    channels = channels_of(request.channels, read_header(request.folder, names[0]).descriptions, (), names[0])
    return Found(
        rows=rows,
        channels=channels,
        image=lambda number: read_image(request.folder, names[number]),
        label=lambda _number: None,
        findings=(*told, *left_out(channels)),
        nan_is_nodata=False,
        one_dtype=True,
        recipe=LAYOUT,
    )


def _rows(request: Request, table: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """All rows with a column `is_bad`, and the names of the bad ones by why."""
    texts = {
        name: column_named(request, table, name) for name in ("file", "lon", "lat", "date", "year", "label", "split", "place")
    }
    ids = column_named(request, table, "id", required=not texts["file"].any())
    ids = ids.where(ids != "", texts["file"].map(lambda name: PurePosixPath(name).stem))
    files = _files(request, table, ids, texts["file"])
    lon, lat = numbers(texts["lon"]), numbers(texts["lat"])
    dates = texts["date"].map(_date)
    told = whole_years(texts["year"])
    asked = pd.Series(np.nan if request.year is None else float(request.year), index=ids.index)
    years = asked.fillna(told).fillna(whole_years(dates.str[:4]))
    labels = texts["label"].str.lower().map(LABELS)
    outside = _outside(texts["lon"], lon, 180) | _outside(texts["lat"], lat, 90)
    reasons = {
        "rows without an id": ids == "",
        "ids of several rows": ids.duplicated(keep=False) & (ids != ""),
        "rows without a file": files == "",
        "files of several rows": files.duplicated(keep=False) & (files != ""),
        "rows whose longitude and latitude look swapped": _swapped(lon, lat),
        "rows with a longitude or latitude out of range": outside & ~_swapped(lon, lat),
        "rows with an unreadable date": (texts["date"] != "") & (dates == ""),
        "rows with a year that is none": (texts["year"] != "") & told.isna(),
        "rows of another year than --year": told.notna() & asked.notna() & (told != asked),
        "rows with an unknown label": (texts["label"] != "") & labels.isna(),
        "rows without a year (no date, and no --year)": years.isna() & (texts["year"] == "") & (texts["date"] == ""),
    }
    bad = {why: [_name(int(number), ids) for number in np.flatnonzero(mask)] for why, mask in reasons.items()}
    rows = pd.DataFrame(
        {
            "patch_id": ids,
            "place": texts["place"].where(texts["place"] != "", ids),
            "region": request.region,
            "year": years.fillna(0).astype("int64"),
            "split": texts["split"].map(side_of),
            "published_split": texts["split"],
            "is_mining": labels.astype(object).where(labels.notna(), None),
            "date": dates,
            "lon": lon,
            "lat": lat,
            "image_file": files,
            "is_bad": np.any([mask.to_numpy(bool) for mask in reasons.values()], axis=0),
        }
    )
    return rows, bad


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _name(number: int, ids: pd.Series) -> str:
    """What a row is called in messages: its id, and its line in the file."""
    return f"{ids[number] or 'row'} (line {number + 2})"


def _files(request: Request, table: str, ids: pd.Series, named: pd.Series) -> pd.Series:
    """File of each row in the folder, by the table's path or else by the id; "" where there is none, or several."""
    present = files_below(request.folder, SUFFIXES)
    known = set(present)
    by_name: dict[str, list[str]] = {}
    for name in present:
        path = PurePosixPath(name)
        for each in {path.name, path.stem}:
            by_name.setdefault(each, []).append(name)
    beside = PurePosixPath(table).parent
    found_ = [_file(patch_id, path, beside, known, by_name) for patch_id, path in zip(ids, named, strict=True)]
    return pd.Series(found_, dtype=object)


def _file(patch_id: str, named: str, beside: PurePosixPath, known: set[str], by_name: Mapping[str, list[str]]) -> str:
    """The file of a path from the top or from beside the table; of a bare name, or a path on another machine, by its name."""
    path = PurePosixPath(named.replace("\\", "/")) if named else PurePosixPath(patch_id)
    for place in (path, beside / path):
        if named and str(place) in known:
            return str(place)
    is_elsewhere = path.is_absolute() or PureWindowsPath(named).is_absolute()
    if named and not is_elsewhere and (len(path.parts) > 1 or path.suffix.lower() in SUFFIXES):
        return ""
    alone = by_name.get(path.name, [])
    return alone[0] if len(alone) == 1 else ""


def _outside(texts: pd.Series, degrees_: pd.Series, most: float) -> pd.Series:
    """Rows that tell something which is no number from -most to most."""
    return (texts != "") & ~(degrees_.abs() <= most)


def _swapped(lon: pd.Series, lat: pd.Series) -> pd.Series:
    """Rows that lie where the others do once longitude and latitude change places, or that can only be right so."""
    impossible = (lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)  # noqa: PLR2004 - degrees
    middle = lon[~impossible].median(), lat[~impossible].median()
    here = np.maximum((lon - middle[0]).abs(), (lat - middle[1]).abs())
    there = np.maximum((lat - middle[0]).abs(), (lon - middle[1]).abs())
    return impossible | ((there <= NEAR_DEG) & (here > 4 * NEAR_DEG))


def _date(text: str) -> str:
    """`2023`, `2023-07`, `2023/07/19`, `20230719`, `2023-07-19T13:00:00Z` -> ISO 8601 without time; "" for what is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    year, _, month, day = match.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return "-".join(part for part in (year, month, day) if part)
