"""The ground of a table's rows, from whatever coordinates it has: window ids, outlines, bounds or points."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from mining_platform.footprints import Footprints, is_in_metres, window_footprints
from mining_platform.patch_table_files import RawTable, TableError, named, text_of

WINDOW_ID = r"\d{4,6}_-?\d+_-?\d+_[1-9]\d*"
BOUNDS, DEGREES, METRES = ("minx", "miny", "maxx", "maxy"), (("lon", "lat"), ("longitude", "latitude")), ("x", "y")
CRS_COLUMNS = ("crs", "epsg")
MAX_UTM_LATITUDE_DEG = 84.0  # UTM ends there: NGA.STND.0037, The Universal Grids and the Transverse Mercator Projections
HALF_TURN_DEG = 180.0
RowCrs = tuple[NDArray[np.int64], list[CRS]]
DENSE_DEG = 0.02  # at 6 degrees of latitude an edge of 2.2 km bends by 1 cm between geographic and UTM coordinates


def ground_of(raw: RawTable, ids: pd.Series | None, size_m: float | None, crs: str) -> tuple[Footprints | None, str]:
    """Footprints of a table's rows, or None and why there are none.

    Raises TableError that names rows without usable coordinates, points without a size, and what lacks a CRS.
    """
    target = _projected(crs) if crs else None
    windows = _window_ids(raw, ids)
    if windows is not None:
        return window_footprints(windows.tolist()), ""
    geometry, code = _geometries(raw, _names(raw, ids), target)
    if geometry is None:
        return None, f"{raw.path.name} has no window ids, geometries, minx … maxy, lon and lat, or x and y; it has {named(raw)}"
    return _footprints(raw, geometry, code, _names(raw, ids), size_m, target), ""


def _window_ids(raw: RawTable, ids: pd.Series | None) -> pd.Series | None:
    """Window ids of the column window_id, or the ids themselves where they are such and nothing else says where a row is."""
    if "window_id" in raw.values:
        found = text_of(raw.values["window_id"])
        is_window = found.str.fullmatch(WINDOW_ID)
        if is_window.all():
            if wrong := [code for code in _codes(found) if not is_in_metres(code)]:
                raise TableError(
                    f"{raw.path}: window ids begin with {wrong}, which are no EPSG codes of projected CRS in metres."
                )
            return found
        if is_window.any():
            raise TableError(f"{raw.path}: {found[~is_window].tolist()[:3]} in column window_id are no window ids.")
    elsewhere = (
        raw.geometry is not None
        or set(BOUNDS) <= set(raw.values)
        or any(set(pair) <= set(raw.values) for pair in (*DEGREES, METRES))
    )
    if ids is None or elsewhere or not len(ids) or not ids.str.fullmatch(WINDOW_ID).all():
        return None
    return ids if all(map(is_in_metres, _codes(ids))) else None


def _codes(window_ids: pd.Series) -> list[int]:
    """EPSG codes of windows, each once."""
    return [int(code) for code in window_ids.str.split("_").str[0].unique()]


def _names(raw: RawTable, ids: pd.Series | None) -> pd.Series:
    """What rows are called in messages."""
    return ids if ids is not None else pd.Series([f"row {number + 1}" for number in range(len(raw.values))], dtype=str)


def _geometries(raw: RawTable, names: pd.Series, target: CRS | None) -> tuple[NDArray[np.object_] | None, RowCrs]:
    """(n,) geometries, whatever the coordinates are written as, and their CRS: a code for each row into a list."""
    columns = set(raw.values)
    if raw.geometry is not None:
        crs = raw.crs or target
        if crs is None:
            raise TableError(f"{raw.path} has no CRS; say what its coordinates are in with --crs EPSG:....")
        return shapely.force_2d(raw.geometry), _one_crs(raw, crs)
    if set(BOUNDS) <= columns:
        return _boxes(raw, names), _row_crs(raw, target)
    for pair in DEGREES:
        if set(pair) <= columns:
            return _points(raw, names, pair), _one_crs(raw, CRS.from_epsg(4326))
    if set(METRES) <= columns:
        return _points(raw, names, METRES), _row_crs(raw, target)
    return None, _one_crs(raw, CRS.from_epsg(4326))


def _boxes(raw: RawTable, names: pd.Series) -> NDArray[np.object_]:
    minx, miny, maxx, maxy = _numbers(raw, names, BOUNDS)
    _refuse(raw, names, (minx >= maxx) | (miny >= maxy), "have minx, miny not below maxx, maxy")
    return np.asarray(shapely.box(minx, miny, maxx, maxy), dtype=object)


def _points(raw: RawTable, names: pd.Series, pair: tuple[str, str]) -> NDArray[np.object_]:
    return np.asarray(shapely.points(*_numbers(raw, names, pair)), dtype=object)


def _numbers(raw: RawTable, names: pd.Series, columns: tuple[str, ...]) -> list[NDArray[np.float64]]:
    numbers = [pd.to_numeric(raw.values[name], errors="coerce").to_numpy(dtype=float) for name in columns]
    _refuse(raw, names, ~np.isfinite(numbers).all(axis=0), f"have no number in {', '.join(columns)}")
    return numbers


def _one_crs(raw: RawTable, crs: CRS) -> RowCrs:
    return np.zeros(len(raw.values), dtype=np.int64), [crs]


def _row_crs(raw: RawTable, target: CRS | None) -> RowCrs:
    """CRS of each row from a column, else the one that was named."""
    column = next((name for name in CRS_COLUMNS if name in raw.values), "")
    if column:
        codes, texts = pd.factorize(text_of(raw.values[column]))
        return codes, [_crs(text, f"{raw.path}, column {column}") for text in texts]
    if target is None:
        raise TableError(f"{raw.path} has coordinates but no column crs or epsg; say what they are in with --crs EPSG:....")
    return _one_crs(raw, target)


def _crs(text: str, where: str) -> CRS:
    try:
        return CRS.from_user_input(int(text) if text.isdigit() else text)
    except CRSError:
        raise TableError(f"{where}: {text!r} is no CRS; write it as EPSG:32722.") from None


def _projected(text: str) -> CRS:
    crs = _crs(text, "--crs")
    if not is_in_metres(crs.to_epsg() or 0):
        raise TableError(f"--crs {text} is not a projected CRS in metres with an EPSG code, such as EPSG:32722.")
    return crs


def _refuse(raw: RawTable, names: pd.Series, wrong: Any, words: str) -> None:
    if wrong.any():
        raise TableError(f"{raw.path}: {int(wrong.sum())} rows {words}: {names[wrong].tolist()[:5]}.")


def _footprints(
    raw: RawTable, geometry: NDArray[np.object_], crs: RowCrs, names: pd.Series, size_m: float | None, target: CRS | None
) -> Footprints:
    """Polygons in metres: points as squares, geographic coordinates projected, the rest as it is."""
    _refuse(
        raw, names, np.array([each is None for each in geometry], dtype=bool) | shapely.is_empty(geometry), "have no geometry"
    )
    _refuse(raw, names, ~np.isfinite(shapely.bounds(geometry)).all(axis=1), "have coordinates that are no numbers")
    kinds = shapely.get_type_id(geometry)
    is_point = kinds == shapely.GeometryType.POINT
    areal = np.isin(kinds, [shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON])
    _refuse(raw, names, ~(is_point | areal), "are neither points nor polygons")
    _refuse(raw, names, areal & ~shapely.is_valid(geometry), "have invalid outlines (mend them, as with shapely.make_valid)")
    if is_point.any() and size_m is None:
        raise TableError(f"{raw.path} holds points; say how large the square patches around them are with --size-m.")
    if size_m is not None and not (np.isfinite(size_m) and size_m > 0):
        raise TableError(f"A size of {size_m} m is no size of a patch; write --size-m 2560.")
    metres, epsg = _in_metres(raw, geometry, crs, names, target)
    x, y = shapely.get_coordinates(metres[is_point]).T
    half = (size_m or 0) / 2
    metres[is_point] = shapely.box(x - half, y - half, x + half, y + half)
    return Footprints(metres, epsg)


def _in_metres(
    raw: RawTable, geometry: NDArray[np.object_], crs: RowCrs, names: pd.Series, target: CRS | None
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Geometries in projected metres and their EPSG codes."""
    metres, epsg = geometry.copy(), np.zeros(len(geometry), dtype=np.int64)
    codes, sources = crs
    for code, source in enumerate(sources):
        rows = np.flatnonzero(codes == code)
        own = None if source.is_geographic else source.to_epsg()
        if own is not None and (target is None or target.to_epsg() == own) and source.axis_info[0].unit_conversion_factor == 1:
            epsg[rows] = own
            continue
        if not source.is_geographic and target is None:
            raise TableError(f"{raw.path}: its CRS {source.name} is not in metres or has no EPSG code; give --crs EPSG:....")
        outlines = _unwrapped(geometry[rows]) if source.is_geographic else geometry[rows]
        goals = np.full(len(rows), target.to_epsg()) if target else _zones(raw, outlines, names.iloc[rows])
        dense = shapely.segmentize(outlines, DENSE_DEG) if source.is_geographic else outlines
        for goal in np.unique(goals).tolist():
            chosen = goals == goal
            metres[rows[chosen]] = shapely.transform(dense[chosen], _move(source, goal), interleaved=False)
        epsg[rows] = goals
    _refuse(raw, names, ~np.isfinite(shapely.bounds(metres)).all(axis=1), "cannot be projected")
    return metres, epsg


