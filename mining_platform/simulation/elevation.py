"""A made-up surface model as Copernicus GLO-30 has it: degrees, an arc second, metres over the geoid, with a STAC item.

Unlike the real one, whose files are whole squares of a degree, a file holds the ground around one region only. Layout: Copernicus
DEM Product Handbook, version 4; item: https://planetarycomputer.microsoft.com/dataset/cop-dem-glo-30.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage
from shapely.geometry import box

from mining_platform.bands import BANDS
from mining_platform.grids import PIXEL_M
from mining_platform.simulation import noise
from mining_platform.simulation.heights import surface_heights
from mining_platform.simulation.landscape import MARGIN_DEG
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.places import Place, made_up
from mining_platform.simulation.rasters import marked, write_plain_cog
from mining_platform.simulation.stac_documents import COG, item_document
from mining_platform.simulation.static_catalogs import FILE, PROJECTION, RASTER, file_fields, write_catalog, write_item

FOLDER, COLLECTION, ASSET = "elevation", "cop-dem-glo-30", "data"
CELLS_PER_DEG = 3600
"""Cells lie around whole arc seconds, up to 50 degrees of latitude, Product Handbook."""
NODATA = -32767.0
NOISE_M = 0.5
"""Deviation of the survey's error from cell to cell; GLO-30 promises below 4 m at 90 %."""
_TAGS = {"AREA_OR_POINT": "Point", "vertical_datum": "EGM2008 (EPSG:3855)"}


def write_elevation(out: Path, place: Place) -> Sequence[dict[str, Any]]:
    """Write the surface model of a made-up place, and return its item."""
    textures = next(iter(place.years.values())).ground.textures
    grid = arc_second_grid(place.region.geometry.bounds)
    values = sampled(surface_heights(made_up(place), textures), place.canvas, grid)
    rng = noise.generator(place.seed, place.region.id, "survey")
    values += NOISE_M * rng.standard_normal(values.shape, dtype=np.float32)
    folder = out / FOLDER / COLLECTION / item_id(place)
    folder.mkdir(parents=True)
    path = folder / f"{folder.name}.tif"
    tags = {**marked(f"surface heights of {place.region.id} in metres; no real ground"), **_TAGS}
    write_plain_cog(path, values, grid, nodata=NODATA, tags=tags, unit=BANDS["DEM"].unit)
    return [_item(folder, path, grid)]


def finish_elevation(out: Path, items: Sequence[dict[str, Any]]) -> None:
    """Write the catalogue of the items."""
    title = "surface heights in the layout of Copernicus GLO-30"
    write_catalog(out / FOLDER, COLLECTION, items, title=title, licence="Apache-2.0")


def arc_second_grid(bounds_deg: tuple[float, float, float, float]) -> GeoBox:
    """Cells of an arc second, around whole arc seconds, over west, south, east, north and most of the canvas's margin."""
    margin, step = 0.8 * MARGIN_DEG, 1 / CELLS_PER_DEG
    west, south, east, north = bounds_deg
    left, right = math.floor((west - margin) / step), math.ceil((east + margin) / step)
    bottom, top = math.floor((south - margin) / step), math.ceil((north + margin) / step)
    corner = Affine.translation((left - 0.5) * step, (top + 0.5) * step)
    return GeoBox((top - bottom + 1, right - left + 1), corner * Affine.scale(step, -step), CRS("EPSG:4326"))


def sampled(heights: Floats, canvas: GeoBox, grid: GeoBox) -> NDArray[np.float32]:
    """Mean of 30 m around the centre of each cell, (y, x) float32."""
    smooth = ndimage.uniform_filter(heights, 3)
    to_canvas = Transformer.from_crs(4326, str(canvas.crs), always_xy=True)
    lat, lon = (axis.values for axis in grid.coordinates.values())
    x, y = to_canvas.transform(*np.meshgrid(lon, lat))
    row, column = (canvas.affine.f - y) / PIXEL_M - 0.5, (x - canvas.affine.c) / PIXEL_M - 0.5
    return np.asarray(ndimage.map_coordinates(smooth, [row, column], order=1, mode="nearest"), dtype=np.float32)


def item_id(place: Place) -> str:
    """Name of the square of a degree with the region's south-western corner, and the region."""
    west, south, _, _ = (math.floor(value) for value in place.region.geometry.bounds)
    square = f"{'S' if south < 0 else 'N'}{abs(south):02d}_00_{'W' if west < 0 else 'E'}{abs(west):03d}_00"
    return f"SIM_Copernicus_DSM_COG_10_{square}_{place.region.id}_DEM"


def _item(folder: Path, path: Path, grid: GeoBox) -> dict[str, Any]:
    bounds = grid.boundingbox
    band = {"data_type": "float32", "nodata": NODATA, "unit": BANDS["DEM"].unit, "spatial_resolution": 30}
    asset = {"type": COG, "title": "Surface heights, SIMULATED", "roles": ["data"], "raster:bands": [band], **file_fields(path)}
    properties = {
        "gsd": 30,
        "datetime": "2021-04-22T00:00:00Z",
        "platform": "TanDEM-X",
        "proj:epsg": 4326,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
    }
    outline = box(bounds.left, bounds.bottom, bounds.right, bounds.top)
    extensions = (PROJECTION, RASTER, FILE)
    return write_item(folder, item_document(folder.name, COLLECTION, outline, properties, {ASSET: asset}, extensions=extensions))
