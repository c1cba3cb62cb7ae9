"""A folder of GeoTIFF or NPY patches and a table (id, lon, lat, date, label, split), as found in the wild.

The label is of a whole patch: mining or not; its pixels have no class.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import Finding, PatchImportError, found
from mining_platform.imports.found import Found, Request, rows_of, side_of
from mining_platform.imports.image_files import NPY_SUFFIX, TIFF_SUFFIXES, files_below, read_header, read_image
from mining_platform.imports.table_columns import column_named, degrees, only_table

LAYOUT = "labelled-folder"
LABELS: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("1", "1.0", "true", "yes", "mining", "mine", "positive", "pos", "asgm"), True),
        **dict.fromkeys(("0", "0.0", "false", "no", "other", "background", "none", "negative", "neg", "non-mining"), False),
    }
)
"""What labels are called, in small letters."""
NEAR_DEG = 5.0
"""A row is swapped whose swapped coordinates are this near to the middle of all, and its own not within four times that."""
_DATE = re.compile(r"((?:19|20)\d{2})(?:-?(\d{2})(?:-?(\d{2}))?)?(?:[T ].*)?")


def read_labelled(request: Request) -> Found:
    """The patches that the table names; PatchImportError for rows that cannot be used, all of them named with why."""
    table = only_table(request)
    if table is None:
        raise PatchImportError(
            f"{request.source} has no table (.csv) of its patches. Write one: id, lon, lat, date, label, split."
        )
    rows, bad = _rows(request, table)
    stray = sorted(set(files_below(request.folder, (*TIFF_SUFFIXES, NPY_SUFFIX))) - set(rows["image_file"]))
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
    files = _files(request, ids, texts["file"])
    lon, lat = degrees(texts["lon"]), degrees(texts["lat"])
    dates = texts["date"].map(_date)
    years = pd.to_numeric(texts["year"], errors="coerce").fillna(pd.to_numeric(dates.str[:4], errors="coerce"))
    if request.year is not None:
        years = pd.Series(float(request.year), index=ids.index)
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
        "rows with an unknown label": (texts["label"] != "") & labels.isna(),
        "rows without a year (no date, and no --year)": years.isna() & ~((texts["date"] != "") & (dates == "")),
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


def _files(request: Request, ids: pd.Series, named: pd.Series) -> pd.Series:
    """File of each row in the folder, by the table's path or else by the id; "" where there is none, or several."""
    present = files_below(request.folder, (*TIFF_SUFFIXES, NPY_SUFFIX))
    by_stem: dict[str, list[str]] = {}
    for name in present:
        by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
    paths = named.map(lambda text: str(PurePosixPath(text.replace("\\", "/"))) if text else "")
    alone = [by_stem.get(each, []) for each in ids]
    return pd.Series(
        [
            path if path in set(present) else (found_[0] if not path and len(found_) == 1 else "")
            for path, found_ in zip(paths, alone, strict=True)
        ],
        dtype=object,
    )


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
    """`2023`, `2023-07`, `20230719`, `2023-07-19T13:00:00Z` -> ISO 8601 without the time; "" for what is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    year, month, day = match.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return "-".join(part for part in (year, month, day) if part)
