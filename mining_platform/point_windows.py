"""Windows centred on people's points, and windows without mining around them, with or without a land-cover map."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from mining_platform.candidate_tables import candidate_table, thinned, window_boxes, window_polygons
from mining_platform.dataset_rows import POINTS_MINING, Dataset
from mining_platform.grids import PIXEL_M, WindowGrid, window_ids
from mining_platform.labels.recipes import recipe as recipe_of
from mining_platform.negatives import CURATED, NEGATIVES, NegativeRecipe
from mining_platform.orders import window_order
from mining_platform.points import read_points
from mining_platform.proportions import window_shares
from mining_platform.ranges import range_of
from mining_platform.regions import Region
from mining_platform.site_files import SitesFile
from mining_platform.sites import site_places
from mining_platform.sources.protocol import SourceError
from mining_platform.surroundings import class_table, footprint_distances_m
from mining_platform.territory_files import territory_reasons
from mining_platform.window_filters import TOO_LITTLE_VALID, TOO_NEAR_OR_FAR
from mining_platform.window_years import NO_MAPS, as_candidates, eligible_in_all, in_years

OVERLAPS_MINING_OR_POINT = "overlaps a window that mining or a point puts before it"
OVERLAPS_LIKE = "overlaps a window of its kind that comes first"
HOLDS_MINING = "holds mining by the land-cover map"
FRACTION_COLUMNS = ("share", "share_nn", "valid_share", "dominant_share", "around_share")
SHARE_COLUMNS = ("share", "class_area_m2", "valid_area_m2", "valid_share", "class_px", "valid_px")


def point_candidates(
    dataset: Dataset,
    region: Region,
    year: int,
    land_cover: Path | None,
    *,
    band: int = 1,
    other_years: Mapping[int, Path | None] = NO_MAPS,
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Candidates of a dataset of points (`candidate_tables.CANDIDATE_COLUMNS`), sorted by window_id, and facts.

    Windows are centred on the points, snapped to the 10 m lattice of the region's CRS; a point says whether its window is
    mining, not the map. Beside them stand the negatives that the quotas name: `curated` points, and recipes with a grid. Shares,
    range and classes are of `land_cover`; without it shares are NaN, pixels and classes 0, the range "". Points of windows that
    are not wholly inside the outline are counted, not taken; of points that share a window one stands for all. Mining comes
    before other points, and points before the grid, where windows overlap. `other_years` are the maps of the release's other
    years: the windows stand in the table in each of them too, with the points of `year`, that year's shares, range and classes,
    and are eligible in `year` only where they are in all. SourceError as `points.read_points`, and for a
    window that is mining by one point and not by another.
    """
    on_points, facts = _on_points(named_places(dataset, region, year), region, dataset.window_px)
    wanted = set(dataset.quotas)
    on_points = on_points[on_points["is_mining"] | (CURATED in wanted)]
    recipes = [NEGATIVES[name] for name in dataset.quotas if name != POINTS_MINING and NEGATIVES[name].step_m]
    around = [_on_grid(recipe, region, dataset, on_points) for recipe in recipes]
    windows = pd.concat([on_points, *around], ignore_index=True)
    windows = pd.concat([windows, _of_map(windows, region.epsg, dataset, land_cover, band)], axis=1)
    mining = window_boxes(on_points[on_points["is_mining"]])
    windows["mining_distance_m"] = footprint_distances_m(window_boxes(windows), mining)
    windows["reason"] = _reasons(windows, region, dataset)
    table = candidate_table(windows, region_id=region.id, year=year, epsg=region.epsg, px=dataset.window_px, seed=dataset.seed)
    others = [_in_year(table, region, dataset, each, cover, band) for each, cover in sorted(other_years.items())]
    table = eligible_in_all(table, others)
    if not dataset.allow_overlap:
        first = 2 * table["is_mining"].to_numpy(int) + (table["point_id"] != "").to_numpy(int)
        table = thinned(table, first, (OVERLAPS_MINING_OR_POINT, OVERLAPS_LIKE))
    return in_years([table, *others]), {**facts, **_facts(table)}


def _in_year(
    windows: gpd.GeoDataFrame, region: Region, dataset: Dataset, year: int, land_cover: Path | None, band: int
) -> gpd.GeoDataFrame:
    """The windows of a table of candidates in another year, by its map."""
    told = windows.assign(**_of_map(windows, region.epsg, dataset, land_cover, band))
    return as_candidates(windows, told.assign(reason=_reasons(told, region, dataset)), year=year)


def named_places(dataset: Dataset, region: Region, year: int) -> gpd.GeoDataFrame:
    """Where people say that mining is or is not: their points, or the centres of windows over the sites that they drew.

    Columns point_id, is_mining, geometry (EPSG:4326). SourceError as `points.read_points` and `sites.site_places`.
    """
    if isinstance(dataset.points, SitesFile):
        return site_places(dataset.points, year, region.epsg, dataset.window_px * PIXEL_M)
    if dataset.points is None:
        raise ValueError(f"Dataset {dataset.id!r} names no file of points.")
    return read_points(dataset.points, year)


