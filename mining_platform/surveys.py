"""One pass over a region's map: every window with mining, the first without in hash order, and where the others lie."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mining_platform.candidate_tables import window_polygons
from mining_platform.computing import HERE, Compute
from mining_platform.grids import WindowGrid
from mining_platform.orders import grid_order
from mining_platform.proportions import SHARE_TYPES, iter_shares
from mining_platform.ranges import range_of
from mining_platform.territory_files import territory_reasons
from mining_platform.window_filters import TOO_LITTLE_VALID, WindowFilter

POOL_LEAST = 1_000
POOL_SLACK = 4  # times as many windows without mining are held as are kept, before the later ones in the order are let go


@dataclass(frozen=True)
class Search:
    """What is searched: the windows of a grid on a map, and what counts."""

    land_cover: Path
    grid: WindowGrid
    codes: frozenset[int]
    """Classes that are mining."""
    window_filter: WindowFilter
    outline: BaseGeometry | None
    """EPSG:4326: windows that are not wholly inside are left out; None takes all."""
    seed: int
    band: int
    compute: Compute = HERE
    """Who passes over the map."""

    def tables(
        self, *, grid: WindowGrid | None = None, codes: frozenset[int] | None = None, wanted: NDArray[np.bool_] | None = None
    ) -> Iterator[pd.DataFrame]:
        """`proportions.iter_shares` of the search's map; another grid or other codes where they are given."""
        return iter_shares(
            self.land_cover, grid or self.grid, codes or self.codes, band=self.band, wanted=wanted, compute=self.compute
        )

    def inside(self, table: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.object_]]:
        """The windows inside the outline, and why the filter refuses them, the valid share first; empty text where not."""
        reasons = np.full(len(table), "", dtype=object)
        if self.outline is not None or self.window_filter.territories:
            polygons = window_polygons(table, self.grid.epsg)
            inside = np.ones(len(table), bool) if self.outline is None else shapely.covers(self.outline, polygons)
            table, reasons = table[inside], territory_reasons(self.window_filter, polygons[inside])
        valid = (table["valid_share"] >= self.window_filter.min_valid_share).to_numpy()
        return table, np.where(valid, reasons, TOO_LITTLE_VALID).astype(object)


@dataclass
class Survey:
    """What one pass finds. Beside the windows kept it holds a few bytes a window of the grid."""

    mining_m2: NDArray[np.float32]
    """(rows, columns): area of mining, also in windows that the outline leaves out."""
    usable: NDArray[np.bool_]
    """(rows, columns): windows without mining, inside the outline, that the filter lets pass."""
    positives: list[pd.DataFrame] = field(default_factory=list)
    """Windows with mining inside the outline: columns of SHARE_TYPES and reason."""
    pool: list[pd.DataFrame] = field(default_factory=list)
    """The first usable windows in hash order, and some more: columns of SHARE_TYPES."""
    windows: int = 0
    windows_valid: int = 0
    by_range: Counter[str] = field(default_factory=Counter)
    refused_zero: Counter[str] = field(default_factory=Counter)
    """Windows without mining that the filter refuses, by reason."""

    @property
    def mining(self) -> NDArray[np.bool_]:
        """(rows, columns): windows with mining, also those that the outline leaves out."""
        return self.mining_m2 > 0


def survey_windows(search: Search, pool_size: int) -> Survey:
    """Look once at every window of the grid."""
    shape = (search.grid.rows, search.grid.columns)
    survey = Survey(np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool))
    if search.outline is not None:
        shapely.prepare(search.outline)
    for table in search.tables():
        survey.mining_m2[table["row"], table["column"]] = table["class_area_m2"]
        _take(survey, *search.inside(table))
        _shrink_pool(survey, search, pool_size)
    return survey


def _take(survey: Survey, table: pd.DataFrame, reasons: NDArray[np.object_]) -> None:
    positive = (table["share"] > 0).to_numpy()
    survey.windows += len(table)
    survey.windows_valid += int((reasons != TOO_LITTLE_VALID).sum())
    survey.by_range.update(range_of(table["share"].to_numpy()).tolist())
    survey.positives.append(table.assign(reason=reasons)[positive])
    usable = ~positive & (reasons == "") & (table["valid_area_m2"] > 0).to_numpy()
    survey.refused_zero.update(reasons[~positive & (reasons != "")].tolist())
    survey.usable[table["row"][usable], table["column"][usable]] = True
    survey.pool.append(table[usable])


def _shrink_pool(survey: Survey, search: Search, pool_size: int) -> None:
    if sum(map(len, survey.pool)) <= POOL_SLACK * max(pool_size, POOL_LEAST):
        return
    pool = pd.concat(survey.pool, ignore_index=True)
    order = grid_order(search.grid, pool["row"].to_numpy(), pool["column"].to_numpy(), search.seed)
    survey.pool[:] = [pool.iloc[np.argsort(order, kind="stable")[:pool_size]]]


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables of shares as one; with the columns of SHARE_TYPES, reason and negative where there is no row."""
    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    types = {**SHARE_TYPES, "reason": "object", "negative": "object"}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
