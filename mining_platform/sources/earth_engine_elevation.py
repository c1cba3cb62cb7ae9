"""Copernicus DEM GLO-30 of Earth Engine, `COPERNICUS/DEM/GLO30`: band DEM, float32 metres above the geoid EGM2008.

Tiles of one lattice are put together on their own pixels there and then read bilinear, so that they have no seam
(https://developers.google.com/earth-engine/datasets/catalog/COPERNICUS_DEM_GLO30 gives the same advice for slopes).
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.sources.earth_engine_api.costs import cost_of_values
from mining_platform.sources.earth_engine_api.listing import footprint_of, index_of, refuse, told, touching_images
from mining_platform.sources.earth_engine_api.requests import read_pixels, workload_tag
from mining_platform.sources.earth_engine_api.session import ask
from mining_platform.sources.protocol import Cost
from mining_platform.sources.stac_elevation import around_the_grid, none_found
from mining_platform.sources.stac_metadata.layers import declared_layer, layer_region
from mining_platform.terrain import HIGHEST_M, LOWEST_M, ElevationFile

LAYER = "elevation"
ASSETS, BAND = "COPERNICUS/DEM/GLO30", "DEM"
ANY_YEARS = (1972, 2100)
VOID_M = -32_768.0
_HEIGHT = "height"
_TERMS = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")


def list_elevation(region: Region, year: int) -> list[ElevationFile]:
    """See ElevationSource; `place` is the asset and, as JSON, the CRS and affine of its pixels."""
    return [_file(region, year, image) for image in _images(region, year)]


def fingerprint_elevation(region: Region, year: int) -> dict[str, Any]:
    """See ElevationSource: `blake3` is over ids and update times."""
    images = _images(region, year)
    lines = "\n".join(f"{index_of(image)} {image.get('updateTime', '')}" for image in images)
    counts = {"earth_engine": ASSETS, "items": len(images), "blake3": blake3(lines.encode()).hexdigest()}
    return declared_layer(region, LAYER, year).identity | counts


def open_elevation(region: Region, year: int, files: Sequence[ElevationFile], geobox: GeoBox) -> NDArray[np.float32]:
    """See ElevationSource; a pixel is void there too where one of the native pixels around its centre is."""
    found = np.full(geobox.shape, np.nan, np.float32)
    with told(layer_region(region, LAYER, year), year):
        for lattice in _lattices(files):
            height = read_pixels(_expression(lattice), geobox, [_HEIGHT], np.float32, workload_tag(f"elevation-{region.id}"))[0]
            height = np.where((height > LOWEST_M) & (height < HIGHEST_M), height, np.nan)
            found = np.where(np.isnan(found), height, found).astype(np.float32)
    return found


def cost_elevation(_region: Region, files: int, geobox: GeoBox) -> Cost:
    """See ElevationSource; tiles with pixels of two sizes, of which a chunk touches no more, are two expressions."""
    return cost_of_values(geobox, files) * min(files, 2)


def _expression(lattice: Sequence[ElevationFile]) -> Any:
    asset_ids, grid = [file.place.partition(" ")[0] for file in lattice], _grid(lattice[0])

    def made(ee: Any) -> Any:
        tiles = [ee.Image(asset_id).select([BAND], [_HEIGHT]) for asset_id in asset_ids]
        whole = ee.ImageCollection(tiles).mosaic().reproject(grid["crs"], grid["affine"])
        return whole.resample("bilinear").unmask(VOID_M, False).toFloat()

    return ask(made)


def _lattices(files: Sequence[ElevationFile]) -> list[list[ElevationFile]]:
    """Files by the size of their pixels: tiles of a degree have fewer columns from 50 degrees of latitude on."""
    groups: dict[tuple[Any, ...], list[ElevationFile]] = {}
    for file in files:
        grid = _grid(file)
        groups.setdefault((grid["crs"], round(grid["affine"][0], 12), round(grid["affine"][4], 12)), []).append(file)
    return list(groups.values())


def _grid(file: ElevationFile) -> dict[str, Any]:
    grid: dict[str, Any] = json.loads(file.place.partition(" ")[2])
    return grid


def _file(region: Region, year: int, image: dict[str, Any]) -> ElevationFile:
    try:
        band = next(band for band in image["bands"] if band["id"] == BAND)
        affine = [float(band["grid"]["affineTransform"].get(name, 0)) for name in _TERMS]
        grid = json.dumps({"crs": band["grid"]["crsCode"], "affine": affine})
    except (KeyError, StopIteration, TypeError, ValueError):
        problem = f"tile {index_of(image)} has no band {BAND} on a grid that is told"
        raise refuse(layer_region(region, LAYER, year), year, problem, "Report it to the service.") from None
    return ElevationFile(index_of(image), f"{image['id']} {grid}", footprint_of(image))


def _images(region: Region, year: int) -> list[dict[str, Any]]:
    asked = around_the_grid(layer_region(region, LAYER, year))
    with told(asked, year):
        found = touching_images(asked, ASSETS, ANY_YEARS)
    if not found:
        raise none_found(asked, year)
    return sorted(found, key=index_of)
