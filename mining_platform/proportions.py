"""How much of each window a class covers: exact area shares, proportion ranges and the candidate windows.

A share is class area over valid area on the map's own pixels, clipped exactly at the window's edges and
weighted with ellipsoidal area; it is never an average of class codes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from blake3 import blake3
from pyproj import CRS, Transformer
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from mining_platform import pixel_areas
from mining_platform.datasets import RANGES
from mining_platform.grids import PIXEL_M, WindowGrid, window_id
from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.pixel_areas import Overlaps

BLOCK_PX = 256  # native pixels a side that are worked on at a time; MapBiomas stores blocks of this size
FULL_TOLERANCE = 1e-7  # pixel and window areas agree to 1e-9; a valid share nearer to 1 than this counts as 1
EDGE_MARGIN = 1e-9  # a share nearer to a range's edge than this cannot be told from its neighbour range

TOO_LITTLE_VALID = "valid share below the limit"
RANGES_DIFFER = "exact and nearest share fall into different ranges"
AT_RANGE_EDGE = "share too near the edge of a range"


def range_of(share: float | np.ndarray) -> Any:
    """Range id of a share in [0, 1]: text for a number, array of text for an array.

    Ranges are left-open and right-closed, exactly 0 is its own; there is no tolerance. ValueError outside [0, 1].
    """
    values = np.asarray(share, dtype=float)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"Shares lie in 0 to 1, found {values[~((values >= 0) & (values <= 1))].ravel()[:3].tolist()}.")
    edges = np.arange(11) / 10
    position = np.searchsorted(edges, values, side="left")
    names = np.asarray(RANGES)[position]
    return str(names) if names.ndim == 0 else names.astype(object)


@contextmanager
def _open(land_cover: Path, band: int) -> Iterator[DatasetReader]:
    """A class raster that areas can be computed on; ValueError says what is wrong with others."""
    with rasterio.open(land_cover, driver="GTiff") as raster:
        if raster.crs is None:
            raise ValueError(f"{land_cover} has no CRS; give it one before computing shares.")
        if raster.transform.b or raster.transform.d:
            raise ValueError(f"{land_cover} is rotated; warp it to a north-up grid (nearest) first.")
        if band not in raster.indexes or not np.issubdtype(raster.dtypes[band - 1], np.integer):
            raise ValueError(f"{land_cover}: band {band} is no band of whole numbers; it has {raster.count}: {raster.dtypes}.")
        crs = CRS.from_user_input(raster.crs)
        if not (crs.is_geographic or crs.is_projected):
            raise ValueError(f"{land_cover}: {crs.name} is neither geographic nor projected; warp it (nearest) first.")
        yield raster


def _valid(classes: np.ndarray, nodata: float | None) -> np.ndarray:
    none = set(NO_CLASS_CODES) | ({int(nodata)} if nodata is not None and np.isfinite(nodata) else set())
    return ~np.isin(classes, sorted(none))


def window_shares(land_cover: Path, grid: WindowGrid, codes: frozenset[int], *, band: int = 1) -> pd.DataFrame:
    """Area of the classes `codes` in each window of the grid, one row a window in row-major order.

    Columns: window_id; minx, miny, maxx, maxy (metres); share = class_area_m2 / valid_area_m2 (0 without valid
    area); class_area_m2, valid_area_m2 (ellipsoidal); valid_share of the window's own area; class_px, valid_px
    (native pixels whose centre lies in the window). Valid is what is neither nodata nor of NO_CLASS_CODES.
    Raises ValueError for a raster without CRS, rotated, or not of whole numbers.
    """
    count = grid.rows * grid.columns
    area, pixels = {key: np.zeros(count) for key in ("class", "valid")}, {key: np.zeros(count) for key in ("class", "valid")}
    with _open(land_cover, band) as raster:
        crs = CRS.from_user_input(raster.crs)
        for window in _blocks(raster, grid):
            classes = raster.read(band, window=window).ravel()
            valid = _valid(classes, raster.nodata)
            parts, ground, centre = _on_grid(raster.transform, crs, grid, window)
            for key, mask in (("class", valid & np.isin(classes, sorted(codes))), ("valid", valid)):
                np.add.at(area[key], parts.window, np.where(mask[parts.pixel], ground, 0.0))
                np.add.at(pixels[key], centre[mask & (centre >= 0)], 1)
    return _share_table(grid, area, pixels)


def _on_grid(transform: Affine, crs: CRS, grid: WindowGrid, block: Window) -> tuple[Overlaps, np.ndarray, np.ndarray]:
    """A block's overlaps with the windows, their ground areas (m2), and the window of each pixel's centre (-1: none)."""
    columns = np.arange(block.col_off, block.col_off + block.width)
    rows = np.arange(block.row_off, block.row_off + block.height)
    edges = np.append(columns, columns[-1] + 1), np.append(rows, rows[-1] + 1)
    parts = pixel_areas.overlaps(*pixel_areas.positions(transform, crs, grid.epsg, *edges), grid)
    ground = parts.fraction * pixel_areas.pixel_areas_m2(transform, crs, columns, rows).ravel()[parts.pixel]
    x, y = pixel_areas.positions(transform, crs, grid.epsg, columns + 0.5, rows + 0.5)
    j, i = np.floor((x.ravel() - grid.x0) / grid.size_m), np.floor((grid.y1 - y.ravel()) / grid.size_m)
    inside = (j >= 0) & (j < grid.columns) & (i >= 0) & (i < grid.rows)
    return parts, ground, np.where(inside, i * grid.columns + j, -1).astype(np.int64)


def _share_table(grid: WindowGrid, area: dict[str, np.ndarray], pixels: dict[str, np.ndarray]) -> pd.DataFrame:
    whole = pixel_areas.window_areas_m2(grid)
    valid_share = np.clip(area["valid"] / whole, 0, 1)
    share = np.divide(area["class"], area["valid"], out=np.zeros(whole.size), where=area["valid"] > 0)
    bounds = np.array([grid.bounds(i, j) for i, j in grid], dtype=np.int64).reshape(-1, 4)
    return pd.DataFrame(
        {
            "window_id": pd.Series(
                [window_id(grid.epsg, minx, maxy, grid.px) for minx, _, _, maxy in bounds.tolist()], dtype=str
            ),
            **dict(zip(("minx", "miny", "maxx", "maxy"), bounds.T, strict=True)),
            "share": np.clip(share, 0, 1),
            "class_area_m2": area["class"],
            "valid_area_m2": area["valid"],
            "valid_share": np.where(valid_share > 1 - FULL_TOLERANCE, 1.0, valid_share),
            "class_px": pixels["class"].astype(np.int64),
            "valid_px": pixels["valid"].astype(np.int64),
        }
    )


def _blocks(raster: DatasetReader, grid: WindowGrid) -> Iterator[Window]:
    """Blocks of the raster that may touch the grid, row by row."""
    if not grid.rows or not grid.columns:
        return
    top, left, bottom, right = _native_span(raster, grid)
    for row in range(top // BLOCK_PX * BLOCK_PX, bottom, BLOCK_PX):
        for column in range(left // BLOCK_PX * BLOCK_PX, right, BLOCK_PX):
            height, width = min(BLOCK_PX, raster.height - row), min(BLOCK_PX, raster.width - column)
            yield Window(column, row, width, height)


def _native_span(raster: DatasetReader, grid: WindowGrid) -> tuple[int, int, int, int]:
    """Rows and columns (top, left, bottom, right) of the raster that cover the grid, within the raster."""
    outline = shapely.box(*_grid_bounds(grid)).segmentize(10_000)
    inverse = Transformer.from_crs(grid.epsg, raster.crs, always_xy=True)
    x, y = inverse.transform(*np.asarray(outline.exterior.coords).T)
    columns, rows = ~raster.transform * (np.asarray(x), np.asarray(y))
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise ValueError(f"The grid in EPSG:{grid.epsg} cannot be projected into {raster.crs} of {raster.name}; check both.")
    margin = 2  # pixels, covers the bend of an edge between two points
    top, left = max(int(rows.min()) - margin, 0), max(int(columns.min()) - margin, 0)
    bottom, right = min(int(rows.max()) + margin + 1, raster.height), min(int(columns.max()) + margin + 1, raster.width)
    return top, left, bottom, right


def _grid_bounds(grid: WindowGrid) -> tuple[int, int, int, int]:
    return grid.x0, grid.y1 - grid.rows * grid.size_m, grid.x0 + grid.columns * grid.size_m, grid.y1


def nearest_shares(
    land_cover: Path, grid: WindowGrid, codes: frozenset[int], *, band: int = 1, windows: np.ndarray | None = None
) -> np.ndarray:
    """Share of valid 10 m pixels of the classes in windows, the map resampled nearest: (n,) float64.

    `windows` are flat row-major indices, all windows where None; 0 where no pixel is valid.
    """
    chosen = np.arange(grid.rows * grid.columns) if windows is None else np.asarray(windows)
    shares = np.zeros(chosen.size)
    with _open(land_cover, band) as raster:
        inverse = Transformer.from_crs(grid.epsg, raster.crs, always_xy=True)
        for position, flat in enumerate(chosen.tolist()):
            minx, miny, _, _ = grid.bounds(*divmod(flat, grid.columns))
            centres = (np.arange(grid.px) + 0.5) * PIXEL_M
            x, y = pixel_areas.lattice(inverse.transform, minx + centres, miny + centres)
            classes = _pick(raster, band, x, y)
            valid = _valid(classes, raster.nodata)
            shares[position] = (valid & np.isin(classes, sorted(codes))).sum() / max(valid.sum(), 1)
    return shares


def _pick(raster: DatasetReader, band: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Class under each point given in the raster's CRS; 0 outside the raster."""
    columns, rows = (np.floor(values).astype(np.int64) for values in ~raster.transform * (x, y))
    inside = (columns >= 0) & (columns < raster.width) & (rows >= 0) & (rows < raster.height)
    picked = np.zeros(x.shape, dtype=raster.dtypes[band - 1])
    if inside.any():
        left, top = int(columns[inside].min()), int(rows[inside].min())
        width, height = int(columns[inside].max()) - left + 1, int(rows[inside].max()) - top + 1
        classes = raster.read(band, window=Window(left, top, width, height))
        picked[inside] = classes[rows[inside] - top, columns[inside] - left]
    return picked


