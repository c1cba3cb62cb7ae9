"""What every source promises.

A module with these functions is a source; `router` is one that asks the region's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.radar import RadarScene
from mining_platform.regions import Region
from mining_platform.scenes import Scene
from mining_platform.terrain import ElevationFile

LAND_COVER_FILE = "land_cover.tif"
"""Name of the raster that `read_land_cover` writes."""


class SourceError(ValueError):
    """A source cannot give what was asked; the message names region, year, source and remedy, and never a secret."""


class NotAskedError(SourceError):
    """Only a service could tell, and it was not to be asked."""


def refusal(region: Region, year: int | None, source: str, problem: str, remedy: str) -> SourceError:
    """The error of a source, worded alike everywhere."""
    when = f", year {year}" if year is not None else ""
    return SourceError(f"Region {region.id}{when}, source {source}: {problem}. {remedy}")


class LandCoverSource(Protocol):
    """Yearly maps of land-cover classes."""

    def read_land_cover(self, region: Region, year: int, out: Path) -> dict[str, Any]:
        """Write the year's class codes around the region's outline as `out/land_cover.tif`.

        Whole pixels of the source's own grid, uint8 COG. Returns facts of the content; SourceError where there is
        no such map.
        """
        ...

    def fingerprint_land_cover(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies the source's content now, cheap to ask; SourceError where there is no such map."""
        ...

    def cost_land_cover(self, region: Region, year: int) -> "Cost":
        """What reading the map takes."""
        ...


@dataclass(frozen=True)
class Cost:
    """What a composite takes from a service that counts; all 0 for files at hand."""

    requests: int = 0
    bytes: int = 0
    """Bytes that come over the network, uncompressed: an upper bound where they are compressed."""
    eecu_s: float = 0.0
    """Earth Engine compute units, seconds: an estimate."""

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of both."""
        return Cost(self.requests + other.requests, self.bytes + other.bytes, self.eecu_s + other.eecu_s)

    def __mul__(self, times: int) -> "Cost":
        """The cost of the same so many times."""
        return Cost(self.requests * times, self.bytes * times, self.eecu_s * times)


class SceneSource(Protocol):
    """Satellite scenes and their yearly composites.

    Every function may be called from several threads at once. Nothing is read before it is asked for: listing touches
    metadata only, and a composite reads just the pixels around its grid.
    """

    def list_scenes(self, region: Region, year: int) -> gpd.GeoDataFrame:
        """Scenes of a calendar year (UTC) that touch the outline (`scenes_table`); SourceError where there are none."""
        ...

    def fingerprint_scenes(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies those scenes now, cheap to ask, and their number as `items`; SourceError where there are none."""
        ...

    def check_scenes(self, region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
        """SourceError naming scene and band where a raster at hand is absent or not the one that was listed.

        `ids` are bands and layers. Rasters of a service are checked when they are read.
        """
        ...

    def composite(
        self, region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
    ) -> Composite:
        """One composite of the scenes on a grid, by a recipe; see `compositing.composites.Composite` for units and nodata.

        SourceError naming scene and band where something cannot be read: never zeros in its place.
        """
        ...

    def parallel_composites(self, region: Region) -> int:
        """How many composites may be asked for at once."""
        ...

    def cost(self, region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
        """What composites of so many scenes on these grids take."""
        ...

    def pixels(self, region: Region) -> "PixelSource":
        """What reads the region's scenes one by one; SourceError where the source gives nothing but composites."""
        ...


@dataclass(frozen=True)
class LayerReading:
    """A layer beside the scenes, ready to be read part by part."""

    compute: Callable[[GeoBox], NDArray[np.floating]]
    """Values (band, y, x) of the channels that were asked for on a part of the region's grid, NaN where there are none."""
    facts: Mapping[str, Any]
    """What it is made of, JSON-able: scenes, files, dates."""
    simulated: bool
    threads: int = 1
    """How many parts may be read at once."""


class BesideSource(Protocol):
    """What lies beside a region's scenes: radar, height, OpenStreetMap context."""

    def fingerprint(self, layer: str, region: Region, year: int) -> dict[str, Any]:
        """What identifies the source's content now, cheap to ask; SourceError where there is none."""
        ...

    def open_layer(self, layer: str, region: Region, year: int, channels: Sequence[str]) -> LayerReading:
        """The layer's channels over the region in a year; SourceError where there is nothing, or what there is cannot be read."""
        ...

    def costs(self, layer: str, region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
        """What computing the layer's channels takes at most on each of some grids; SourceError as `open_layer`."""
        ...


class PixelSource(Protocol):
    """A source whose scenes can be read band by band; `compositing.composites.compose_locally` makes its composites."""

    def open_scene_band(self, region: Region, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
        """One band or mask layer on a grid: (y, x) digital numbers as stored, 0 where the scene has none.

        A pixel has a value exactly where the native pixel under its centre has one: that one itself if `nearest`,
        else bilinear between native pixel centres. Bands are uint16, layers uint8 or uint16. SourceError naming scene and
        band where the raster cannot be read.
        """
        ...

    def scene_grid(self, region: Region, scene: Scene, band_id: str) -> GeoBox:
        """The whole grid of a band's or layer's raster, in the scene's own CRS; SourceError as `open_scene_band`."""
        ...


class RadarSource(Protocol):
    """Scenes of Sentinel-1 as power on the ground; `radar` makes channels of them."""

    def list_radar(self, region: Region, year: int) -> gpd.GeoDataFrame:
        """Scenes of a calendar year (UTC) that touch the outline (`radar.radar_table`); SourceError where there are none."""
        ...

    def fingerprint_radar(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies those scenes now, cheap to ask, and their number as `items`; SourceError where there are none."""
        ...

    def open_radar(self, region: Region, scene: RadarScene, polarisation: str, geobox: GeoBox) -> NDArray[np.float32]:
        """Linear power of a polarisation that the scene has: (y, x) float32, NaN where there is none.

        Gamma or sigma nought, by the scene's `measure`. A pixel has a value where the native pixel under its centre has one above
        0, bilinear between native pixel centres.
        SourceError naming scene and polarisation where it cannot be read, or lies in the radar's own geometry.
        """
        ...

    def cost_radar(self, region: Region, geobox: GeoBox) -> Cost:
        """What `open_radar` takes at most, whatever the scene."""
        ...


class ElevationSource(Protocol):
    """Surface models in metres; `terrain` makes channels of them."""

    def list_elevation(self, region: Region, year: int) -> list[ElevationFile]:
        """Files that touch the region's grid, by id; `year` only fills the place. SourceError where there are none."""
        ...

    def fingerprint_elevation(self, region: Region, year: int) -> dict[str, Any]:
        """What identifies those files now, cheap to ask, and their number as `items`; SourceError where there are none."""
        ...

    def open_elevation(self, region: Region, year: int, files: Sequence[ElevationFile], geobox: GeoBox) -> NDArray[np.float32]:
        """Heights on a grid from some of the files: (y, x) float32 metres, bilinear, without seams, NaN for voids.

        SourceError naming the files where one cannot be read, or has heights that are not told to be metres.
        """
        ...

    def cost_elevation(self, region: Region, files: int, geobox: GeoBox) -> Cost:
        """What `open_elevation` takes at most, of so many files."""
        ...
