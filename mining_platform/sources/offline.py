"""Sources that ask no service: for plans made without a network. What is at hand is told, what only a service knows is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import geopandas as gpd
from odc.geo.geobox import GeoBox

from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import STAC_APIS, Region, expand
from mining_platform.scenes import Scene
from mining_platform.sources.protocol import (
    BesideSource,
    Cost,
    LandCoverSource,
    LayerReading,
    NotAskedError,
    PixelSource,
    SceneSource,
)
from mining_platform.sources.remote.network import is_url

EARTH_ENGINE = "earth_engine"


@dataclass(frozen=True)
class OfflineScenes:
    """A scene source (`SceneSource`) that raises NotAskedError where a service would have to be asked."""

    source: SceneSource

    def list_scenes(self, region: Region, year: int) -> gpd.GeoDataFrame:
        """See SceneSource; NotAskedError for scenes of a service."""
        _refuse_service_scenes(region)
        return self.source.list_scenes(region, year)

    def fingerprint_scenes(self, region: Region, year: int) -> dict[str, Any]:
        """See SceneSource; NotAskedError for scenes of a service."""
        _refuse_service_scenes(region)
        return self.source.fingerprint_scenes(region, year)

    def check_scenes(self, region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
        """See SceneSource."""
        self.source.check_scenes(region, scenes, ids)

    def composite(
        self, region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
    ) -> Composite:
        """See SceneSource; NotAskedError for scenes of a service."""
        _refuse_service_scenes(region)
        return self.source.composite(region, scenes, channels, geobox, recipe)

    def parallel_composites(self, region: Region) -> int:
        """See SceneSource."""
        return self.source.parallel_composites(region)

    def cost(self, region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
        """See SceneSource."""
        return self.source.cost(region, scene_count, channels, geoboxes)

    def pixels(self, region: Region) -> PixelSource:
        """See SceneSource; NotAskedError for scenes of a service."""
        _refuse_service_scenes(region)
        return self.source.pixels(region)


@dataclass(frozen=True)
class OfflineMaps:
    """A source of land-cover maps (`LandCoverSource`) that raises NotAskedError where a service would have to be asked.

    A map behind a URL has its place as fingerprint, so it is told; one of Earth Engine is not.
    """

    source: LandCoverSource

    def read_land_cover(self, region: Region, year: int, out: Path) -> dict[str, Any]:
        """See LandCoverSource; NotAskedError for a map of a service."""
        if region.land_cover is not None:
            _refuse_service(region, region.land_cover.source, region.land_cover.href)
        return self.source.read_land_cover(region, year, out)

    def fingerprint_land_cover(self, region: Region, year: int) -> dict[str, Any]:
        """See LandCoverSource; NotAskedError for a map of Earth Engine."""
        if region.land_cover and region.land_cover.source == EARTH_ENGINE:
            _not_asked(region, EARTH_ENGINE)
        return self.source.fingerprint_land_cover(region, year)

    def cost_land_cover(self, region: Region, year: int) -> Cost:
        """See LandCoverSource."""
        return self.source.cost_land_cover(region, year)


@dataclass(frozen=True)
class OfflineBeside:
    """A source of layers (`BesideSource`) that raises NotAskedError where a service would have to be asked."""

    source: BesideSource

    def fingerprint(self, layer: str, region: Region, year: int) -> dict[str, Any]:
        """See BesideSource; NotAskedError for a layer of a service."""
        _refuse_service_layer(region, layer)
        return self.source.fingerprint(layer, region, year)

    def open_layer(self, layer: str, region: Region, year: int, channels: Sequence[str]) -> LayerReading:
        """See BesideSource; NotAskedError for a layer of a service."""
        _refuse_service_layer(region, layer)
        return self.source.open_layer(layer, region, year, channels)

    def costs(self, layer: str, region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
        """See BesideSource; NotAskedError for a layer of a service, whose scenes would have to be listed."""
        _refuse_service_layer(region, layer)
        return self.source.costs(layer, region, year, geoboxes)


def _refuse_service_layer(region: Region, layer: str) -> None:
    if layer in region.beside:
        place = region.beside[layer]
        _refuse_service(region, place.source, place.href or (STAC_APIS["planetary-computer"] if place.source == "stac" else ""))


def _refuse_service_scenes(region: Region) -> None:
    if region.scenes is not None:
        _refuse_service(region, region.scenes.source, region.scenes.href)


def _refuse_service(region: Region, source: str, href: str) -> None:
    if source == EARTH_ENGINE or (href and is_url(expand(href))):
        _not_asked(region, source)


def _not_asked(region: Region, source: str) -> NoReturn:
    raise NotAskedError(f"Region {region.id}, source {source}: the service was not asked. Plan without --offline to ask it.")
