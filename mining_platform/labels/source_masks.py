"""What one source says of mining on an image's grid: a raster of classes, or polygons."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from mining_platform.labels.agreement import SourceMask
from mining_platform.labels.class_sets import ClassSet
from mining_platform.labels.detections import confident
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.polygon_labels import fulfilling, polygon_mask, read_polygons
from mining_platform.labels.recipes import LabelRecipe
from mining_platform.raster_files import opened_raster_file
from mining_platform.resampling import read_on_grid
from mining_platform.shares.class_rasters import band_of_year
from mining_platform.vector_files import SUFFIXES


def source_mask(
    path: Path, grid: GeoBox, *, classes: ClassSet | None, year: int | None, conditions: Sequence[str], recipe: LabelRecipe
) -> tuple[SourceMask, tuple[str, ...]]:
    """The mask of a source under its file's name, and notes.

    Of a raster, `classes` in the band of `year` under each pixel's centre, where it has a class; of polygons, those that fulfil
    the conditions and are as confident as the recipe wants, over the whole grid. LabelError naming the file otherwise.
    """
    if path.suffix.lower() not in SUFFIXES:
        if classes is None:
            raise LabelError(f"{path.name} is a map: name the classes that are mining with --classes, such as mining or 30.")
        codes = class_codes(path, grid, year)
        has_class = ~np.isin(codes, [*classes.no_class])
        return SourceMask(path.name, np.isin(codes, [*classes.codes]) & has_class, has_class), ()
    polygons, notes = read_polygons(path)
    chosen = confident(fulfilling(polygons, conditions, path.name), recipe, path.name)
    mask, more = _mask(chosen, grid, path.name)
    return SourceMask(path.name, mask, np.ones(grid.shape, bool)), (*notes, *more)


def _mask(polygons: gpd.GeoDataFrame, grid: GeoBox, where: str) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    return polygon_mask(polygons, grid, where, outside="report")


def class_codes(path: Path, grid: GeoBox, year: int | None) -> NDArray[np.uint8]:
    """Class codes of a raster under the centres of a grid's pixels: (y, x), 0 outside it and where it has no data.

    LabelError for a grid that is turned, and for a raster that is missing, has no CRS or is of another type than uint8;
    ClassRasterError where the year does not tell the band.
    """
    affine = grid.affine
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise LabelError("The image is not north-up, and maps are laid on north-up images only. Warp it with gdalwarp.")
    band = band_of_year(path, year)
    try:
        with opened_raster_file(path) as source:
            if source.crs is None:
                raise LabelError(f"{path.name} has no CRS; write one with gdal_edit.py -a_srs before comparing it.")
            if source.dtypes[band - 1] != "uint8":
                raise LabelError(f"{path.name} holds {source.dtypes[band - 1]}, class codes are uint8. Name the map itself.")
            return np.asarray(read_on_grid(source, grid, nearest=True, band=band), np.uint8)
    except LabelError:
        raise
    except (RasterioError, ValueError) as error:
        raise LabelError(f"{path.name} cannot be laid on the image: {str(error).rstrip('.')}. Mend it, or warp it.") from None
