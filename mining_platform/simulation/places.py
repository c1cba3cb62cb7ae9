"""What the parts of an archive are made of: one region's ground in all years asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.landscape import Landscape
from mining_platform.simulation.painting import Ground


@dataclass(frozen=True)
class YearGround:
    """A region in one year, on the canvas."""

    classes: NDArray[np.uint8]
    """(y, x) MapBiomas codes."""
    ground: Ground


@dataclass(frozen=True)
class Place:
    """A region in all years asked for."""

    region: Region
    canvas: GeoBox
    """10 m pixels around the region."""
    seed: int
    land: Landscape | None
    """None where a given map is painted over."""
    years: Mapping[int, YearGround]
    scenes: Mapping[int, tuple[SceneSpec, ...]]
    """The Sentinel-2 L2A scenes of each of these years, in order of time."""


def made_up(place: Place) -> Landscape:
    """The place's made-up landscape; ValueError where a given map is painted over, which tells no rivers and no roads."""
    if place.land is None:
        raise ValueError(f"Region {place.region.id} is painted over a given map, which tells no rivers, roads or heights.")
    return place.land
