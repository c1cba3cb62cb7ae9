"""Polygons of what changed in a year: of new mining, of all found so far, and of what people took for false alarms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely import STRtree
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform.chunks import CHUNK_PX
from mining_platform.first_years import NEVER, windows, yearly_blocks
from mining_platform.grids import project
from mining_platform.mask_outlines import area_m2, outline_id, outlines
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

COLUMNS = ("change_id", "year", "area_ha", "is_large", "reviewed", "simulated")
CONFIRMED, NOT_REVIEWED, REJECTED = "confirmed", "not reviewed", "rejected"
"""What people said of a polygon."""
CONFIRMED_SHARE = 0.5
"""Least part of the area of a confirmed polygon in which people saw mining: outlines change as maps are made anew."""
M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class Marks:
    """What polygons of a year are marked with."""

    year: int
    min_area_ha: float
    """Larger ones are published as places."""
    confirmed: tuple[BaseGeometry, ...]
    """Outlines in which people saw mining, in the map's CRS."""
    simulated: bool


def polygons_of(first_years: Path, marks: Marks, work: Path, *, up_to: bool) -> gpd.GeoDataFrame:
    """Polygons in EPSG:4326, with COLUMNS, of the cells whose first year is that of `marks`, or, `up_to`, that or an earlier one.

    `first_years` as `first_years.write_first_years` writes it; a temporary file lies in the folder `work` meanwhile. `change_id`
    as `mask_outlines.outline_id`; `reviewed` is CONFIRMED or NOT_REVIEWED.
    """
    year = marks.year

    def chosen(source: DatasetReader, window: Window) -> NDArray[np.bool_]:
        values = source.read(1, window=window)
        return np.asarray((values != NEVER) & (values <= year) if up_to else values == year)

    with opened_raster_file(first_years) as source:
        found = _outlined(source, lambda window: chosen(source, window), work)
        return _table(found, source.crs.to_epsg(), marks)


def removed_polygons(mask: Path, rejected: Sequence[BaseGeometry], marks: Marks, work: Path) -> gpd.GeoDataFrame:
    """As `polygons_of`, of the cells found in a year's mask that lie in outlines of false alarms; `reviewed` is REJECTED."""
    with opened_raster_file(mask) as source:
        found: list[Polygon] = []
        if len(rejected):
            blocks = yearly_blocks({marks.year: mask}, rejected={marks.year: rejected})
            parts = {(block.window.col_off, block.window.row_off): block.rejected[0] for block in blocks if block.rejected.any()}
            found = _outlined(source, lambda window: parts.get((window.col_off, window.row_off)), work) if parts else []
        return _table(found, source.crs.to_epsg(), marks).assign(reviewed=REJECTED)


def _outlined(source: DatasetReader, chosen: Callable[[Window], NDArray[np.bool_] | None], work: Path) -> list[Polygon]:
    """Outlines of the chosen cells of a grid; None where a window has none."""
    with TemporaryDirectory(dir=work, prefix=durable.TEMPORARY_PREFIX) as folder:
        mask = Path(folder) / "mask.tif"
        tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
        shape = {"width": source.width, "height": source.height, "crs": source.crs, "transform": source.transform}
        with rasterio.open(mask, "w", driver="GTiff", dtype="uint8", count=1, **shape, **tiles) as raster:
            for window in windows(source):
                cells = chosen(window)
                if cells is not None:
                    raster.write(cells.astype(np.uint8), 1, window=window)
        with opened_raster_file(mask) as written:
            return outlines(written)


def _table(found: Sequence[Polygon], epsg: int, marks: Marks) -> gpd.GeoDataFrame:
    rows = [(outline_id(each, epsg), area_m2(each, epsg) / M2_PER_HA) for each in found]
    table = pd.DataFrame(rows, columns=["change_id", "area_ha"]).astype({"change_id": "str", "area_ha": "float64"})
    places = gpd.GeoSeries([project(each, epsg, 4326) for each in found], crs=4326)
    said = np.where(_confirmed(found, marks.confirmed), CONFIRMED, NOT_REVIEWED)
    marked = table.assign(year=marks.year, is_large=table["area_ha"] > marks.min_area_ha, simulated=marks.simulated)
    marked = marked.assign(reviewed=pd.Series(said, dtype="str", index=marked.index))
    return gpd.GeoDataFrame(marked[list(COLUMNS)], geometry=places, crs=4326)


def _confirmed(found: Sequence[Polygon], seen: Sequence[BaseGeometry]) -> NDArray[np.bool_]:
    """(n,) whether people saw mining in at least CONFIRMED_SHARE of each outline."""
    tree = STRtree(list(seen))
    covered = [shapely.union_all(tree.geometries[tree.query(each, predicate="intersects")]) for each in found]
    return np.array(
        [each.intersection(known).area >= CONFIRMED_SHARE * each.area for each, known in zip(found, covered, strict=True)], bool
    )
