"""The table of imported patches that were made by others: what each column means, and how it is made of rows and pixels."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pyproj import Transformer

from mining_platform.imports.findings import Finding, PatchImportError, found
from mining_platform.imports.found import Found
from mining_platform.imports.measuring import Measured
from mining_platform.ranges import RANGES, range_of

DROPPED_EMPTY = "no pixel with data"
GROUND_COLUMNS = ("epsg", "minx", "miny", "maxx", "maxy")
POINT_COLUMNS = ("lon", "lat")
PERCENTAGE_ERROR = 0.0005  # of a published share: tables round per cent to one digit
_THAN = "than was published; the label counts"


def _column(dtype: Any, *checks: pa.Check, nullable: bool = False, unique: bool = False, required: bool = True) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=nullable, unique=unique, required=required)


_SHARE = pa.Check.in_range(0, 1)

IMPORTED_TABLE = pa.DataFrameSchema(
    {
        "patch_id": _column(str, pa.Check.str_length(min_value=1), unique=True),
        "place": _column(str),
        "site": _column(str),
        "region": _column(str, pa.Check.str_matches(r"^[a-z0-9-]{1,64}$")),
        "year": _column("int64", pa.Check.in_range(1900, 2200)),
        "split": _column(str, pa.Check.isin(["", "train", "val", "test"])),
        "published_split": _column(str),
        "share": _column(float, _SHARE, nullable=True),
        "range": _column(str),
        "is_mining": _column("boolean", nullable=True),
        "published_share": _column(float, nullable=True),
        "published_range": _column(str),
        "valid_share": _column(float, _SHARE),
        "masked_share": _column(float, _SHARE),
        **{name: _column("int64" if name == "epsg" else float, nullable=True, required=False) for name in GROUND_COLUMNS},
        **{name: _column(float, nullable=True, required=False) for name in POINT_COLUMNS},
        "date": _column(str),
        "image_file": _column(str, pa.Check.str_length(min_value=1), unique=True),
        "label_file": _column(str),
        "image_blake3": _column(str, pa.Check.str_matches(r"^[0-9a-f]{64}$")),
        "unit": _column(str),
        "store_row": _column("int64", pa.Check.ge(-1)),
        "dropped": _column(bool),
        "drop_reason": _column(str),
        "simulated": _column(bool),
    },
    strict=True,
    ordered=True,
)
"""Columns of the table, in order.