def window_order(window_ids: Any, seed: int) -> np.ndarray:
    """Place of each window in the hash order of a seed: (n,) uint64, the same in every year and region."""
    digests = (blake3(f"{seed}:{identifier}".encode()).digest(length=8) for identifier in window_ids)
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


def candidates(  # noqa: PLR0913 - one argument a scientific choice, none with a default
    land_cover: Path,
    grid: WindowGrid,
    codes: frozenset[int],
    *,
    region_id: str,
    year: int,
    min_valid_share: float,
    zero_count: int,
    seed: int,
    band: int = 1,
    outline: BaseGeometry | None = None,
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Windows worth sampling, sorted by window_id, and facts about all windows.

    All windows with share > 0 and, in hash order, up to `zero_count` valid enough windows at exactly 0. Columns:
    those of `window_shares` and region, year, epsg, px, lon, lat (centre, degrees), share_nn, range, eligible, reason
    (empty where eligible), order (uint64), geometry (EPSG:4326). `outline` (EPSG:4326) leaves out windows that are not wholly
    inside it: with disjoint outlines, windows of neighbouring UTM zones cannot overlap. Facts: windows, found per range.
    """
    shares = window_shares(land_cover, grid, codes, band=band)
    polygons = _polygons(shares, grid.epsg)
    if outline is not None:
        inside = shapely.covers(outline, polygons)
        shares, polygons = shares[inside], polygons[inside]
    shares = shares.assign(order=window_order(shares["window_id"], seed), range=range_of(shares["share"].to_numpy()))
    kept = _positives_and_zeros(shares, min_valid_share, zero_count)
    table = gpd.GeoDataFrame(shares[kept], geometry=polygons[kept], crs=4326)
    nearest = np.zeros(len(table))  # at share 0 no native pixel of the class reaches into the window, so none is nearest
    some = (table["share"] > 0).to_numpy()
    nearest[some] = nearest_shares(land_cover, grid, codes, band=band, windows=table.index.to_numpy()[some])
    reasons = _reasons(table, nearest, min_valid_share)
    lon, lat = _centres(table, grid.epsg)
    table = table.assign(
        region=region_id,
        year=year,
        epsg=grid.epsg,
        px=grid.px,
        lon=lon,
        lat=lat,
        share_nn=nearest,
        eligible=reasons == "",
        reason=reasons,
    )
    table = table[list(CANDIDATE_COLUMNS)].astype({"range": "str", "reason": "str"}).sort_values("window_id", ignore_index=True)
    return table, _facts(shares, table, min_valid_share)


CANDIDATE_COLUMNS = (
    *("window_id", "region", "year", "epsg", "px", "minx", "miny", "maxx", "maxy", "lon", "lat", "share", "share_nn", "range"),
    *("class_area_m2", "valid_area_m2", "class_px", "valid_px", "valid_share", "eligible", "reason", "order", "geometry"),
)


def _positives_and_zeros(shares: pd.DataFrame, min_valid_share: float, zero_count: int) -> np.ndarray:
    """Mask of the windows above 0 and of the first `zero_count` valid enough windows at 0."""
    kept = (shares["share"] > 0).to_numpy(copy=True)
    zero = np.flatnonzero(
        ~kept & (shares["valid_share"] >= min_valid_share).to_numpy() & (shares["valid_area_m2"] > 0).to_numpy()
    )
    kept[zero[np.argsort(shares["order"].to_numpy()[zero], kind="stable")[:zero_count]]] = True
    return kept


def _reasons(table: pd.DataFrame, nearest: np.ndarray, min_valid_share: float) -> np.ndarray:
    """Why each window is not eligible, first reason first; empty text where it is."""
    share = table["share"].to_numpy()
    edges = np.arange(10) / 10
    at_edge = (share > 0) & (np.abs(share[:, None] - edges).min(axis=1) < EDGE_MARGIN)
    reasons = np.where(range_of(nearest) != table["range"].to_numpy(), RANGES_DIFFER, "").astype(object)
    reasons[at_edge] = AT_RANGE_EDGE
    reasons[table["valid_share"].to_numpy() < min_valid_share] = TOO_LITTLE_VALID
    return reasons


def _facts(shares: pd.DataFrame, table: pd.DataFrame, min_valid_share: float) -> dict[str, Any]:
    """Numbers of windows: in the grid, valid enough, by range, and eligible candidates by range."""
    by_range, eligible = shares["range"].value_counts(), table.loc[table["eligible"], "range"].value_counts()
    refused = table.loc[~table["eligible"], "reason"].value_counts()
    return {
        "windows": len(shares),
        "windows_valid": int((shares["valid_share"] >= min_valid_share).sum()),
        "windows_by_range": {name: int(by_range.get(name, 0)) for name in RANGES},
        "candidates": len(table),
        "eligible_by_range": {name: int(eligible.get(name, 0)) for name in RANGES},
        "not_eligible": {str(reason): int(number) for reason, number in sorted(refused.items())},
    }


def _polygons(bounds: pd.DataFrame, epsg: int) -> np.ndarray:
    """Windows as polygons in EPSG:4326: (n,) shapely."""
    minx, miny, maxx, maxy = (bounds[name].to_numpy(dtype=float) for name in ("minx", "miny", "maxx", "maxy"))
    boxes = shapely.box(minx, miny, maxx, maxy)
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(*shapely.get_coordinates(boxes).T)
    return np.asarray(shapely.set_coordinates(boxes, np.column_stack([lon, lat])))


def _centres(bounds: pd.DataFrame, epsg: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of the windows' centres, degrees."""
    transformer = Transformer.from_crs(epsg, 4326, always_xy=True)
    lon, lat = transformer.transform((bounds["minx"] + bounds["maxx"]) / 2, (bounds["miny"] + bounds["maxy"]) / 2)
    return np.asarray(lon), np.asarray(lat)
