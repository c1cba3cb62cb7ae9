"""Rasters of measured values behind a place, on a grid: the formats, sizes and georeferences that `rasters` takes, as floats."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.sources.rasters import RasterError, check_declared_size, opened_raster, reading
from mining_platform.sources.remote.network import without_query
from mining_platform.terrain import TerrainError, check_metres, elevation_on_grid
from mining_platform.value_resampling import Convert, values_on_grid

TYPES = ("float32", "float64", "int16", "uint16", "int32", "uint8")
UNGEOREFERENCED = (
    "is in the geometry of the radar: it has ground control points and no place on a map. Correct it for the terrain, e.g. with "
    "ESA SNAP or pyroSAR, or use the collection sentinel-1-rtc, which is"
)


@contextmanager
def opened_values(places: Sequence[str]) -> Iterator[list[rasterio.DatasetReader]]:
    """Rasters of values, open for the body; places and errors as `rasters.opened_raster`.

    RasterError also for one that is too large for its file, has no CRS, no place in it, or numbers that are no values.
    """
    with ExitStack() as opened:
        sources = []
        for place in places:
            source, file = opened.enter_context(opened_raster(place))
            check_declared_size(source, file.size_bytes)
            _check(source)
            sources.append(source)
        yield sources


def read_values(
    places: Sequence[str],
    geobox: GeoBox,
    band_of: Callable[[rasterio.DatasetReader], int] = lambda _source: 1,
    convert: Convert | None = None,
) -> NDArray[np.float32]:
    """A band of rasters on a grid, see `value_resampling.values_on_grid`; RasterError as `opened_values` and `on_grid`."""
    with opened_values(places) as sources:
        return on_grid(sources, geobox, band_of(sources[0]), convert)


def on_grid(
    sources: Sequence[rasterio.DatasetReader], geobox: GeoBox, band: int = 1, convert: Convert | None = None
) -> NDArray[np.float32]:
    """A band of opened rasters on a grid; RasterError where reading fails."""
    try:
        with reading():
            return values_on_grid(sources, geobox, band=band, convert=convert)
    except RasterError:
        raise
    except ValueError as error:
        raise RasterError(f"cannot be read ({without_query(str(error)).rstrip('.')})") from None


def _check(source: rasterio.DatasetReader) -> None:
    if source.dtypes[0] not in TYPES:
        raise RasterError(f"holds {source.dtypes[0]}, which are no measured values. Convert it with gdal_translate -ot Float32")
    if source.crs is None and source.gcps[0]:
        raise RasterError(UNGEOREFERENCED)
    if source.crs is None:
        raise RasterError("has no CRS. Write one with gdal_edit.py -a_srs")
    if source.transform.is_identity:
        raise RasterError("has a CRS and no place in it. Write one with gdal_edit.py -a_ullr")


def elevation_of(places: Sequence[str], geobox: GeoBox, *, in_metres: bool) -> NDArray[np.float32]:
    """Heights of surface models on a grid, see `terrain.elevation_on_grid`; `in_metres` where their collection is.

    RasterError as `read_values`, and for heights in another unit, or in none that is told.
    """
    if not places:
        return np.full(geobox.shape, np.nan, np.float32)
    with opened_values(places) as sources:
        try:
            for source in sources:
                check_metres(source, known=in_metres)
            with reading():
                return elevation_on_grid(sources, geobox)
        except RasterError:
            raise
        except TerrainError as error:
            raise RasterError(str(error)) from None
        except ValueError as error:
            raise RasterError(f"cannot be read ({without_query(str(error)).rstrip('.')})") from None
