"""Labels as GeoTIFFs on their image's grid, with a colour table, so that a GIS shows them as they are meant."""

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from mining_platform.labels.palette_pngs import DEFLATE_LEVEL, SITE_PALETTE
from mining_platform.labels.recipes import NO_LABEL, LabelRecipe

OPAQUE, CLEAR = 255, 0


def label_tiff(label: NDArray[np.uint8], grid: GeoBox, recipe: LabelRecipe) -> bytes:
    """A GeoTIFF of a label (y, x) on its grid, nodata 255, coloured as the pictures are; recipe and version are tags.

    Equal labels give equal bytes.
    """
    height, width = label.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": "uint8", "nodata": NO_LABEL}
    frame = {"crs": str(grid.crs), "transform": grid.affine, "compress": "deflate", "zlevel": DEFLATE_LEVEL}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **shape, **frame) as raster:
            raster.write(label, 1)
            raster.set_band_description(1, recipe.id)
            raster.write_colormap(
                1, {value: (*colour, CLEAR if value == NO_LABEL else OPAQUE) for value, colour in SITE_PALETTE.items()}
            )
            raster.update_tags(RECIPE=recipe.id, RECIPE_VERSION=recipe.version, RECIPE_DESCRIPTION=recipe.description)
        return bytes(memory.getbuffer())
