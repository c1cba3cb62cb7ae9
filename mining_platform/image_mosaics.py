"""A raster of others that holds a whole stack of channels, as a mosaic that a model is run over like any other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio import DatasetReader
from rasterio.windows import Window

from mining_platform import zarr_arrays
from mining_platform.chunks import all_blocks, block_slices
from mining_platform.imports import quantities
from mining_platform.imports.channels import channels_of
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.found import LEFT_OUT, Pixels
from mining_platform.imports.image_files import place_of, scaled
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.mosaic_arrays import create_mosaic
from mining_platform.sources.rasters import RasterError, check_declared_size, opened_raster, reading

SAMPLE_PX = 1_024
"""Longest side of the thinned image by whose values the unit of a file is told."""

ReadBlock = Callable[[slice, slice], NDArray[np.uint16]]
"""Numbers (band, y, x) of `bands.stored_as` in rows and columns of a grid."""


def write_image_mosaic(path: Path, geobox: GeoBox, channels: Sequence[str], read: ReadBlock, *, simulated: bool) -> Path:
    """Write a `mosaic.zarr` chunk by chunk: clear once where any channel has data. Memory holds a chunk."""
    mosaic = create_mosaic(path, geobox, tuple(channels), "", simulated=simulated)
    for block in all_blocks(geobox):
        rows, columns = block_slices(geobox, block)
        image = read(rows, columns)
        clear = np.asarray(image.any(axis=0), np.uint16)
        zarr_arrays.write_box(mosaic.image, (0, rows.start, columns.start), image)
        for count in (mosaic.clear_count, mosaic.observed_count):
            zarr_arrays.write_box(count, (rows.start, columns.start), clear)
    return path


def mosaic_of_geotiff(
    geotiff: Path, out: Path, *, channels: Sequence[str] = (), scale: float | None = None, offset: float = 0.0
) -> dict[str, Any]:
    """Write a GeoTIFF of a whole stack as the mosaic `out`; facts: channels, unit, simulated.

    `channels` are its bands in order (LEFT_OUT for those not wanted), or empty where band descriptions are band ids. Reflectance
    is scale x value + offset, or told by the values as in an import (`quantities.unit_of`); other channels are in their own unit.
    PatchImportError naming the file where it has no place, no known channels or unit, or values that cannot be stored.
    """
    name = geotiff.name
    try:
        with opened_raster(str(geotiff)) as (source, file), reading():
            check_declared_size(source, file.size_bytes)
            named = channels_of(channels, source.descriptions, (), name)
            unit, line = _unit(source, named, scale, offset, name)

            def read(rows: slice, columns: slice) -> NDArray[np.uint16]:
                pixels = _pixels(source, window=Window.from_slices(rows, columns))
                return quantities.stored_numbers(pixels, named, *line, name).numbers

            kept = [channel for channel in named if channel != LEFT_OUT]
            simulated = source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)
            write_image_mosaic(out, _geobox(source, name), kept, read, simulated=simulated)
            return {"channels": kept, "unit": unit, "simulated": simulated}
    except RasterError as error:
        raise PatchImportError(f"{name} {error}. Write it anew, north up.") from None


def _geobox(source: DatasetReader, name: str) -> GeoBox:
    epsg, at = place_of(source)
    if at is None:
        raise PatchImportError(f"{name} tells no place: a CRS with an EPSG code, or a grid, is missing. gdalwarp writes both.")
    return GeoBox(source.shape, Affine(*at[:6]), CRS(f"EPSG:{epsg}"))


def _pixels(source: DatasetReader, **part: Any) -> Pixels:
    """Values and where they are valid, of a window or thinned."""
    return Pixels(scaled(source.read(**part), source), source.read_masks(**part) != 0, 0, None)


def _unit(
    source: DatasetReader, channels: Sequence[str], scale: float | None, offset: float, name: str
) -> tuple[str, tuple[float, float]]:
    """How reflectance is made of the values, in words and as scale and offset; those of files without any are 1 and 0."""
    if scale is not None:
        return f"{scale:g} x value {offset:+g}", (scale, offset)
    wanted = [number for number, channel in enumerate(channels) if quantities.is_reflectance(channel)]
    if not wanted:
        return "", (1.0, 0.0)
    step = max(1, -(-max(source.shape) // SAMPLE_PX))
    thinned = _pixels(source, out_shape=(source.count, *(-(-side // step) for side in source.shape)))
    values = thinned.values[wanted]
    unit = quantities.unit_of(values[thinned.valid[wanted] & np.isfinite(values)])
    if unit == quantities.UNKNOWN:
        raise PatchImportError(
            f"{name} holds neither reflectance (0 to 1) nor reflectance x 10,000. Say how reflectance is made of the values with "
            "--scale and --offset."
        )
    return unit, (quantities.SCALES[unit], 0.0)