`place`: one name for the same ground in all years; `site`: what a split has to keep together, "" where nothing says; `split` is
ours, `published_split` as written. `share`: share of mining of the label's pixels with a class, missing where no pixel has one;
`range` that of the share, else the published one where it is one of ours; `is_mining` missing where nothing tells;
`published_share` and `published_range` as the files of the dataset say. `valid_share`: share of the label's pixels with a class;
`masked_share`: share of the image's pixels without data in any channel. minx to maxy in metres or degrees of `epsg`; these
columns, and lon and lat (degrees), are left out where no patch has them.
`image_blake3` of shape, type and pixels; `unit` of the reflectance in the file; `store_row` -1 where the patch is dropped.
"""


def imported_table(read: Found, measured: Measured) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """The validated table, sorted by patch_id, with all ground columns, and where it differs from what was published."""
    rows, pixels = read.rows, measured.patches
    valid = pixels["valid_px"] > 0
    share = (pixels["mining_px"] / pixels["valid_px"].where(valid)).astype(float)
    known = rows.assign(
        share=share,
        range=_ranges(share, rows["published_range"]),
        is_mining=_classes(rows["is_mining"], share),
        valid_share=pixels["valid_px"] / pixels["pixels"],
        image_blake3=pixels["digest"],
        dropped=pixels["masked_share"] == 1,
        drop_reason=np.where(pixels["masked_share"] == 1, DROPPED_EMPTY, ""),
        **{name: pixels[name] for name in ("masked_share", "unit", "simulated", *GROUND_COLUMNS)},
    )
    known = _with_points(known.assign(store_row=store_rows(known)))
    table = known[list(IMPORTED_TABLE.columns)].astype({"is_mining": "boolean", "year": "int64", "epsg": "int64"})
    _validate(table)
    off = (table["share"] - table["published_share"]).abs() > PERCENTAGE_ERROR
    moved = table["published_range"].isin(RANGES) & (table["range"] != table["published_range"])
    return table, (
        *_doubts_of(table),
        *found("place differs", "patches have a longitude and latitude outside of their image's ground; both are kept",
               table["patch_id"][_outside_of_ground(rows, table)]),
        *found("share differs", f"patches have another share of mining in their label {_THAN}", table["patch_id"][off]),
        *found("range differs", f"patches are in another range by their label {_THAN}", table["patch_id"][moved]),
    )  # fmt: skip


def _doubts_of(table: pd.DataFrame) -> tuple[Finding, ...]:
    """Sides and dates that are kept as they are though they mean nothing here, or something else."""
    ids, unknown = table["patch_id"], (table["published_split"] != "") & (table["split"] == "")
    other_year = (table["date"] != "") & (table["date"].str[:4] != table["year"].astype(str))
    return (
        *found("unknown side", "patches are on a side of the published split that is no train, val or test", ids[unknown]),
        *found("date differs", "patches have a date of another year than their own; the year counts", ids[other_year]),
    )


def _outside_of_ground(rows: pd.DataFrame, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Patches whose point, as the files tell it, is not on the ground of their image."""
    outside = np.zeros(len(table), bool)
    told = rows["lon"].notna() & rows["lat"].notna()
    for epsg in sorted(set(table["epsg"]) - {0}):
        at = ((table["epsg"] == epsg) & told).to_numpy()
        west, south, east, north = (table[name].to_numpy(float)[at] for name in GROUND_COLUMNS[1:])
        to_ground = Transformer.from_crs(4326, epsg, always_xy=True)
        x, y = to_ground.transform(rows["lon"].to_numpy(float)[at], rows["lat"].to_numpy(float)[at])
        outside[at] = ~((np.asarray(x) >= west) & (np.asarray(x) <= east) & (np.asarray(y) >= south) & (np.asarray(y) <= north))
    return outside


def published(table: pd.DataFrame) -> pd.DataFrame:
    """The table without ground columns where no patch has a place, and without lon and lat where none has those."""
    absent = [*(GROUND_COLUMNS if (table["epsg"] == 0).all() else ()), *(POINT_COLUMNS if table["lon"].isna().all() else ())]
    return table.drop(columns=absent)


def store_rows(table: pd.DataFrame) -> pd.Series:
    """Row in the store of its region and year, in the order of the table; -1 where dropped."""
    kept = table[~table["dropped"]]
    return kept.groupby(["region", "year"]).cumcount().reindex(table.index, fill_value=-1).astype("int64")


def _ranges(share: pd.Series, told: pd.Series) -> NDArray[np.object_]:
    """Range of each share, else the one that is told where it is one of ours, else ""."""
    ranges = told.where(told.isin(RANGES), "").to_numpy(dtype=object).copy()
    known = share.notna().to_numpy()
    ranges[known] = range_of(share.to_numpy()[known])
    return ranges


def _classes(told: pd.Series, share: pd.Series) -> pd.Series:
    """Whether there is mining: by the label's pixels, else as the layout tells, else missing."""
    by_pixels = (share > 0).astype(object).where(share.notna(), None)
    return by_pixels.where(share.notna(), told).astype("boolean")


def _with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Longitude and latitude of the centre where the table does not tell them and the image has a place."""
    lon, lat = table["lon"].astype(float).to_numpy().copy(), table["lat"].astype(float).to_numpy().copy()
    for epsg in sorted(set(table["epsg"]) - {0}):
        at = ((table["epsg"] == epsg) & np.isnan(lon)).to_numpy()
        x, y = (table["minx"] + table["maxx"]) / 2, (table["miny"] + table["maxy"]) / 2
        lon[at], lat[at] = Transformer.from_crs(epsg, 4326, always_xy=True).transform(x[at], y[at])
    return table.assign(lon=lon, lat=lat)


def _validate(table: pd.DataFrame) -> None:
    try:
        IMPORTED_TABLE.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        case = error.failure_cases.iloc[0]
        raise PatchImportError(
            f"The imported patches break their schema: {case['column']}: {case['check']}, found {case['failure_case']!r}."
        ) from None
