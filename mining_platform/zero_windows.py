"""Which windows without mining are kept as candidates: by recipe, each the first of its kind in hash order."""

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.grids import WindowGrid
from mining_platform.negatives import NegativeRecipe, negative
from mining_platform.orders import grid_order
from mining_platform.surroundings import grid_distances_m
from mining_platform.surveys import Search, Survey, joined

Mask = NDArray[np.bool_]
"""(rows, columns) of a grid."""
ROUNDING = 1e-9  # of a count times a share


def zero_windows(search: Search, survey: Survey, shares: Mapping[str, float], count: int) -> pd.DataFrame:
    """The windows without mining that each recipe keeps: columns of SHARE_TYPES, negative (the recipe) and reason "".

    `shares` says how `count` windows are shared over recipes. A window belongs to the first recipe whose rule it meets, and
    each recipe keeps the first of its windows in the hash order of the seed.
    """
    distances = cache(lambda: grid_distances_m(survey.mining, search.grid.size_m))
    left, number = _far_enough(search, survey, distances), np.full(survey.usable.shape, -1, dtype=np.int8)
    for place, (name, share) in enumerate(shares.items()):
        recipe = negative(name)
        meets = left & _meets(recipe, search, distances)
        most = math.ceil(count * share - ROUNDING)
        limit = recipe.per_positive * sum(map(len, survey.positives)) if recipe.per_positive else most
        number[first_in_order(meets, search.grid, min(most, limit), search.seed)] = place
        left &= ~meets
    rows = _rows_of(search, survey, number >= 0)
    return rows.assign(reason="", negative=np.array([*shares, ""], dtype=object)[number[rows["row"], rows["column"]]])


def _far_enough(search: Search, survey: Survey, distances: Callable[[], NDArray[np.float32]]) -> Mask:
    """Usable windows at the distance from mining that the dataset's filter asks for."""
    low, high = search.window_filter.min_mining_distance_m, search.window_filter.max_mining_distance_m
    if low <= 0 and math.isinf(high):
        return survey.usable.copy()
    return survey.usable & (distances() >= low) & (distances() <= high)


def _rows_of(search: Search, survey: Survey, kept: Mask) -> pd.DataFrame:
    """Rows of windows, of the survey's pool where it has them, else looked up on the map once more."""
    pool = joined(survey.pool)
    pool = pool[kept[pool["row"], pool["column"]]]
    missing = kept.copy()
    missing[pool["row"], pool["column"]] = False
    if not missing.any():
        return pool
    return joined([pool, *search.tables(wanted=missing)])


def first_in_order(chosen: Mask, grid: WindowGrid, count: int, seed: int) -> Mask:
    """The first `count` of some windows of a grid in the hash order of a seed: (rows, columns)."""
    rows, columns = np.nonzero(chosen)
    order = grid_order(grid, rows, columns, seed)
    if len(order) > count:
        first = np.argsort(order, kind="stable")[:count]
        rows, columns = rows[first], columns[first]
    kept = np.zeros_like(chosen)
    kept[rows, columns] = True
    return kept


def _meets(recipe: NegativeRecipe, search: Search, distances: Callable[[], NDArray[np.float32]]) -> Mask:
    """Windows that meet the recipe's rule."""
    meets = np.ones((search.grid.rows, search.grid.columns), dtype=bool)
    if recipe.step_m:
        meets &= holds_cell_centre(search.grid, recipe.step_m)
    if recipe.min_distance_m > 0 or math.isfinite(recipe.max_distance_m):
        meets &= (distances() >= recipe.min_distance_m) & (distances() <= recipe.max_distance_m)
    if recipe.codes:
        meets &= _covered(recipe, search)
    return meets


def _covered(recipe: NegativeRecipe, search: Search) -> Mask:
    """Windows of which the recipe's classes cover enough."""
    covered = np.zeros((search.grid.rows, search.grid.columns), dtype=bool)
    for table in search.tables(codes=frozenset(recipe.codes)):
        enough = table[table["share"] >= recipe.min_class_share]
        covered[enough["row"], enough["column"]] = True
    return covered


def holds_cell_centre(grid: WindowGrid, step_m: int) -> Mask:
    """Windows that hold the centre of a cell of the square grid of a step from the CRS's origin; left and lower edges count."""
    left = grid.x0 + np.arange(grid.columns) * grid.size_m
    bottom = grid.y1 - (np.arange(grid.rows) + 1) * grid.size_m
    inside = [(-(starts - step_m // 2)) % step_m < grid.size_m for starts in (bottom, left)]
    return np.outer(*inside)
