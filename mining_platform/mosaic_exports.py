"""A mosaic as one Cloud Optimized GeoTIFF, for GDAL and QGIS, which do not open sharded Zarr."""

from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.windows import Window

from mining_platform import zarr_arrays
from mining_platform.bands import S2_NODATA, band, stored_as
from mining_platform.chunks import CHUNK_PX, block_slices
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.mosaic_arrays import computed_blocks, open_mosaic

COG = {"COMPRESS": "DEFLATE", "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": "NEAREST", "BIGTIFF": "IF_SAFER"}


def write_cog(mosaic_path: Path, out: Path) -> None:
    """Write a `mosaic.zarr` as a COG: a uint16 band a channel, named, nodata 0, chunk by chunk.

    Bands are reflectance x 10,000, or what their unit, scale and offset say. What was not composed is nodata. The file appears
    whole or not at all.
    """
    mosaic = open_mosaic(mosaic_path)
    plain, beside = out.with_name(f"{out.name}.plain.tif"), out.with_name(f"{out.name}.new.tif")
    height, width = mosaic.geobox.shape
    shape = {"count": len(mosaic.channels), "height": height, "width": width, "dtype": "uint16", "nodata": S2_NODATA}
    tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
    place = {"crs": str(mosaic.geobox.crs), "transform": mosaic.geobox.affine}
    try:
        with rasterio.open(plain, "w", driver="GTiff", **shape, **tiles, **place, SPARSE_OK=True) as raster:
            raster.descriptions = mosaic.channels
            raster.scales, raster.offsets = zip(*map(stored_as, mosaic.channels), strict=True)
            raster.units = ["" if band(each).unit == "reflectance" else band(each).unit for each in mosaic.channels]
            if mosaic.simulated:
                raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")
            for block in computed_blocks(mosaic_path):
                rows, columns = block_slices(mosaic.geobox, block)
                pixels = zarr_arrays.read_box(mosaic.image, (slice(0, len(mosaic.channels)), rows, columns))
                raster.write(pixels, window=Window.from_slices(rows, columns))
        rasterio.shutil.copy(plain, beside, driver="COG", **COG)
        beside.replace(out)
    finally:
        plain.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
