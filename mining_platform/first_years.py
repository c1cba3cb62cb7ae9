"""Yearly masks of mining -> a map of the year in which each cell was first found to be mined.

The cumulative union of all years up to one is where that map is not 0, and what is new in a year is where it holds that year:
both follow from one raster, and the union can only grow from year to year.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
import rasterio.shutil
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.io import DatasetReader
from rasterio.windows import Window, bounds
from shapely import STRtree
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mining_platform.chunks import CHUNK_PX
from mining_platform.grids import projected_outline
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.mosaic_exports import COG
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

FOUND, NOT_OBSERVED = 1, 255
"""Values of a yearly mask, uint8: mining found; no data, or not of the region. Any other value: ground where none was found."""
NEVER = 0
"""Value of the map of first years where mining was never found."""


@dataclass(frozen=True)
class Block:
    """A part of the yearly masks, in step."""

    window: Window
    found: NDArray[np.bool_]
    """(year, y, x): mining was found, and nobody took it for a false alarm."""
    observed: NDArray[np.bool_]
    """(year, y, x): there is data."""
    rejected: NDArray[np.bool_]
    """(year, y, x): mining was found, and people took it for a false alarm."""

    def first_year(self, years: Sequence[int]) -> NDArray[np.uint16]:
        """(y, x) the first year in which mining was found, NEVER where it was not."""
        first = np.asarray(years, dtype=np.uint16)[self.found.argmax(axis=0)]
        return np.where(self.found.any(axis=0), first, np.uint16(NEVER)).astype(np.uint16)


def write_first_years(
    masks: Mapping[int, Path], out: Path, *, rejected: Mapping[int, Sequence[BaseGeometry]], simulated: bool
) -> None:
    """Write the COG `out`, uint16: the first year of each cell; `masks` and `rejected` as in `yearly_blocks`.

    The file appears whole or not at all; equal input gives equal bytes.
    """
    years = sorted(masks)
    with TemporaryDirectory(dir=out.parent, prefix=durable.TEMPORARY_PREFIX) as folder:
        plain, whole = Path(folder) / "plain.tif", Path(folder) / "whole.tif"
        with opened_raster_file(masks[years[0]]) as source:
            shape = {"width": source.width, "height": source.height, "crs": source.crs, "transform": source.transform}
        tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
        with rasterio.open(plain, "w", driver="GTiff", dtype="uint16", count=1, nodata=NEVER, **shape, **tiles) as raster:
            raster.descriptions = ("year in which mining was first found",)
            if simulated:
                raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")
            for block in yearly_blocks(masks, rejected=rejected):
                raster.write(block.first_year(years), 1, window=block.window)
        rasterio.shutil.copy(plain, whole, driver="COG", **COG)
        durable.sync(whole)
        whole.replace(out)


def yearly_blocks(masks: Mapping[int, Path], *, rejected: Mapping[int, Sequence[BaseGeometry]]) -> Iterator[Block]:
    """The masks of all years, a part of CHUNK_PX cells a side at a time, years ascending.

    `masks` are rasters of one band of FOUND, NOT_OBSERVED or another value, all on one grid; `rejected` are, by year, outlines in
    their CRS of false alarms, whose cells (by their middles) do not count in that year. ValueError without years, or naming the
    year whose grid is another.
    """
    years = sorted(masks)
    if not years:
        raise ValueError("There is no year of detections. Make the detections of one year first.")
    with ExitStack() as stack:
        sources = [stack.enter_context(opened_raster_file(masks[year])) for year in years]
        _check_grids(dict(zip(years, sources, strict=True)))
        trees = [STRtree(list(rejected.get(year, ()))) for year in years]
        for window in windows(sources[0]):
            values = np.stack([source.read(1, window=window) for source in sources])
            false = np.stack([_false_alarms(sources[0], tree, window) for tree in trees])
            found = values == FOUND
            yield Block(window, found & ~false, values != NOT_OBSERVED, found & false)


def _check_grids(sources: Mapping[int, DatasetReader]) -> None:
    first = next(iter(sources))
    grid = _grid(sources[first])
    if moved := [year for year, source in sources.items() if _grid(source) != grid]:
        raise ValueError(
            f"Detections of {', '.join(map(str, moved))} lie on another grid than those of {first}; a cell of one has no "
            "counterpart in the other. Make the detections of all years with one model, or from one collection of maps."
        )


def _grid(source: DatasetReader) -> tuple[object, ...]:
    return source.crs, source.shape, tuple(round(number, 6) for number in source.transform)


def windows(source: DatasetReader) -> Iterator[Window]:
    """Parts of at most CHUNK_PX cells a side, row after row."""
    for top in range(0, source.height, CHUNK_PX):
        for left in range(0, source.width, CHUNK_PX):
            yield Window(left, top, min(CHUNK_PX, source.width - left), min(CHUNK_PX, source.height - top))


def _false_alarms(source: DatasetReader, tree: STRtree, window: Window) -> NDArray[np.bool_]:
    """(y, x): cells whose middles false alarms hold."""
    near = tree.geometries[tree.query(box(*bounds(window, source.transform)), predicate="intersects")]
    return _held_by(list(near), source, window)


def prepared_outline(within: BaseGeometry | None, source: DatasetReader) -> BaseGeometry | None:
    """An outline in EPSG:4326 in a raster's CRS, for `cells_within`; None stays None."""
    if within is None:
        return None
    outline = projected_outline(within, source.crs.to_epsg())
    shapely.prepare(outline)
    return outline


def cells_within(outline: BaseGeometry | None, source: DatasetReader, window: Window) -> NDArray[np.bool_]:
    """(y, x): cells of a part of a raster whose middles a `prepared_outline` holds; all of them without an outline."""
    if outline is None:
        return np.ones((window.height, window.width), dtype=bool)
    frame = box(*bounds(window, source.transform))
    if outline.contains(frame):
        return np.ones((window.height, window.width), dtype=bool)
    return _held_by([outline] if outline.intersects(frame) else [], source, window)


def _held_by(shapes: Sequence[BaseGeometry], source: DatasetReader, window: Window) -> NDArray[np.bool_]:
    shape = (window.height, window.width)
    if not shapes:
        return np.zeros(shape, dtype=bool)
    return np.asarray(rasterize(shapes, shape, transform=source.window_transform(window), dtype="uint8") == 1)