def _move(source: CRS, goal: int) -> Callable[..., Any]:
    return Transformer.from_crs(source, goal, always_xy=True).transform


def _eastward(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) longitude and latitude with longitudes from 0 to 360."""
    return np.column_stack([degrees[:, 0] % 360, degrees[:, 1]])


def _unwrapped(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Outlines in degrees, with those that reach over the 180th meridian, cut there or not, running on beyond 180."""
    minx, _, maxx, _ = shapely.bounds(geometry).T
    over = (maxx - minx > HALF_TURN_DEG) & (minx >= -HALF_TURN_DEG) & (maxx <= HALF_TURN_DEG)
    whole = geometry.copy()
    whole[over] = shapely.transform(geometry[over], _eastward)
    return whole


def _zones(raw: RawTable, geometry: NDArray[np.object_], names: pd.Series) -> NDArray[np.int64]:
    """EPSG code of the WGS 84 UTM zone of each centre, as `grids.utm_epsg` has it."""
    minx, miny, maxx, maxy = shapely.bounds(geometry).T
    over = (minx < HALF_TURN_DEG) & (maxx > HALF_TURN_DEG) & (maxx - minx < HALF_TURN_DEG)
    wrong = (minx < -HALF_TURN_DEG) | (maxx > HALF_TURN_DEG)
    wrong = (wrong & ~over) | (np.maximum(abs(miny), abs(maxy)) > MAX_UTM_LATITUDE_DEG)
    _refuse(
        raw, names.reset_index(drop=True), wrong, "are no longitudes and latitudes within UTM (is it x before y, in degrees?)"
    )
    lon, lat = ((minx + maxx) / 2 + 180) % 360 - 180, (miny + maxy) / 2
    zone = np.minimum((lon + 180) // 6 + 1, 60).astype(np.int64)
    return np.where(lat < 0, 32700, 32600) + zone
