"""What a land-cover map says about itself, for painting scenes over the whole of it without a region entry."""

import re
from pathlib import Path

from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from shapely.geometry import box

from mining_platform import grids
from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import Region

UNKNOWN_COUNTRY = "ZZ"  # user-assigned code of ISO 3166-1 for no country known


def region_of_map(path: Path) -> Region:
    """A region over the whole of a map, named after its file; ValueError for what is no GeoTIFF with a CRS."""
    try:
        with opened_raster_file(path) as raster:
            if raster.crs is None:
                raise ValueError(f"{path.name} has no CRS; assign one (gdal_edit.py -a_srs) before painting scenes over it.")
            bounds = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    except RasterioError as error:
        raise ValueError(f"{path} cannot be read as a GeoTIFF ({error}). Name the land-cover raster.") from None
    outline = box(*bounds)
    return Region(
        id=re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:64] or "map",
        name=path.stem,
        country=UNKNOWN_COUNTRY,
        years=years_of_map(path),
        epsg=grids.utm_epsg(outline.centroid.x, outline.centroid.y),
        coverage="full",
        land_cover=None,
        scenes=None,
        geometry=outline,
    )


def years_of_map(path: Path) -> tuple[int, ...]:
    """Years that the names of a map's bands end in, sorted; none for a map of one year without a name."""
    with opened_raster_file(path) as raster:
        found = (re.search(r"_(\d{4})$", description or "") for description in raster.descriptions)
        return tuple(sorted({int(match.group(1)) for match in found if match}))
