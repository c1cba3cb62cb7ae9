"""Files of patches as they are: columns, and geometries with their CRS where the format has them."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

JSON_SUFFIXES, PARQUET_SUFFIXES, TEXT_SUFFIXES = (".geojson", ".json"), (".parquet", ".geoparquet"), (".csv", ".tsv")


class TableError(ValueError):
    """A table of patches that cannot be used as it is."""


@dataclass(frozen=True)
class RawTable:
    """One file's columns, before anything is made of them."""

    path: Path
    values: pd.DataFrame
    """Columns by the names in the file; those of text files are all text, so that 0001 stays 0001."""
    geometry: NDArray[np.object_] | None
    """(n,) shapely geometries, None where a row has none; None where the format has no geometries."""
    crs: CRS | None
    """CRS of the geometries."""


def read_raw(path: Path) -> RawTable:
    """A .csv, .tsv, .geojson, .json, .parquet or .geoparquet file; TableError where it cannot be read."""
    readers = (
        dict.fromkeys(JSON_SUFFIXES, _geojson) | dict.fromkeys(PARQUET_SUFFIXES, _parquet) | dict.fromkeys(TEXT_SUFFIXES, _text)
    )
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TableError(f"{path} is no table of patches; give one of {', '.join(readers)}.")
    if not path.is_file():
        raise TableError(f"There is no file {path}.")
    try:
        return reader(path)
    except TableError:
        raise
    except Exception as error:  # the readers of three formats raise dozens of kinds
        raise TableError(f"{path} cannot be read: {error}.") from None


def named(raw: RawTable) -> str:
    """The columns of a table, for messages."""
    return ", ".join(map(str, raw.values.columns)) or "no columns"


def column_of(raw: RawTable, asked: str, usual: Sequence[str]) -> str:
    """The column that was asked for, or the first of the usual ones; empty where there is none. TableError if absent."""
    if asked and asked not in raw.values:
        raise TableError(f"{raw.path} has no column {asked!r}; it has {named(raw)}.")
    return asked or next((name for name in usual if name in raw.values), "")


def text_of(values: pd.Series) -> pd.Series:
    """Values as text: whole numbers without a point, stripped, "" for what is missing."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), "").astype(str).str.strip().reset_index(drop=True)


def _text(path: Path) -> RawTable:
    """Comma, semicolon or tab, by which of them the first line has most."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    separator = max(",;\t", key=header.count)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more fields than the header
        values = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    return RawTable(path, values.rename(columns=str.strip), None, None)


def _parquet(path: Path) -> RawTable:
    import pyarrow.parquet as pq

    if b"geo" not in (pq.read_schema(path).metadata or {}):
        return RawTable(path, _with_index(pd.read_parquet(path)), None, None)
    import geopandas as gpd

    return _of_frame(path, gpd.read_parquet(path))


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with its index as columns, where that has names of its own."""
    named = [name for name in frame.index.names if name is not None and name not in frame]
    return frame.reset_index(drop=len(named) < frame.index.nlevels)


def _geojson(path: Path) -> RawTable:
    """GeoJSON is in degrees (RFC 7946, section 4) unless an old `crs` member says otherwise."""
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list) or not all(isinstance(each, dict) for each in features):
        raise TableError(f"{path} is no FeatureCollection; write GeoJSON with a list of features.")
    crs = _old_crs(path, content.get("crs"))
    outlines = [shapely.geometry.shape(each["geometry"]) if each.get("geometry") else None for each in features]
    values = pd.DataFrame([_properties(each) for each in features], index=range(len(features)))
    return RawTable(path, values, np.array(outlines, dtype=object), crs)


def _old_crs(path: Path, member: Any) -> CRS:
    """CRS by the `crs` member of GeoJSON of 2008; degrees where there is none."""
    if member is None:
        return CRS.from_epsg(4326)
    try:
        return CRS.from_user_input(member["properties"]["name"])
    except (KeyError, TypeError, CRSError):
        raise TableError(
            f"{path} has a crs member {json.dumps(member)[:80]} that names no CRS; write EPSG:... as its properties.name, or "
            "leave it out where the coordinates are degrees."
        ) from None


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    """Properties of a feature; its own id where they have none."""
    own = {"id": feature["id"]} if "id" in feature else {}
    return {**own, **(feature.get("properties") or {})}


def _of_frame(path: Path, frame: Any) -> RawTable:
    values = _with_index(pd.DataFrame(frame.drop(columns=frame.geometry.name)))
    crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
    return RawTable(path, values, np.asarray(frame.geometry.array, dtype=object), crs)
