"""The order in which windows are drawn: by a hash of the window's id and a seed, spread over blocks of ground.

A window's place in the order depends on nothing but its id and the seed, so a year, a region or more ground adds windows
to the order and moves none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import bounds_of
from mining_platform.grids import PIXEL_M, WindowGrid

# Steele, Lea & Flood, Fast splittable pseudorandom number generators, OOPSLA 2014: step and finaliser of SplitMix64.
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def window_order(window_ids: Sequence[str] | pd.Series, seed: int) -> NDArray[np.uint64]:
    """Place of each window in the hash order of a seed: (n,) uint64. ValueError names what is no window id."""
    bounds = bounds_of(window_ids if isinstance(window_ids, list) else list(window_ids))
    easting, northing = (bounds[name].to_numpy() // PIXEL_M for name in ("minx", "maxy"))
    return lattice_order(bounds["epsg"].to_numpy(), easting, northing, bounds["px"].to_numpy(), seed)


def lattice_order(epsg: Any, easting: Any, northing: Any, px: Any, seed: int) -> NDArray[np.uint64]:
    """`window_order` of the numbers that window ids are made of: whole numbers or arrays of one length."""
    state = np.uint64(seed % 2**64)
    with np.errstate(over="ignore"):  # arithmetic is modulo 2**64
        for part in (epsg, px, easting, northing):
            state = _mixed((state ^ np.asarray(part, dtype=np.int64).astype(np.uint64)) + GOLDEN_GAMMA)
    return np.atleast_1d(np.asarray(state, dtype=np.uint64))


def grid_order(grid: WindowGrid, rows: NDArray[np.integer], columns: NDArray[np.integer], seed: int) -> NDArray[np.uint64]:
    """`window_order` of windows by their place in the grid: (n,)."""
    easting, northing = grid.x0 // PIXEL_M + columns * grid.px, grid.y1 // PIXEL_M - rows * grid.px
    return lattice_order(grid.epsg, easting, northing, grid.px, seed)


def _mixed(state: Any) -> Any:
    """SplitMix64's finaliser: a bijection of uint64 in which every bit depends on every other."""
    state = (state ^ (state >> np.uint64(30))) * MIX_1
    state = (state ^ (state >> np.uint64(27))) * MIX_2
    return state ^ (state >> np.uint64(31))


def block_ranks(windows: pd.DataFrame, block_m: int) -> NDArray[np.int64]:
    """Place of each window among those of its block of ground, by `order`, then id: (n,) from 0 for the first of each block.

    `windows` needs window_id, epsg, minx, miny, maxx, maxy and order; a block holds the windows whose centre lies in it.
    """
    keys = pd.DataFrame(
        {
            "epsg": windows["epsg"].to_numpy(),
            "x": (windows["minx"].to_numpy() + windows["maxx"].to_numpy()) // 2 // block_m,
            "y": (windows["miny"].to_numpy() + windows["maxy"].to_numpy()) // 2 // block_m,
            "order": windows["order"].to_numpy(),
            "window_id": windows["window_id"].to_numpy(),
        }
    )
    ranked = keys.sort_values(["order", "window_id"]).groupby(["epsg", "x", "y"]).cumcount()
    return np.asarray(ranked.reindex(keys.index), dtype=np.int64)