def _on_points(points: gpd.GeoDataFrame, region: Region, px: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Windows on points: window_id, minx to maxy, point_id, is_mining, negative; and how many points gave none, and why."""
    x, y = Transformer.from_crs(4326, region.epsg, always_xy=True).transform(points.geometry.x, points.geometry.y)
    near = np.isfinite(x) & np.isfinite(y)
    points, centres = points[near], np.column_stack([x, y])[near]
    windows = _windows(centres, region.epsg, px).assign(
        point_id=points["point_id"].to_numpy(), is_mining=points["is_mining"].to_numpy()
    )
    windows["negative"] = np.where(windows["is_mining"], "", CURATED)
    inside = shapely.covers(region.geometry, window_polygons(windows, region.epsg))
    kept = windows[inside].sort_values("point_id")
    both = kept.groupby("window_id")["is_mining"].nunique() > 1
    if both.any():
        named = kept[kept["window_id"].isin(both.index[both])]["point_id"].tolist()[:5]
        raise SourceError(f"Region {region.id}: points {named} share a window, and only some are mining. Mend or remove some.")
    single = kept.drop_duplicates("window_id").sort_values("window_id", ignore_index=True)
    outside = len(near) - len(kept)
    return single, {"points": len(near), "points_outside": outside, "points_sharing_a_window": len(kept) - len(single)}


def _windows(centres: NDArray[np.float64], epsg: int, px: int) -> pd.DataFrame:
    """Windows around centres (n, 2) in metres, on the lattice: window_id, minx, miny, maxx, maxy."""
    size = px * PIXEL_M
    corner = np.floor((centres - size / 2) / PIXEL_M + 0.5).astype(np.int64) * PIXEL_M
    minx, miny = corner.reshape(-1, 2).T
    bounds = {"minx": minx, "miny": miny, "maxx": minx + size, "maxy": miny + size}
    return pd.DataFrame({"window_id": window_ids(epsg, minx, miny + size, px), **bounds})


def _on_grid(recipe: NegativeRecipe, region: Region, dataset: Dataset, on_points: pd.DataFrame) -> pd.DataFrame:
    """Windows centred on the cells of a recipe's grid, far enough from mining and clear of points; the first in hash order."""
    box, step = region.geobox.boundingbox, recipe.step_m
    easting = (np.arange(np.floor(box.left / step), np.ceil(box.right / step)) + 0.5) * step
    northing = (np.arange(np.floor(box.bottom / step), np.ceil(box.top / step)) + 0.5) * step
    windows = _windows(np.stack(np.meshgrid(easting, northing), axis=-1).reshape(-1, 2), region.epsg, dataset.window_px)
    windows = windows[shapely.covers(region.geometry, window_polygons(windows, region.epsg))]
    mining = on_points["is_mining"].to_numpy(dtype=bool)
    taken = window_boxes(on_points)
    far = footprint_distances_m(window_boxes(windows), taken[mining])
    clear = footprint_distances_m(window_boxes(windows), taken)
    reach = (far >= recipe.min_distance_m) & (far <= recipe.max_distance_m)
    windows = windows[(np.isnan(far) | reach) & (np.isnan(clear) | (clear > 0))]
    first = np.argsort(window_order(windows["window_id"], dataset.seed), kind="stable")
    limit = recipe.per_positive * int(mining.sum()) if recipe.per_positive else len(first)
    return windows.iloc[first[:limit]].assign(point_id="", is_mining=False, negative=recipe.id)


def _of_map(windows: pd.DataFrame, epsg: int, dataset: Dataset, land_cover: Path | None, band: int) -> pd.DataFrame:
    """What the map says of windows: shares, range and classes; the same columns without a map."""
    if land_cover is None or windows.empty:
        unknown: dict[str, Any] = dict.fromkeys(FRACTION_COLUMNS, np.nan)
        nothing = {"class_area_m2": 0.0, "valid_area_m2": 0.0}
        none = dict.fromkeys(("class_px", "valid_px", "dominant_class", "around_class"), 0)
        return pd.DataFrame({**unknown, **nothing, **none, "range": ""}, index=windows.index)
    codes = recipe_of(dataset.recipe).mining_codes
    grids = [
        WindowGrid(epsg, dataset.window_px, minx, maxy, 1, 1) for minx, maxy in zip(windows["minx"], windows["maxy"], strict=True)
    ]
    shares = pd.concat([window_shares(land_cover, grid, codes, band=band) for grid in grids], ignore_index=True)
    described = pd.concat([shares[list(SHARE_COLUMNS)], class_table(land_cover, windows, codes, band=band)], axis=1)
    return described.assign(range=range_of(described["share"].to_numpy()))


def _reasons(windows: pd.DataFrame, region: Region, dataset: Dataset) -> NDArray[np.object_]:
    """Why each window is not eligible, first reason first; empty text where it is.

    A point's word stands against the map, a grid's does not. Where there is no map, no valid share is asked for.
    """
    limits, distance = dataset.window_filter, windows["mining_distance_m"].fillna(np.inf)
    within = distance.between(limits.min_mining_distance_m, limits.max_mining_distance_m)
    refused = {
        TOO_LITTLE_VALID: windows["valid_share"] < limits.min_valid_share,
        HOLDS_MINING: (windows["point_id"] == "") & (windows["share"] > 0),
        TOO_NEAR_OR_FAR: ~windows["is_mining"].astype(bool) & ~within,
    }
    elsewhere = territory_reasons(limits, window_polygons(windows, region.epsg))
    return np.select(list(refused.values()), list(refused), default=elsewhere).astype(object)


def _facts(table: pd.DataFrame) -> dict[str, Any]:
    eligible = table[table["eligible"]]
    kinds = eligible["negative"].where(eligible["negative"] != "", POINTS_MINING).value_counts()
    refused = table.loc[~table["eligible"], "reason"].value_counts()
    return {
        "candidates": len(table),
        "eligible_by_kind": {str(name): int(number) for name, number in sorted(kinds.items())},
        "not_eligible": {str(name): int(number) for name, number in sorted(refused.items())},
    }
