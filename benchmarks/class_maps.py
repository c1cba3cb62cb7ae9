"""Synthetic land-cover maps as large and as compressible as the public ones, for measuring; SIMULATED, no real ground.

Blocks of 256 x 256 pixels are taken from a small library of made-up landscapes; mining lies in clusters along made-up
rivers, so that most blocks hold none.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from mining_platform.labels.mapbiomas import SIMULATED_MARK

STEP_DEGREES = 0.00026949458523585647  # pixel size of the public files
BLOCK = 256
LIBRARY = 48  # landscapes to choose blocks from
FOREST, SAVANNA, WETLAND, GRASSLAND, PASTURE, MINING, WATER, NOTHING = 3, 4, 11, 12, 15, 30, 33, 0


@dataclass(frozen=True)
class MapSize:
    """Extent of a synthetic map."""

    west: float
    """Degrees."""
    north: float
    rows: int
    columns: int
    mining_share: float
    """Share of blocks with mining."""
    with_outside: bool
    """Whether ground beyond a made-up border has no class, as in the bounding box of a country."""


QUICK = MapSize(-56.0, -5.0, 6_144, 6_144, 0.09, with_outside=False)
TWENTY_THOUSAND = MapSize(-56.0, -5.0, 20_000, 20_000, 0.09, with_outside=False)
LEGAL_AMAZON = MapSize(-74.0, 5.3, math.ceil(23.35 / STEP_DEGREES), math.ceil(30 / STEP_DEGREES), 0.012, with_outside=True)
"""The bounding box of the Legal Amazon, 9.6 billion pixels, of which 5.6 billion have a class."""


def write_map(path: Path, size: MapSize, seed: int = 7) -> Path:
    """Write the map as uint8 GeoTIFF, 256 x 256 blocks, LZW, nodata 0; equal bytes for equal seeds."""
    rng = np.random.default_rng(seed)
    library = [_landscape(rng) for _ in range(LIBRARY)]
    mines = [_mined(library[k % LIBRARY], rng) for k in range(LIBRARY)]
    across, down = -(-size.columns // BLOCK), -(-size.rows // BLOCK)
    kind = rng.integers(0, LIBRARY, (down, across))
    flip = rng.integers(0, 4, (down, across))
    mined = _clusters(rng, (down, across), size.mining_share)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": "EPSG:4326", "nodata": NOTHING, "compress": "LZW"}
    tiles = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "BIGTIFF": "IF_SAFER", "NUM_THREADS": "ALL_CPUS"}
    affine = Affine(STEP_DEGREES, 0, size.west, 0, -STEP_DEGREES, size.north)
    shape = {"height": size.rows, "width": size.columns, "transform": affine}
    border = _border(size) if size.with_outside else None
    with rasterio.open(path, "w", **profile, **tiles, **shape) as raster:
        raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}. Land cover made for measuring")
        for i in range(down):
            strip = np.empty((BLOCK, across * BLOCK), np.uint8)
            for j in range(across):
                block = (mines if mined[i, j] else library)[kind[i, j]]
                block = block[:: 1 - 2 * (flip[i, j] & 1), :: 1 - (flip[i, j] & 2)]
                strip[:, j * BLOCK : (j + 1) * BLOCK] = block
            height = min(BLOCK, size.rows - i * BLOCK)
            if border is not None:
                _cut(strip, border, i * BLOCK)
            raster.write(strip[:height, : size.columns], 1, window=Window(0, i * BLOCK, size.columns, height))
    return path


def _smooth(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    from scipy.ndimage import zoom

    noise = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return zoom(noise, BLOCK / cells, order=3)[:BLOCK, :BLOCK]


def _landscape(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A block of forest with what lies in it; mapped edges are ragged, and single pixels differ."""
    rough = _smooth(rng, 6) + 0.25 * _smooth(rng, 40)
    other = _smooth(rng, 5)
    block = np.full((BLOCK, BLOCK), FOREST, np.uint8)
    level = rng.uniform(0.2, 2.2)
    block[rough > level] = rng.choice([PASTURE, PASTURE, SAVANNA, GRASSLAND])
    block[other > rng.uniform(1.2, 2.6)] = rng.choice([WETLAND, WATER])
    block[rng.random((BLOCK, BLOCK)) < 0.0006] = PASTURE
    return block


def _mined(block: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The block with pits along a stream."""
    ridge = np.abs(_smooth(rng, 4)) + 0.15 * np.abs(_smooth(rng, 40))
    mined = block.copy()
    mined[ridge < rng.uniform(0.02, 0.35)] = MINING
    return mined


def _clusters(rng: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """Blocks with mining, in clusters."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(shape), 2.0, mode="wrap")
    return field > np.quantile(field, 1 - share)


def _border(size: MapSize) -> NDArray[np.int64]:
    """First and last pixel column with a class, for each pixel row: (rows, 2); about 58 % of the map lies within."""
    t = np.arange(size.rows) / size.rows
    left = 0.30 + 0.22 * np.sin(2.6 * np.pi * t) * t + 0.02 * np.sin(43 * t)
    right = 0.86 + 0.10 * np.sin(3.1 * t + 0.4) + 0.015 * np.sin(67 * t)
    bounds = np.clip(np.stack([left, right], axis=1), 0, 1) * size.columns
    bounds[t < 0.02] = 0
    return bounds.astype(np.int64)


def _cut(strip: NDArray[np.uint8], border: NDArray[np.int64], first_row: int) -> None:
    for r in range(min(len(strip), len(border) - first_row)):
        left, right = border[first_row + r]
        strip[r, :left] = NOTHING
        strip[r, right:] = NOTHING
