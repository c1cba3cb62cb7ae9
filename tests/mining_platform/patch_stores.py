"""Tiny patch stores with known pixels: cut from a mosaic and a label of 96 x 96 pixels, or written as given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mining_platform import patch_conventions, zarr_arrays
from mining_platform.compositing.recipes import RECIPES
from mining_platform.grids import window_id
from mining_platform.labels.mapbiomas import label_on_grid
from mining_platform.mosaics import compose
from mining_platform.patch_arrays import create_arrays, write_patches
from mining_platform.patches import STORE_NAME, write_store
from mining_platform.sources.stac import list_scenes
from tests.synthetic import CLOUD, EPSG, LEFT_M, TOP_M, TinyScene, region, write_catalogue, write_land_cover

PX, SIDE_PX = 16, 96
CHANNELS = ("B04", "B03", "B02", "B11")
RED = np.arange(1, SIDE_PX * SIDE_PX + 1).reshape(SIDE_PX, SIDE_PX)


def windows(*places: tuple[int, int]) -> pd.DataFrame:
    """Windows of PX pixels at (row, column) of the grid of windows."""
    rows = []
    for i, j in places:
        minx, maxy = LEFT_M + j * PX * 10, TOP_M - i * PX * 10
        rows.append((window_id(EPSG, minx, maxy, PX), minx, maxy - PX * 10, minx + PX * 10, maxy))
    return pd.DataFrame(rows, columns=["window_id", "minx", "miny", "maxx", "maxy"])


def write_inputs(folder: Path) -> Path:
    """Mosaic and label of 96 x 96 pixels; the lower right quarter of the region is cloudy."""
    scl = np.full((48, 48), 4)
    scl[24:, 24:] = CLOUD
    scene = TinyScene("S2_A", values={"B04": RED, "B11": 777}, scl=scl, width_px=SIDE_PX, height_px=SIDE_PX)
    place = region(SIDE_PX, SIDE_PX, catalogue=write_catalogue(folder / "stac", [scene]))
    compose(place, list_scenes(place, 2024), CHANNELS, folder, recipe=RECIPES["scl-median"], blocks=None)
    classes = np.full((32, 32), 3, np.uint8)
    classes[:16, :16] = 30
    classes[:, 31] = 27
    label_on_grid(write_land_cover(folder / "map.tif", classes, nodata=27), place.geobox, folder, blocks=None)
    return folder


def store(inputs: Path, out: Path, table: pd.DataFrame, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    fixed = {"channels": CHANNELS, "recipe": "mapbiomas-mining", "px": PX, "max_masked_share": 0.1, "shard": 4}
    return write_store(table, 2024, inputs / "mosaic.zarr", inputs / "label.zarr", out, **{**fixed, **options})


CLEAR_PLACES = [(0, 0), (0, 5), (2, 1), (1, 3), (3, 0), (2, 0)]


def write_pixels(
    folder: Path, images: np.ndarray, channels: Sequence[str], patch_ids: Sequence[str], labels: np.ndarray | None = None
) -> Path:
    """A store of these images (n, band, y, x) uint16 and labels (n, y, x), 0 where none are given; files of four patches."""
    px = images.shape[-1]
    unit, scale, offset = patch_conventions.quantity_of(channels)
    told = {"channels": list(channels), "px": px, "scale": scale, "offset": offset, "nodata": 0, "unit": unit}
    attributes = {**told, "label_values": patch_conventions.LABEL_VALUES, "patch_ids": list(patch_ids)}
    zarr_arrays.create_group(folder / STORE_NAME, attributes)
    if len(images):
        image, label = create_arrays(folder / STORE_NAME, len(images), channels, px, shard=4)
        write_patches(image, images)
        write_patches(label, np.zeros((len(images), px, px), np.uint8) if labels is None else labels)
    return folder
