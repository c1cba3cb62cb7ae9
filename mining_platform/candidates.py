"""Windows of a land-cover map worth sampling: all with mining, and those without that the dataset's negatives ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mining_platform.candidate_tables import candidate_table, thinned, window_boxes
from mining_platform.computing import HERE, Compute
from mining_platform.dataset_rows import Dataset
from mining_platform.grids import WindowGrid
from mining_platform.labels.recipes import recipe as recipe_of
from mining_platform.ranges import RANGES, range_of
from mining_platform.reviews.effects import first_negative
from mining_platform.sliding import shifted_grids
from mining_platform.surroundings import class_table, footprint_distances_m
from mining_platform.surveys import Search, Survey, joined, survey_windows
from mining_platform.window_years import NO_MAPS, as_candidates, eligible_in_all, in_years, shares_in_year, too_near_or_far
from mining_platform.zero_windows import zero_windows

EDGE_MARGIN = 1e-9  # a share nearer to a range's edge than this cannot be told from its neighbour range

RANGES_DIFFER = "exact and nearest share fall into different ranges"
AT_RANGE_EDGE = "share too near the edge of a range"


def candidates(  # noqa: PLR0913 - what is searched, each by name
    land_cover: Path,
    grid: WindowGrid,
    dataset: Dataset,
    *,
    region_id: str,
    year: int,
    band: int = 1,
    outline: BaseGeometry | None = None,
    other_years: Mapping[int, Path] = NO_MAPS,
    compute: Compute = HERE,
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Candidates of one region and year (`candidate_tables.CANDIDATE_COLUMNS`), sorted by window_id, and facts.

    1. All windows with share > 0; those that the filter refuses keep their reason.
    2. At exactly 0, what the dataset's negative recipes keep: the first of each in hash order (`zero_windows`).
    3. Where the dataset slides, windows beside the aligned ones whose share is above `sliding_from`.
    4. Unless overlap is allowed, an eligible window gives way to an eligible one of a higher range that it overlaps, and within
       a range to one earlier in the hash order.

    `other_years` are the maps of the release's other years. All windows stand in the table in each of these years too, after
    those of `year`, with that year's shares, range and eligibility; a window is eligible in `year` only where it is in all. The
    recipe of a window without mining is that of `year`, or the dataset's first where the window has mining then.

    `outline` (EPSG:4326) leaves out windows that are not wholly inside it: with disjoint outlines, windows of neighbouring UTM
    zones cannot overlap. The map is read by `compute`, once for the shares and once for each look-alike recipe and shift.
    Facts: windows, windows_valid, windows_by_range of the aligned grid; candidates, eligible_by_range, eligible_by_negative,
    not_eligible, refused_zero, all of `year`. Errors as `proportions.iter_shares`; SourceError for a territory's file.
    """
    codes = recipe_of(dataset.recipe).mining_codes
    search = Search(land_cover, grid, codes, dataset.window_filter, outline, dataset.seed, band, compute)
    survey = survey_windows(search, dataset.zero_candidates)
    positives = joined([*survey.positives, *_slid(search, survey, dataset)]).assign(negative="")
    zeros = zero_windows(search, survey, dataset.negatives, dataset.zero_candidates)
    windows = _described(joined([positives, zeros]).assign(point_id=""), grid, survey.mining)
    windows = pd.concat([windows, class_table(land_cover, windows, codes, band=band)], axis=1)
    windows["reason"] = _reasons(windows)
    table = candidate_table(windows, region_id=region_id, year=year, epsg=grid.epsg, px=grid.px, seed=dataset.seed)
    others = [_in_year(table, replace(search, land_cover=path), dataset, each) for each, path in sorted(other_years.items())]
    table = eligible_in_all(table, others)
    if dataset.sliding_px and not dataset.allow_overlap:
        table = thinned(table, table["range"].map({name: place for place, name in enumerate(RANGES)}).to_numpy())
    return in_years([table, *others]), _facts(survey, table)


