"""Points that people named, read from their file: where mining is, and where it is not."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform.point_files import PointsFile
from mining_platform.regions import expand
from mining_platform.sources.protocol import SourceError
from mining_platform.spreadsheets import is_formula
from mining_platform.store.digests import file_digest
from mining_platform.vector_files import read_features

NAMED = 5  # bad rows an error names


def points_path(points_file: PointsFile) -> Path:
    """The file on disk; SourceError where it is missing or of another kind."""
    path = Path(expand(points_file.href))
    if not path.is_file():
        raise SourceError(f"There is no file of points {path}. Put it there, or mend the dataset's row.")
    if path.suffix.lower() not in (".geojson", ".json", ".csv"):
        raise SourceError(f"The file of points {path.name} is neither .geojson nor .csv. Convert it.")
    return path


def points_fingerprint(points_file: PointsFile) -> dict[str, Any]:
    """What identifies the file's content: bytes and blake3; SourceError where it is missing."""
    path = points_path(points_file)
    return {"bytes": path.stat().st_size, "blake3": file_digest(path)}


def read_points(points_file: PointsFile, year: int) -> gpd.GeoDataFrame:
    """The points that hold for a year, in EPSG:4326: columns point_id, is_mining, geometry, sorted by point_id.

    SourceError, naming the points, for a file that cannot be read, columns that it lacks, classes that the row does not name,
    places that are empty, not finite or no points on the globe, years that are none, ids that are empty or used twice.
    """
    path = points_path(points_file)
    table = _read(path)
    wanted = [name for name in (points_file.class_column, points_file.id_column, points_file.year_column) if name]
    if lacking := [name for name in wanted if name not in table.columns]:
        raise SourceError(f"{path.name} has no column {lacking}; it has {[str(name) for name in table.columns]}.")
    if not len(table):
        raise SourceError(f"{path.name} holds no points.")
    places = _places(table, path)
    ids = _texts(table[points_file.id_column]) if points_file.id_column else _named_by_place(places)
    classes = _texts(table[points_file.class_column])
    _refuse(path, ids, ids == "", "have no id")
    _refuse(path, ids, np.array([is_formula(name) for name in ids], dtype=bool), "have an id that a spreadsheet would run")
    _refuse(path, ids, ~np.isin(classes, [*points_file.mining, *points_file.other]), f"have a class beside {_known(points_file)}")
    holds = _holds(table, points_file, path, ids, year)
    found = gpd.GeoDataFrame({"point_id": ids, "is_mining": np.isin(classes, points_file.mining)}, geometry=places, crs=4326)[
        holds
    ]
    if points_file.id_column:
        _refuse(path, found["point_id"].to_numpy(), found["point_id"].duplicated(keep=False).to_numpy(), "have an id used twice")
    return found.drop_duplicates(["point_id", "is_mining"]).sort_values(["point_id", "is_mining"], ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False)
        table = read_features(path)
        return table if table.crs is None else table.to_crs(4326)
    except (ValueError, OSError, RuntimeError, AttributeError) as error:
        raise SourceError(f"The file of points {path} cannot be read ({error}). Mend or replace it.") from None


def _places(table: pd.DataFrame, path: Path) -> NDArray[np.object_]:
    """(n,) points in degrees."""
    row = np.array([f"row {number}" for number in range(1, len(table) + 1)], dtype=object)
    if isinstance(table, gpd.GeoDataFrame):
        places = np.asarray(table.geometry, dtype=object)
    elif {"lon", "lat"} <= set(table.columns):
        lon, lat = (pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in ("lon", "lat"))
        _refuse(path, row, ~(np.isfinite(lon) & np.isfinite(lat)), "have no place: lon and lat must be numbers")
        places = np.asarray(shapely.points(lon, lat), dtype=object)
    elif "geometry" in table.columns:
        places = np.asarray(shapely.from_wkt(table["geometry"].tolist(), on_invalid="ignore"), dtype=object)
    else:
        raise SourceError(f"{path.name} has neither lon and lat nor geometry; it has {[str(name) for name in table.columns]}.")
    good = (shapely.get_type_id(places) == shapely.GeometryType.POINT) & ~shapely.is_empty(places)
    x, y = shapely.get_x(places), shapely.get_y(places)
    _refuse(path, row, ~(good & (np.abs(x) <= 180) & (np.abs(y) <= 90)), "are no points in degrees")  # noqa: PLR2004 - the globe
    return places


def _texts(values: pd.Series) -> NDArray[np.object_]:
    """Values as text without surrounding blanks; whole numbers without decimals; empty where there is none."""
    plain = values.map(
        lambda value: int(value) if isinstance(value, float) and value == int(value) else value, na_action="ignore"
    )
    return plain.astype(object).where(values.notna(), "").astype(str).str.strip().to_numpy(dtype=object)


def _named_by_place(places: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array([f"{x:.6f},{y:.6f}" for x, y in shapely.get_coordinates(places)], dtype=object)


def _known(points_file: PointsFile) -> str:
    return ", ".join([*points_file.mining, *points_file.other])


def _holds(table: pd.DataFrame, points_file: PointsFile, path: Path, ids: NDArray[np.object_], year: int) -> NDArray[np.bool_]:
    """Which points hold for a year: those of that year, and those of none."""
    if not points_file.year_column:
        return np.ones(len(table), dtype=bool)
    texts = pd.Series(_texts(table[points_file.year_column]))
    years = texts.str.extract(r"^(\d{4})(?:$|-)")[0]
    _refuse(path, ids, ((texts != "") & years.isna()).to_numpy(), "have neither a year nor a date YYYY-MM-DD")
    return ((texts == "") | (years == str(year))).to_numpy()


def _refuse(path: Path, names: NDArray[np.object_], bad: NDArray[np.bool_], problem: str) -> None:
    if bad.any():
        shown = ", ".join(map(str, names[bad][:NAMED]))
        raise SourceError(f"{path.name}: {int(bad.sum())} points {problem}: {shown}. Mend the file.")
