"""Features of extracts that others have turned into tables: GeoJSON and GeoParquet, with keys as properties or in `tags`.

`tags` is a map, a structure or a list of pairs, as in the tables of QuackOSM and of osm-pbf-parquet. Geometries are taken as
they are: whether a closed way is an area was decided by whoever made the table.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from mining_platform.context import Bounds
from mining_platform.osm_keys import ABSENT_VALUE, OSM_KEYS
from mining_platform.sources.extracts.batches import BATCH_FEATURES, Batch, ExtractError, Told
from mining_platform.vector_files import read_features

MAX_GEOJSON_BYTES = 256 * 2**20
"""GeoJSON is held whole, in some ten times its bytes."""
MAX_GROUP_BYTES = 2**30
"""Of a row group of a GeoParquet file, which is unpacked whole; the usual ones have 0.1 GB."""
HEAD_BYTES = 4_096
TAGS = "tags"
_BOX = re.compile(r'"bbox"\s*:\s*(\[[^\]]*\])')
_TIME = re.compile(r'"timestamp"\s*:\s*"([^"]*)"')
_SIDES = 4  # numbers of a bounding box


def read_geojson(path: Path) -> Iterator[Batch]:
    """Features of a GeoJSON file, in batches; ExtractError for one that is too large, damaged or not in degrees."""
    if path.stat().st_size > MAX_GEOJSON_BYTES:
        problem = f"{path.name} has more than {MAX_GEOJSON_BYTES} bytes, and GeoJSON is held whole"
        raise ExtractError(f"{problem}. Write it as GeoParquet, or take an .osm.pbf extract.")
    try:
        table = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise ExtractError(f"{path.name} cannot be read as GeoJSON ({error}). Fetch it again.") from None
    if "geometry" not in table or table.crs is None:
        raise ExtractError(f"{path.name} holds no features with geometries. Ask for an extract with some.")
    _check_degrees(path, table.crs)
    columns = [name for name in (*OSM_KEYS, TAGS) if name in table]
    for start in range(0, len(table), BATCH_FEATURES):
        part = table.iloc[start : start + BATCH_FEATURES]
        yield _batch({name: part[name].tolist() for name in columns}, part.geometry.to_numpy())


def told_by_geojson(path: Path) -> Told:
    """`bbox` (RFC 7946) and `timestamp` (of Overpass Turbo) before the features."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).decode(errors="replace").partition('"features"')[0]
    box, time = _BOX.search(head), _TIME.search(head)
    return Told(_bounds(json.loads(box[1])) if box else None, time[1] if time else "")


def read_geoparquet(path: Path) -> Iterator[Batch]:
    """Features of a GeoParquet file, row group by row group; ExtractError for one that is damaged or not in degrees."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name, _ = _geo(path)
    try:
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
            if max(sizes, default=0) > MAX_GROUP_BYTES:
                raise ExtractError(f"{path.name} has a row group of more than {MAX_GROUP_BYTES} bytes. Write it in smaller ones.")
            wanted = [column for column in (*OSM_KEYS, TAGS) if column in file.schema_arrow.names]
            for part in file.iter_batches(BATCH_FEATURES, columns=[*wanted, name]):
                geometries = shapely.from_wkb(part[name].to_numpy(zero_copy_only=False), on_invalid="ignore")
                yield _batch({column: part[column].to_pylist() for column in wanted}, geometries)
    except (pa.ArrowException, OSError, TypeError) as error:
        raise ExtractError(f"{path.name} is no whole GeoParquet file ({_line(error)}). Fetch it again.") from None


def told_by_geoparquet(path: Path) -> Told:
    """The bounding box of the file's metadata, https://geoparquet.org/releases/v1.1.0/."""
    return Told(_bounds(_geo(path)[1].get("bbox")), "")


def _geo(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Name of the geometry column, and what the file says of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        geo = json.loads(metadata[b"geo"])
        name = str(geo["primary_column"])
        column = dict(geo["columns"][name])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise ExtractError(f"{path.name} is no GeoParquet file ({_line(error)}). Write one with geopandas or GDAL.") from None
    if column.get("encoding") != "WKB":
        raise ExtractError(f"{path.name} has geometries as {column.get('encoding')}. Write them as WKB.")
    _check_degrees(path, column.get("crs", "OGC:CRS84"))
    return name, column


def _check_degrees(path: Path, crs: Any) -> None:
    try:
        known = CRS.from_user_input(crs)
    except CRSError:
        known = None
    if known is None or not (known.is_geographic and "WGS" in known.name):
        raise ExtractError(f"{path.name} is not in longitude and latitude, EPSG:4326. Write it in these.")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _bounds(value: Any) -> Bounds | None:
    if not isinstance(value, list) or len(value) not in (_SIDES, 6) or not all(isinstance(each, int | float) for each in value):
        return None
    west, south, east, north = (value[position] for position in ((0, 1, 2, 3) if len(value) == _SIDES else (0, 1, 3, 4)))
    return float(west), float(south), float(east), float(north)


def _batch(columns: Mapping[str, list[Any]], geometries: NDArray[np.object_]) -> Batch:
    found = [(key, value, position) for key in OSM_KEYS for position, value in _values(columns, key)]
    found.sort(key=lambda row: row[2])
    positions = np.array([position for *_, position in found], np.int64)
    return Batch([key for key, *_ in found], [value for _, value, _ in found], geometries[positions])


def _values(columns: Mapping[str, list[Any]], key: str) -> Iterator[tuple[int, str]]:
    """Rows that have a key, with its value."""
    direct = columns.get(key)
    told = direct if direct is not None else [_of_tags(tags, key) for tags in columns.get(TAGS, [])]
    for position, value in enumerate(told):
        if isinstance(value, str | bool | int) and not pd.isna(value) and value not in ("", ABSENT_VALUE, False):
            yield position, str(value)


def _of_tags(tags: Any, key: str) -> Any:
    """A key's value in a map, a list of pairs, or either as JSON text."""
    if isinstance(tags, str):
        try:
            tags = json.loads(tags)
        except (ValueError, RecursionError):
            return None
    try:
        return dict(tags or {}).get(key)
    except (TypeError, ValueError):
        return None