def _in_year(windows: gpd.GeoDataFrame, search: Search, dataset: Dataset, year: int) -> gpd.GeoDataFrame:
    """The windows of a table of candidates on the map of another year."""
    if windows.empty:
        return windows.assign(year=year)
    shares, mining = shares_in_year(search, windows)
    told = _described(shares, search.grid, mining)
    classes = class_table(search.land_cover, told, search.codes, band=search.band)
    told = pd.concat([told, classes.set_index(told.index)], axis=1)
    told["reason"] = np.where(told["reason"] == "", too_near_or_far(told, dataset), told["reason"])
    drawn_by = windows["negative"].where(~windows["is_mining"], first_negative(dataset))
    return as_candidates(windows, told.assign(reason=_reasons(told), negative=drawn_by.mask(told["is_mining"], "")), year=year)


def _slid(search: Search, survey: Survey, dataset: Dataset) -> Iterator[pd.DataFrame]:
    """Windows beside the aligned ones, inside the outline, with the filter's reasons."""
    if not dataset.sliding_px:
        return
    shifts = shifted_grids(
        search.grid,
        survey.mining_m2,
        step_px=dataset.sliding_px,
        share_above=dataset.sliding_from,
        min_valid_share=dataset.window_filter.min_valid_share,
    )
    for shifted, wanted in shifts:
        for table in search.tables(grid=shifted, wanted=wanted):
            found, reasons = search.inside(table[(table["share"] > dataset.sliding_from).to_numpy()])
            yield found.assign(reason=reasons)


def _described(windows: pd.DataFrame, grid: WindowGrid, mining: NDArray[np.bool_]) -> pd.DataFrame:
    """With range, is_mining and the distance from the grid's windows with mining, (rows, columns)."""
    rows, columns = np.nonzero(mining)
    left, top = grid.x0 + columns * grid.size_m, grid.y1 - rows * grid.size_m
    boxes = shapely.box(left, top - grid.size_m, left + grid.size_m, top)
    share = windows["share"].to_numpy(dtype=float)
    distance = footprint_distances_m(window_boxes(windows), boxes)
    return windows.assign(range=range_of(share), is_mining=share > 0, mining_distance_m=np.where(share > 0, 0.0, distance))


def _reasons(windows: pd.DataFrame) -> NDArray[np.object_]:
    """Why each window is not eligible, first reason first; empty text where it is."""
    share = windows["share"].to_numpy(dtype=float)
    edges = np.arange(10) / 10
    at_edge = (share > 0) & (np.abs(share[:, None] - edges).min(axis=1) < EDGE_MARGIN)
    differ = range_of(windows["share_nn"].to_numpy(dtype=float)) != windows["range"].to_numpy()
    filtered = windows["reason"].to_numpy(dtype=object)
    conditions = [filtered != "", at_edge, differ]
    return np.select(conditions, [filtered, AT_RANGE_EDGE, RANGES_DIFFER], default="").astype(object)


def _facts(survey: Survey, table: pd.DataFrame) -> dict[str, Any]:
    """Numbers of windows: in the grid, valid enough, by range, and candidates by what they are."""
    eligible = table[table["eligible"]]
    by_range, by_negative = eligible["range"].value_counts(), eligible["negative"].value_counts()
    return {
        "windows": survey.windows,
        "windows_valid": survey.windows_valid,
        "windows_by_range": {name: survey.by_range[name] for name in RANGES},
        "candidates": len(table),
        "eligible_by_range": {name: int(by_range.get(name, 0)) for name in RANGES},
        "eligible_by_negative": {str(name): int(number) for name, number in sorted(by_negative.items()) if name},
        "not_eligible": {str(k): int(n) for k, n in sorted(table.loc[~table["eligible"], "reason"].value_counts().items())},
        "refused_zero": dict(sorted(survey.refused_zero.items())),
    }
