"""Windows of one year in the other years of their release: the same ground on another map, with that year's own shares."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.candidate_tables import CANDIDATE_TYPES
from mining_platform.dataset_rows import Dataset
from mining_platform.grids import WindowGrid
from mining_platform.surveys import Search, survey_windows
from mining_platform.window_filters import TOO_LITTLE_VALID, TOO_NEAR_OR_FAR

NO_MAPS: Mapping[int, Path] = MappingProxyType({})


def shares_in_year(search: Search, windows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Shares of windows (window_id, minx, maxy), of the search's grid or beside it, on the search's map, which is another year's.

    Columns of proportions.SHARE_TYPES and reason, why the filter refuses a window, empty where it does not; in the windows'
    order. Beside it which windows of the grid have mining on that map, (rows, columns). Raises as `proportions.iter_shares`.
    """
    anywhere = replace(search, outline=None)  # the windows are inside it already
    found = [table for grid, wanted in grids_of(windows, search.grid) for table in search.tables(grid=grid, wanted=wanted)]
    shares = pd.concat(found).set_index("window_id").loc[windows["window_id"]].reset_index()
    table, reasons = anywhere.inside(shares)
    reasons = np.where(table["valid_area_m2"] > 0, reasons, TOO_LITTLE_VALID)
    return table.assign(reason=reasons.astype(object)).set_index(windows.index), survey_windows(anywhere, 0).mining


def grids_of(windows: pd.DataFrame, grid: WindowGrid) -> list[tuple[WindowGrid, NDArray[np.bool_]]]:
    """The grids, shifted from one or itself, that windows of its size lie on; each with a mask (rows, columns) of them."""
    left, top, size = windows["minx"].to_numpy() - grid.x0, grid.y1 - windows["maxy"].to_numpy(), grid.size_m
    found = []
    for down, right in sorted(set(zip((top % size).tolist(), (left % size).tolist(), strict=True))):
        shifted = replace(
            grid, x0=grid.x0 + right, y1=grid.y1 - down, rows=grid.rows - (down > 0), columns=grid.columns - (right > 0)
        )
        here = (top % size == down) & (left % size == right)
        wanted = np.zeros((shifted.rows, shifted.columns), dtype=bool)
        wanted[top[here] // size, left[here] // size] = True
        found.append((shifted, wanted))
    return found


def too_near_or_far(windows: pd.DataFrame, dataset: Dataset) -> NDArray[np.object_]:
    """TOO_NEAR_OR_FAR where a window without mining is not at the distance that the filter asks for, else empty text."""
    limits, distance = dataset.window_filter, windows["mining_distance_m"].fillna(np.inf)
    within = distance.between(limits.min_mining_distance_m, limits.max_mining_distance_m)
    return np.where(within | windows["is_mining"], "", TOO_NEAR_OR_FAR).astype(object)


def as_candidates(windows: gpd.GeoDataFrame, told: pd.DataFrame, *, year: int) -> gpd.GeoDataFrame:
    """Candidates (`candidate_tables.CANDIDATE_COLUMNS`) with what is told of another year; eligible where no reason is."""
    table = windows.assign(**{name: told[name] for name in told if name in CANDIDATE_TYPES})
    table = table.assign(year=year, eligible=(table["reason"] == "").to_numpy())
    typed = pd.DataFrame(table)[list(CANDIDATE_TYPES)].astype(CANDIDATE_TYPES)
    return gpd.GeoDataFrame(typed, geometry=windows.geometry, crs=windows.crs)


def in_years(tables: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Tables of candidates, one a year, as one; that of a single year is itself."""
    if len(tables) == 1:
        return tables[0]
    return gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), geometry="geometry", crs=tables[0].crs)


def eligible_in_all(windows: gpd.GeoDataFrame, others: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """The windows with those that are not eligible in another year made ineligible, with the first reason and its year.

    `others` are the same windows in the same order, a table a year.
    """
    reason = windows["reason"].copy()
    for other in others:
        told = "in " + other["year"].astype(str) + ": " + other["reason"]
        reason = reason.mask((reason == "") & ~other["eligible"], told)
    return windows.assign(reason=reason, eligible=(reason == "").to_numpy())
