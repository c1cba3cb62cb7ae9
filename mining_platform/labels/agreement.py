"""Where several sources agree on mining: how many say so at each pixel, and on how much ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS

from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.pixel_areas import inverse_areal_scale, lattice, pixel_areas_m2

NONE_SAYS_MINING, SOURCES_DIFFER, ALL_SAY_MINING = 0, 1, 2
MOST_SOURCES = 7
"""A bit each in a pixel's pattern, of which one value, 255, is no class."""
STRIP_PX = 256
M2_PER_HA = 10_000


@dataclass(frozen=True)
class SourceMask:
    """What one source says on a grid."""

    name: str
    is_mining: NDArray[np.bool_]
    """(y, x)"""
    has_class: NDArray[np.bool_]
    """(y, x) where the source says anything."""


@dataclass(frozen=True)
class Agreement:
    """What several sources say together."""

    counts: NDArray[np.uint8]
    """(y, x) how many sources say mining; 255 where one of them has no class."""
    map: NDArray[np.uint8]
    """(y, x) 0 none, 1 some but not all, 2 all; 255 where one of them has no class."""
    table: list[dict[str, Any]]
    """Rows of `what`, `pixels` and `hectares`: each source by itself, then how they meet where all have a class."""


def agreement(sources: Sequence[SourceMask], grid: GeoBox) -> Agreement:
    """Compare 2 to MOST_SOURCES sources of one grid; areas are ellipsoidal. LabelError for others, and for equal names."""
    names = [source.name for source in sources]
    if not 1 < len(names) <= MOST_SOURCES or len(set(names)) < len(names):
        raise LabelError(f"Sources {', '.join(names) or 'none'}: name 2 to {MOST_SOURCES}, each once.")
    known = np.logical_and.reduce([source.has_class for source in sources])
    patterns = sum((source.is_mining.astype(np.uint8) << bit for bit, source in enumerate(sources)), np.uint8(0))
    counts = np.where(known, np.bitwise_count(patterns), NO_LABEL).astype(np.uint8)
    merged = np.where(counts == len(names), ALL_SAY_MINING, np.minimum(counts, SOURCES_DIFFER))
    merged = np.where(known, merged, NO_LABEL).astype(np.uint8)
    return Agreement(counts, merged, _table(sources, np.where(known, patterns, NO_LABEL), grid))


def _table(sources: Sequence[SourceMask], patterns: NDArray[np.uint8], grid: GeoBox) -> list[dict[str, Any]]:
    names, everyone = [source.name for source in sources], 2 ** len(sources) - 1
    own, met = np.zeros((2, len(sources))), np.zeros((2, 256))
    for top in range(0, grid.shape[0], STRIP_PX):
        rows = slice(top, min(top + STRIP_PX, grid.shape[0]))
        areas = areas_m2(grid, rows)
        for each, source in enumerate(sources):
            mine = source.is_mining[rows] & source.has_class[rows]
            own[:, each] += mine.sum(), areas[mine].sum()
        numbers = patterns[rows].ravel()
        met += np.bincount(numbers, minlength=256), np.bincount(numbers, areas.ravel(), 256)
    alone = [(name, own[:, each]) for each, name in enumerate(names)]
    together = [(_pattern_name(names, pattern), met[:, pattern]) for pattern in (everyone, *range(1, everyone), 0)]
    rest = [("no class in a source", met[:, NO_LABEL])]
    return [
        {"what": what, "pixels": int(pixels), "hectares": round(float(area) / M2_PER_HA, 2)}
        for what, (pixels, area) in (*alone, *together, *rest)
    ]


def _pattern_name(names: Sequence[str], pattern: int) -> str:
    saying = [name for bit, name in enumerate(names) if pattern >> bit & 1]
    if len(saying) in (0, len(names)):
        return "all sources" if saying else "no source"
    return f"only {' and '.join(saying)}"


def areas_m2(grid: GeoBox, rows: slice) -> NDArray[np.float64]:
    """Ellipsoidal area of the pixels of some rows of a grid: (rows, x) square metres.

    LabelError for a turned grid in degrees, and for a CRS that is neither geographic nor projected.
    """
    affine, crs = grid.affine, CRS.from_user_input(str(grid.crs))
    if not (crs.is_geographic or crs.is_projected) or (crs.is_geographic and (affine.b or affine.d)):
        raise LabelError(f"Areas cannot be told of this image ({crs.name}, {affine!r}). Warp it with gdalwarp to a UTM zone.")
    columns, numbers = np.arange(grid.shape[1]), np.arange(rows.start, rows.stop)
    if not (affine.b or affine.d):
        return pixel_areas_m2(affine, crs, columns, numbers)
    inverse_scale = inverse_areal_scale(crs)
    units = math.prod(axis.unit_conversion_factor for axis in crs.axis_info[:2])

    def area(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        east, north = affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f
        return inverse_scale(east, north) * abs(affine.determinant) * units, y

    return lattice(area, columns + 0.5, numbers + 0.5)[0]
