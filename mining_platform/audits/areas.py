"""Hectares of mining in a version's land-cover map, on the ellipsoid."""

import numpy as np

from mining_platform.audits.nodes import Node
from mining_platform.datasets import mining_codes
from mining_platform.sources.protocol import LAND_COVER_FILE

M2_PER_HA = 10_000


def mining_ha(node: Node | None, region_id: str) -> float | None:
    """Area of the pixels whose class is mining in this region, hectares, rounded to 0.01; None where there is no whole map."""
    if node is None or node.breaks or not (node.directory / LAND_COVER_FILE).is_file():
        return None
    import rasterio
    from pyproj import CRS

    from mining_platform.pixel_areas import pixel_areas_m2

    total_m2 = 0.0
    with rasterio.open(node.directory / LAND_COVER_FILE, driver="GTiff") as raster:
        for _, window in raster.block_windows(1):
            is_mining = np.isin(raster.read(1, window=window), mining_codes(region_id))
            if is_mining.any():
                columns = np.arange(window.col_off, window.col_off + window.width)
                rows = np.arange(window.row_off, window.row_off + window.height)
                areas_m2 = np.broadcast_to(
                    pixel_areas_m2(raster.transform, CRS.from_wkt(raster.crs.to_wkt()), columns, rows), is_mining.shape
                )
                total_m2 += float(areas_m2[is_mining].sum())
    return round(total_m2 / M2_PER_HA, 2)
