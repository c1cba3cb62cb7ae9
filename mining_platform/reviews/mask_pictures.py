"""Pictures of yearly masks, for people to judge an outline by where there are no images of its ground."""

from pathlib import Path

import numpy as np
from PIL import ImageColor
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT

from mining_platform.annual_reports.new_sites import PICTURE_PX, Bounds, jpeg
from mining_platform.change_figures import EARLIER, GROUND, UNSEEN
from mining_platform.first_years import FOUND, NOT_OBSERVED
from mining_platform.raster_files import opened_raster_file


def mask_picture(mask: Path, epsg: int, bounds: Bounds) -> bytes:
    """JPEG of a mask within bounds in metres of `epsg`: cells that were found, ground, and what was not observed."""
    ground, unseen, found = (np.array(ImageColor.getrgb(colour), np.uint8) for colour in (GROUND, UNSEEN, EARLIER))
    terms = {"crs": f"EPSG:{epsg}", "transform": from_bounds(*bounds, PICTURE_PX, PICTURE_PX), "nodata": NOT_OBSERVED}
    with opened_raster_file(mask) as source, WarpedVRT(source, width=PICTURE_PX, height=PICTURE_PX, **terms) as placed:
        cells = placed.read(1)[..., None]
    return jpeg(np.where(cells == FOUND, found, np.where(cells == NOT_OBSERVED, unseen, ground)).astype(np.uint8))
