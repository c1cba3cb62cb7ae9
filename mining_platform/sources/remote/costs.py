"""What composites of rasters behind a web service take at most: requests and bytes of reads by range.

The rule, for each grid, scene and band: each strip that the composite is made in reads whole blocks, those it touches and
one more each way, and one request a row of blocks; the file's head is one request more. Bytes are counted as if blocks were
not compressed. What the region's recipe masks clouds by is counted as bands are, with the margin that masking needs; so is
the red band once more, which tells where there is data.
"""

import math
from collections.abc import Sequence

from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.clouds.rules import cloud_rule
from mining_platform.compositing.composites import strip_rows
from mining_platform.compositing.recipes import MosaicRecipe, mosaic_recipe
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.protocol import Cost
from mining_platform.sources.remote.files import HEAD_BYTES

BLOCK_PX = 1_024
"""Largest blocks of the public COGs: 1,024 at Earth Search, 512 at the Planetary Computer, 256 of Landsat."""
SMALLEST_BLOCK_PX = 256
TURNED = 1.1
"""How much longer a grid's side is on the axes of a raster of a neighbouring UTM zone, which is turned by up to 6 degrees."""
_AROUND_PX = 4  # native pixels that bilinear means look beyond a grid
_BYTES_A_PIXEL = 2
_BYTES_A_VALUE = 4
_READS = {"median": 1, "percentile": 1, "medoid": 2}  # once to find the days, once to take them


def cost_of_ranges(region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
    """An upper bound for composites of so many scenes on these grids by the region's recipe, all scenes clear everywhere."""
    recipe = mosaic_recipe(required_scenes(region).recipe)
    rule = cloud_rule(recipe.clouds)
    spent = Cost()
    for box in geoboxes:
        for band_id in channels:
            spent += _cost_of_band(box, band_id, recipe, scene_count, 0) * (_READS[recipe.reducer] * scene_count)
        for band_id in (*rule.layers, bands.band_of_role("red", tuple(channels))):
            spent += _cost_of_band(box, band_id, recipe, scene_count, rule.margin_px * rule.gsd_m) * scene_count
    return spent


def _cost_of_band(box: GeoBox, band_id: str, recipe: MosaicRecipe, days: int, margin_m: int) -> Cost:
    """One scene's band over all strips of a grid."""
    gsd_m = (bands.LAYERS.get(band_id) or bands.band(band_id)).gsd_m
    height, width = box.shape
    rows = strip_rows(box, days, recipe)
    pixel_m = abs(box.affine.a)
    across, down = (math.ceil((side * pixel_m + 2 * margin_m) / gsd_m / BLOCK_PX) + 1 for side in (width, rows))
    strips = math.ceil(height / rows)
    blocks_bytes = across * down * BLOCK_PX**2 * _BYTES_A_PIXEL
    return Cost(requests=strips * down + 1, bytes=strips * blocks_bytes + HEAD_BYTES)


def cost_of_values(geobox: GeoBox, gsd_m: float) -> Cost:
    """An upper bound for reading float32 of one raster on a grid no larger than some chunks.

    Compressed blocks that such a grid touches are fetched a row of them at once, or, where they are of BLOCK_PX, one by one: GDAL
    does not hold more than 10 MB of them. The file's head and the rest of its index are two requests more.
    """
    height, width = (math.ceil(side * abs(geobox.affine.a) * TURNED / gsd_m) + _AROUND_PX for side in geobox.shape)
    across, down = (math.ceil(side / BLOCK_PX) + 1 for side in (width, height))
    rows = math.ceil(height / SMALLEST_BLOCK_PX) + 1
    return Cost(max(rows, across * down) + 2, across * down * BLOCK_PX**2 * _BYTES_A_VALUE + 2 * HEAD_BYTES)
