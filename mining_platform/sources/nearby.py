"""How much of what a source has lies near each of many grids."""

from collections.abc import Sequence

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from mining_platform.context import degrees_around


def count_near(
    footprints: Sequence[BaseGeometry], geoboxes: Sequence[GeoBox], margin_m: float, weights: Sequence[int] | None = None
) -> list[int]:
    """For each grid, how many footprints (EPSG:4326) touch it or come within a margin; each counts 1, or its weight."""
    around = shapely.box(*np.array([degrees_around(geobox, margin_m) for geobox in geoboxes]).reshape(-1, 4).T)
    grid, footprint = shapely.STRtree(list(footprints)).query(around, predicate="intersects")
    counts = np.bincount(grid, None if weights is None else np.asarray(weights)[footprint], len(geoboxes))
    return [int(count) for count in counts]
