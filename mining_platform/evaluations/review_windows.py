"""All windows of the ground with what a map says of them, from which a sample for review is drawn."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from blake3 import blake3
from numpy.typing import NDArray
from pyproj import Transformer

from mining_platform.evaluations.review_samples import DESIGN_COLUMNS
from mining_platform.imports.image_files import place_of
from mining_platform.sources.rasters import RasterError, check_declared_size, opened_raster, reading

SAMPLE_ID, WINDOW_AREA, MAPPED, SHARE = "sample_id", "window_area_m2", "mapped_mining", "share"
"""Columns of a sample file beside DESIGN_COLUMNS: its digest when drawn, the ground of a window, whether the map calls it mining,
and what people are to fill in: the share of the window that is mining, 0 to 1."""


def windows_of_map(path: Path, *, window_cells: int) -> pd.DataFrame:
    """Windows of `window_cells` x `window_cells` cells of a map of scores, from its upper left corner, row by row.

    window_id (`<epsg>_<x>_<y>_<side in metres>` of the upper left corner), score (the greatest of its cells), window_area_m2,
    lon, lat (of the middle, degrees), epsg, minx, miny, maxx, maxy (metres). Windows with a cell without a score, and those that
    would reach beyond the map, are left out. RasterError where the file is no map of one band in a projected CRS.
    """
    with opened_raster(str(path)) as (source, file), reading():
        check_declared_size(source, file.size_bytes)
        epsg, at = place_of(source)
        if at is None or source.count != 1 or not source.crs.is_projected:
            raise RasterError(f"{path.name} is no map of scores: one band in a projected CRS. Give probability.tif of `predict`.")
        scores = np.where(source.read_masks(1) != 0, source.read(1).astype(float), np.nan)
    rows, columns = (side // window_cells for side in scores.shape)
    cells = scores[: rows * window_cells, : columns * window_cells].reshape(rows, window_cells, columns, window_cells)
    greatest = cells.max(axis=(1, 3))  # NaN where a cell has none
    i, j = np.nonzero(np.isfinite(greatest))
    side_m = window_cells * at.a
    minx, maxy = at.c + j * side_m, at.f - i * side_m
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(minx + side_m / 2, maxy - side_m / 2)
    ids = [f"{epsg}_{x:.0f}_{y:.0f}_{side_m:.0f}" for x, y in zip(minx, maxy, strict=True)]
    place = {"epsg": epsg, "minx": minx, "miny": maxy - side_m, "maxx": minx + side_m, "maxy": maxy}
    told = {"window_id": ids, "score": greatest[i, j], WINDOW_AREA: side_m**2, "lon": np.round(lon, 6), "lat": np.round(lat, 6)}
    return pd.DataFrame({**told, **place})


def strata_of_scores(scores: NDArray[np.floating], cuts: Sequence[float]) -> list[str]:
    """The stratum of each score: `below 0.2`, `0.2 to 0.7`, `0.7 and above` for 0.2 and 0.7; ValueError for unsorted cuts."""
    if list(cuts) != sorted(set(cuts)) or not cuts:
        raise ValueError(f"Scores are cut at {list(cuts)}. Name one or more numbers from low to high, such as 0.2,0.7.")
    between = [f"{low:g} to {high:g}" for low, high in pairwise(cuts)]
    names = [f"below {cuts[0]:g}", *between, f"{cuts[-1]:g} and above"]
    return [names[place] for place in np.searchsorted(cuts, scores, side="right")]


def sample_digest(sample: pd.DataFrame) -> str:
    """Of a sample's windows and how likely each was to be drawn, whatever their order: it tells a sample that was altered."""
    rows = sample[list(DESIGN_COLUMNS)].astype({"stratum_windows": "int64"}).sort_values("window_id")
    lines = (f"{name}\t{stratum}\t{size}\t{chance:.12g}\n" for name, stratum, size, chance in rows.itertuples(index=False))
    return blake3("".join(lines).encode()).hexdigest()[:32]


def check_unaltered(sample: pd.DataFrame) -> bool:
    """Whether a sample tells what it was when drawn; ValueError where it is another one now."""
    if SAMPLE_ID not in sample:
        return False
    told = set(sample[SAMPLE_ID].astype(str))
    if told != {sample_digest(sample)}:
        raise ValueError(
            "The sample is not the one that was drawn: windows are missing, added or changed, or their design columns are. Take "
            f"the file that `area sample` wrote, and fill in the column {SHARE} alone."
        )
    return True


def facts_of_sample(sample: pd.DataFrame, windows: pd.DataFrame) -> dict[str, Any]:
    """Windows of each stratum and how many of them were drawn."""
    drawn = sample["stratum"].value_counts()
    sizes = windows["stratum"].value_counts().sort_index()
    return {
        "windows": len(windows),
        "drawn": len(sample),
        "strata": [{"stratum": name, "windows": int(size), "drawn": int(drawn.get(name, 0))} for name, size in sizes.items()],
    }
