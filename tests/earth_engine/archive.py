"""The data a stand-in holds: bands, images and collections of small arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, eq=False)
class FakeBand:
    """One band at full resolution; bands of one image may differ in resolution."""

    name: str
    array: NDArray[np.generic]
    """(y, x), its dtype is the band's pixel type."""
    crs: str
    """E.g. `EPSG:32722`."""
    transform: tuple[float, float, float, float, float, float]
    """Affine (a, b, c, d, e, f): x = a * column + b * row + c, y = d * column + e * row + f, from the outer corner."""
    valid: NDArray[np.bool_] | None = None
    """(y, x) mask; None where every pixel is valid."""


@dataclass(frozen=True, eq=False)
class FakeImage:
    """One image asset."""

    index: str
    """`system:index`, e.g. `20230704T134211_20230704T134209_T22NBF`."""
    bands: tuple[FakeBand, ...]
    footprint: BaseGeometry
    """EPSG:4326."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """`system:time_start` in milliseconds, `CLOUDY_PIXEL_PERCENTAGE`, `MGRS_TILE`, ..."""
    update_time: str | None = None
    """When the asset was last changed, `2024-01-31T00:00:00Z`; None leaves it out of the asset's metadata."""


@dataclass(frozen=True, eq=False)
class FakeArchive:
    """What the server knows, by asset id as users write it (`COPERNICUS/...`, `projects/.../assets/...`)."""

    collections: Mapping[str, Sequence[FakeImage]] = field(default_factory=dict)
    images: Mapping[str, FakeImage] = field(default_factory=dict)
    """Single-image assets."""

    def image(self, asset_id: str) -> FakeImage | None:
        """The image of that id, whether it stands alone or in a collection."""
        if asset_id in self.images:
            return self.images[asset_id]
        collection, _, index = asset_id.rpartition("/")
        return next((image for image in self.collections.get(collection, ()) if image.index == index), None)
