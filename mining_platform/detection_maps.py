"""Yearly masks of mining: of a model's scores by a rule of detection, or of a land-cover map's classes.

Rasters cover the box around a region; `within` is its outline in EPSG:4326. Cells whose middles lie outside are NOT_OBSERVED, so
that the hectares of regions that border on each other can be added up. Without an outline the whole raster counts.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from mining_platform.chunks import CHUNK_PX
from mining_platform.detection_polygons import COLUMNS, detection_polygons
from mining_platform.detection_rules import DetectionRule, isolated
from mining_platform.first_years import FOUND, NOT_OBSERVED, cells_within, prepared_outline, windows
from mining_platform.grids import project
from mining_platform.labels.mapbiomas import NO_CLASS_CODES, SIMULATED_MARK
from mining_platform.mask_outlines import area_m2, outline_id, outlines
from mining_platform.mosaic_exports import COG
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

MASK_NAME = "detected.tif"
SQUARES_NAME, PIXELS_NAME = "squares.tif", "pixel_probability.tif"
"""Where one model finds and another outlines: what the first one found, and the scores of the second, by pixel."""
UNIT_M = 240.0
"""Smallest side, in metres, of what counts as one neighbour of a detection: a cell of models that score 480 m windows."""


def write_scored(
    probability: Path, rule: DetectionRule, out: Path, *, own: float, simulated: bool, within: BaseGeometry | None = None
) -> dict[str, Any]:
    """Write the COG `out` of FOUND where a map of scores has a detection by a rule, NOT_OBSERVED where it has no score, else 0.

    `own` is the model's own threshold. Cells smaller than UNIT_M count as neighbours by squares of about UNIT_M, also those
    outside of the region. Facts: the two thresholds, cells that were found, and cells that were left out as isolated.
    """
    least, if_isolated = rule.thresholds(own)
    with opened_raster_file(probability) as scores:
        outline = prepared_outline(within, scores)
        left_out = _isolated_units(scores, rule, least, if_isolated)
        found = alone = 0
        with _new_mask(out, scores, simulated=simulated) as mask:
            for window in windows(scores):
                values = scores.read(1, window=window)
                ours = cells_within(outline, scores, window)
                above = np.asarray(values >= np.float32(least)) & ours
                rows, columns = np.nonzero(above)
                units = _units(rows + window.row_off, columns + window.col_off, scores)
                dropped = np.isin(units, left_out) & (values[rows, columns] < np.float32(if_isolated))
                above[rows[dropped], columns[dropped]] = False
                found, alone = found + int(above.sum()), alone + int(dropped.sum())
                mask.write(np.where(np.isnan(values) | ~ours, NOT_OBSERVED, above).astype(np.uint8), 1, window=window)
    return {"threshold": least, "isolated_threshold": if_isolated, "cells_found": found, "cells_isolated": alone}


def _unit_cells(scores: DatasetReader) -> int:
    """Cells a side of what counts as one neighbour."""
    return max(1, round(UNIT_M / abs(scores.transform.a)))


def _units(rows: NDArray[np.int64], columns: NDArray[np.int64], scores: DatasetReader) -> NDArray[np.int64]:
    """(n,) numbers of the units, row after row, that cells lie in."""
    cells = _unit_cells(scores)
    return np.asarray((rows // cells) * (scores.width // cells + 1) + columns // cells)


def _isolated_units(scores: DatasetReader, rule: DetectionRule, least: float, if_isolated: float) -> NDArray[np.int64]:
    """(n,) numbers of the units with a detection that stand alone by the rule."""
    if not rule.neighbours or if_isolated <= least:
        return np.zeros(0, dtype=np.int64)
    parts = [np.zeros(0, dtype=np.int64)]
    for window in windows(scores):
        rows, columns = np.nonzero(scores.read(1, window=window) >= np.float32(least))
        parts.append(np.unique(_units(rows + window.row_off, columns + window.col_off, scores)))
    units = np.unique(np.concatenate(parts))
    across = scores.width // _unit_cells(scores) + 1
    places_m = np.stack([units // across, units % across], axis=1) * _unit_cells(scores) * abs(scores.transform.a)
    return units[isolated(places_m, rule.neighbours, rule.within_m)]


def write_outlined(
    squares: Path, outlining: Path, threshold: float, out: Path, *, simulated: bool, within: BaseGeometry | None = None
) -> dict[str, Any]:
    """Write the COG `out` of FOUND where a mask of squares is FOUND and a map of pixel scores reaches a threshold.

    As a classifier finds mines and a segmenter outlines them; on the grid of `outlining`, whose upper left corner is that of
    `squares`, and whose cells are whole parts of theirs. NOT_OBSERVED where either is without data, else 0. Facts: cells_found,
    and squares_without_outline, found ones with ground of the region in which no pixel reaches the threshold, which count none.
    ValueError for grids that do not fit.
    """
    with opened_raster_file(squares) as coarse, opened_raster_file(outlining) as fine:
        side, outline = _cells_in_a_square(coarse, fine), prepared_outline(within, fine)
        outlined, reached = np.zeros((2, *coarse.shape), dtype=np.bool_)
        found = 0
        with _new_mask(out, fine, simulated=simulated) as mask:
            for window in windows(fine):
                rows, columns = ((start + np.arange(size)) // side for start, size in zip(*_spans(window), strict=True))
                around = Window(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
                square = coarse.read(1, window=around)[np.ix_(rows - rows[0], columns - columns[0])]
                scores = fine.read(1, window=window)
                ours = cells_within(outline, fine, window)
                cells = (square == FOUND) & (scores >= np.float32(threshold)) & ours
                for marks, where in ((outlined, cells), (reached, ours)):
                    i, j = np.nonzero(where)
                    marks[rows[i], columns[j]] = True
                found += int(cells.sum())
                blind = np.isnan(scores) | (square == NOT_OBSERVED) | ~ours
                mask.write(np.where(blind, NOT_OBSERVED, cells).astype(np.uint8), 1, window=window)
        empty = reached & ~outlined
        lost = sum(int(((coarse.read(1, window=w) == FOUND) & empty[w.toslices()]).sum()) for w in windows(coarse))
    return {"cells_found": found, "squares_without_outline": lost}


def _spans(window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    return (window.row_off, window.col_off), (window.height, window.width)


def _cells_in_a_square(coarse: DatasetReader, fine: DatasetReader) -> int:
    """Cells of the fine grid along a side of a cell of the coarse one."""
    side = round(coarse.transform.a / fine.transform.a)
    corner = coarse.transform.c, coarse.transform.f
    fits = corner == (fine.transform.c, fine.transform.f) and coarse.transform.a == side * fine.transform.a
    if not fits or coarse.crs != fine.crs or any(n * side < m for n, m in zip(coarse.shape, fine.shape, strict=True)):
        raise ValueError(f"{fine.name} does not part the cells of {coarse.name}. Make both for the same region.")
    return side


def write_mapped(land_cover: Path, codes: Iterable[int], out: Path, *, within: BaseGeometry | None = None) -> dict[str, Any]:
    """Write the COG `out` of FOUND where a map of class codes has one of `codes`, NOT_OBSERVED where it has none, else 0.

    On the map's own grid. Facts: cells_found.
    """
    wanted = sorted(codes)
    with opened_raster_file(land_cover) as source:
        simulated = source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)
        outline = prepared_outline(within, source)
        blind = sorted({*NO_CLASS_CODES, *([] if source.nodata is None else [int(source.nodata)])} - {*wanted})
        found = 0
        with _new_mask(out, source, simulated=simulated) as mask:
            for window in windows(source):
                values = source.read(1, window=window)
                unseen = np.isin(values, blind) | ~cells_within(outline, source, window)
                cells = np.where(unseen, NOT_OBSERVED, np.isin(values, wanted)).astype(np.uint8)
                found += int((cells == FOUND).sum())
                mask.write(cells, 1, window=window)
    return {"cells_found": found}


@contextmanager
def _new_mask(out: Path, like: DatasetReader, *, simulated: bool) -> Iterator[DatasetWriter]:
    """A raster of uint8 on the grid of another, for the body to fill; a COG called `out` afterwards, whole or not at all."""
    with TemporaryDirectory(dir=out.parent, prefix=durable.TEMPORARY_PREFIX) as folder:
        plain, whole = Path(folder) / "plain.tif", Path(folder) / "whole.tif"
        shape = {"width": like.width, "height": like.height, "crs": like.crs, "transform": like.transform}
        tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
        with rasterio.open(plain, "w", driver="GTiff", dtype="uint8", count=1, nodata=NOT_OBSERVED, **shape, **tiles) as raster:
            raster.descriptions = ("1 mining found",)
            if simulated:
                raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")
            yield raster
        rasterio.shutil.copy(plain, whole, driver="COG", **COG)
        durable.sync(whole)
        whole.replace(out)


def mask_polygons(mask: Path, probability: Path | None, *, simulated: bool) -> gpd.GeoDataFrame:
    """Polygons of a mask's cells that are FOUND, as `detection_polygons`; without a map of scores the scores are NaN."""
    with opened_raster_file(mask) as found:
        if probability is not None:
            with opened_raster_file(probability) as scores:
                return detection_polygons(scores, found, simulated=simulated)
        epsg, cell = found.crs.to_epsg(), abs(found.transform.a * found.transform.e)
        shapes = outlines(found)
        rows = [
            (outline_id(each, epsg), np.nan, np.nan, round(each.area / cell), area_m2(each, epsg), simulated) for each in shapes
        ]
    places = gpd.GeoSeries([project(each, epsg, 4326) for each in shapes], crs=4326)
    return gpd.GeoDataFrame(rows, columns=list(COLUMNS), geometry=places, crs=4326)
