"""Four tiles of a surface model that meet in the middle of the region, as every kind of source holds them."""

from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.mining_platform.layer_catalogues import SIDE_PX, LayerPixels, outline_of, write_layer_catalogue, write_raster
from tests.synthetic import region

SECOND = 1 / 3600
COLLECTION = "cop-dem-glo-30"


def middle() -> tuple[float, float]:
    """The whole second nearest to the middle of the region: four tiles meet there."""
    centre = region(SIDE_PX, SIDE_PX).geometry.centroid
    return round(centre.x * 3600) / 3600, round(centre.y * 3600) / 3600


def tiles() -> dict[str, tuple[Affine, NDArray[np.float32]]]:
    """Four tiles of hilly ground of 24 x 24 seconds by official names, one of them with a void."""
    (west, north), side = middle(), 24
    hills = np.random.default_rng(5).uniform(10, 90, (2 * side, 2 * side)).astype(np.float32)
    hills[30, 31] = -32768.0
    found = {}
    for row in (0, 1):
        for column in (0, 1):
            corner = west + (column - 1) * side * SECOND, north - (row - 1) * side * SECOND
            affine = Affine(SECOND, 0, corner[0], 0, -SECOND, corner[1])
            part = hills[row * side : (row + 1) * side, column * side : (column + 1) * side]
            found[f"Copernicus_DSM_COG_10_S0{7 + row}_00_W05{5 - column}_00_DEM"] = affine, part
    return found


def write_catalogue(root: Path) -> Path:
    items = []
    for name, (affine, part) in tiles().items():
        write_raster(root / COLLECTION / name / f"{name}.tif", part, affine, crs="EPSG:4326", nodata=-32768.0)
        outline = outline_of(affine, part.shape, 4326)
        properties = {"datetime": "2021-04-22T00:00:00Z", "proj:epsg": 4326}
        items.append({"id": name, "outline": outline, "properties": properties, "assets": {"data": f"{name}.tif"}})
    return write_layer_catalogue(root, COLLECTION, items)


def write_folder(root: Path) -> Path:
    for name, (affine, part) in tiles().items():
        write_raster(root / name[-10:] / f"{name}.tif", part, affine, crs="EPSG:4326")
    return root


def fake_archive() -> FakeArchive:
    images = []
    for name, (affine, part) in tiles().items():
        band = FakeBand("DEM", part, "EPSG:4326", tuple(affine)[:6], part > -1000)
        other = FakeBand("EDM", np.zeros(part.shape, np.uint8), "EPSG:4326", tuple(affine)[:6])
        properties = {"system:time_start": 1_291_161_600_000.0, "system:time_end": 1_422_662_400_000.0}
        images.append(FakeImage(name, (other, band), outline_of(affine, part.shape, 4326), properties))
    return FakeArchive({"COPERNICUS/DEM/GLO30": images})


ELEVATION = LayerPixels("elevation", COLLECTION, COLLECTION, write_catalogue, write_folder, fake_archive)
