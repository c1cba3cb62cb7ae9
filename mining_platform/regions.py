"""Study regions as the platform knows them; `region_files.py` reads them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from odc.geo.geobox import GeoBox
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mining_platform import grids, homes, profiles, scene_collections
from mining_platform.store.digests import canonical_json, digest_of

MONITORING_SOURCES = ("model", "land-cover")
SPANS = ("year", "to-date")
"""What another system's outlines of a year are: the mining of that year, or all that was found up to it."""
LAND_COVER_SOURCES = ("mapbiomas", "earth_engine", "polygons")
SCENE_SOURCES = ("stac", "earth_engine", "archive")
LAYERS_BESIDE = MappingProxyType(
    {
        "radar": ("stac", "earth_engine", "archive"),
        "elevation": ("stac", "earth_engine", "archive"),
        "osm_context": ("openstreetmap",),
    }
)
"""What can lie beside a region's scenes, and the sources of each."""
ORBITS = ("ascending", "descending")
"""Directions of flight that a radar may be restricted to."""
STAC_APIS = MappingProxyType(
    {
        "earth-search": "https://earth-search.aws.element84.com/v1",
        "planetary-computer": "https://planetarycomputer.microsoft.com/api/stac/v1",
    }
)
"""Public STAC APIs by provider: where scenes of the source `stac` come from unless the region names another place."""
NO_CLOUD_LIMIT = 100.0
ARCHIVE_PLACE = "${MINING_PLATFORM_HOME}/scenes"
"""Where scenes of the source `archive` come from unless the region names another folder."""
YEAR_PLACEHOLDER = "{year}"
VARIABLE = re.compile(r"\$\{(MINING_PLATFORM_[A-Z_]+)\}")
_VARIABLE_DEFAULTS = {homes.HOME_VARIABLE: homes.DEFAULT_HOME, "MINING_PLATFORM_REALDATA": "../shared/realdata"}


class RegionError(ValueError):
    """A region file or a request about regions is wrong; the message says what, where and how to fix it."""


@dataclass(frozen=True)
class LandCover:
    """Where a region's yearly land-cover map comes from."""

    source: str
    """One of LAND_COVER_SOURCES."""
    collection: str
    """Collection of the map, part of the lineage: each collection restates history."""
    href: str
    """URL or path; `{year}` stands for the year, `${MINING_PLATFORM_...}` for that variable."""
    years: tuple[int, int]
    """First and last year of the collection."""
    bands: str | None
    """Band name template such as `mapbiomas_cover_{year}` where one file holds all years; None for a file a year."""
    simulated: bool
    classes: Mapping[str, int] = field(default_factory=dict)
    """For `polygons`: name of a polygon's class -> MapBiomas class code."""

    def file_of(self, year: int) -> str:
        """URL or path of the file that holds a year."""
        return expand(self.href).replace(YEAR_PLACEHOLDER, str(year))

    def band_of(self, year: int) -> str | None:
        """Name of the year's band, or None where the file has a single band."""
        return self.bands.replace(YEAR_PLACEHOLDER, str(year)) if self.bands else None


@dataclass(frozen=True)
class Scenes:
    """Where a region's satellite scenes come from."""

    source: str
    """One of SCENE_SOURCES: the one word that changes the source."""
    collection: str
    """Row of scene_collections.COLLECTIONS."""
    provider: str
    """Whose band names STAC items use, one of STAC_APIS."""
    recipe: str
    """How mosaics are made, a row of compositing.recipes.RECIPES."""
    places: Mapping[str, str]
    """Source -> STAC API, static STAC catalogue or folder, where it is not the source's usual place."""
    simulated: bool
    max_cloud_pct: float = NO_CLOUD_LIMIT
    """Scenes whose metadata tell more clouds are left out."""
    profile: str = ""
    """Channels of the mosaics, a row of profiles.PROFILES; empty for the collection's own."""

    @property
    def href(self) -> str:
        """The source's place as the region file writes it."""
        usual = {"stac": STAC_APIS[self.provider], "archive": ARCHIVE_PLACE}
        return self.places.get(self.source) or usual.get(self.source, "")

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the region's mosaics, ids of bands.BANDS."""
        return profiles.PROFILES[self.profile or scene_collections.COLLECTIONS[self.collection].profile].channels

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which scenes these are, JSON-able."""
        told = {"source": self.source, "collection": self.collection, "href": self.href, "simulated": self.simulated}
        limit = {} if self.max_cloud_pct == NO_CLOUD_LIMIT else {"max_cloud_pct": self.max_cloud_pct}
        profile = {"profile": self.profile} if self.profile else {}
        return told | limit | profile | ({"provider": self.provider} if self.source == "stac" else {})


@dataclass(frozen=True)
class Beside:
    """Where what lies beside a region's scenes comes from: radar, height or OpenStreetMap features."""

    source: str
    """One of those that LAYERS_BESIDE has for the layer."""
    collection: str
    """What kind of product it is, such as `sentinel-1-rtc` or `cop-dem-glo-30`."""
    href: str
    """STAC API, folder or file, where it is not the source's usual place; `{year}` stands for the year."""
    simulated: bool
    date: str = ""
    """For OpenStreetMap: the day of the extract (YYYY-MM-DD, or with `{year}`) where the file does not tell it."""
    recipe: str = ""
    """For radar: row of radar.RADAR_RECIPES; empty for the usual one."""
    orbit: str = ""
    """For radar: the direction of flight that scenes must have, one of ORBITS; empty for what the recipe takes."""

    def place_of(self, year: int) -> str:
        """The place with the year and variables filled in."""
        return expand(self.href).replace(YEAR_PLACEHOLDER, str(year))

    def date_of(self, year: int) -> str:
        """The day of the year's extract; empty where the region file tells none."""
        return self.date.replace(YEAR_PLACEHOLDER, str(year))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides what this is, JSON-able."""
        return {name: value for name, value in vars(self).items() if value != ""}


@dataclass(frozen=True)
class TerritoryLayer:
    """A file of territories of one kind, in which mining is added up."""

    kind: str
    """`[a-z][a-z0-9-]*`: `indigenous-territory`, `protected-area`, `municipality`, `country` or what people choose."""
    href: str
    """GeoJSON, GeoPackage, KML or KMZ of polygons; `${MINING_PLATFORM_...}` stands for that variable."""
    id: str
    """Property with a territory's identifier, used once among those of its kind."""
    name: str
    """Property with its name."""
    licence: str
    """SPDX identifier; empty where it is not known."""
    credit: str
    """Whom reports name; empty: the file."""
    simulated: bool


@dataclass(frozen=True)
class OtherSystem:
    """Another system's outlines of mining, with which a region's detections are compared."""

    id: str
    """`[a-z][a-z0-9-]*`, used once in a region; part of file names."""
    name: str
    """As reports call it."""
    href: str
    """GeoJSON, GeoPackage, KML or KMZ of polygons; `{year}` stands for the year, `${MINING_PLATFORM_...}` for that variable."""
    year_field: str
    """Property with a polygon's year where one file holds several; empty where it holds one, or tells none."""
    span: str
    """One of SPANS."""
    cell_m: float
    """Side of the cells that its outlines are made of, metres; 0 where that is not known."""
    credit: str
    """Whom reports name; empty: the name."""
    licence: str
    """SPDX identifier; empty where it is not known."""
    simulated: bool

    def file_of(self, year: int) -> str:
        """Path of the file that holds a year."""
        return expand(self.href).replace(YEAR_PLACEHOLDER, str(year))


@dataclass(frozen=True)
class Monitoring:
    """How the mining of a region is mapped year by year, for maps of what is new."""

    source: str
    """One of MONITORING_SOURCES: by a trained model over the mosaic, or as the land-cover map has it."""
    rule: str
    """What of a model's scores is a detection, a row of detection_rules.DETECTION_RULES."""
    min_area_ha: float
    """New mining of at most so many hectares is not published as a place."""
    deployed_model: str = ""
    """`experiment|year`: partition of the asset `model` that maps every year; empty for the source land-cover."""
    territories: tuple[TerritoryLayer, ...] = ()
    compared_with: tuple[OtherSystem, ...] = ()
    """Other systems, whose outlines are no source of the detections but are compared with them."""
    outlined_by: str = ""
    """`experiment|year` of a model of pixels that outlines mines in the squares that the deployed model finds; or empty."""

    @property
    def models(self) -> tuple[str, ...]:
        """Partitions of the asset `model` that its maps rest on."""
        return tuple(filter(None, (self.deployed_model, self.outlined_by)))


@dataclass(frozen=True)
class Region:
    """One study region."""

    id: str
    name: str
    country: str
    """ISO 3166-1 alpha-2 code."""
    years: tuple[int, ...]
    epsg: int
    """Projected CRS of the region's grid."""
    coverage: Literal["full", "sampled"]
    """`full`: the mosaic covers the grid; `sampled`: only the chunks that windows touch."""
    land_cover: LandCover | None
    scenes: Scenes | None
    geometry: BaseGeometry
    """Outline in EPSG:4326."""
    note: str = ""
    """Where the bounds come from."""
    beside: Mapping[str, Beside] = field(default_factory=dict)
    """By layer, one of LAYERS_BESIDE: what can be stacked with the scenes' channels."""
    monitoring: Monitoring | None = None
    """How its mining is mapped year by year; None where it is not."""

    @cached_property
    def geobox(self) -> GeoBox:
        """The region's 10 m grid."""
        return grids.region_geobox(self.geometry, self.epsg)

    @cached_property
    def outline_digest(self) -> str:
        """Names the outline, by its places in degrees."""
        return digest_of(canonical_json(mapping(self.geometry), f"The outline of {self.id}"))

    @property
    def simulated(self) -> bool:
        """Whether any source of the region is simulated."""
        sources = (self.land_cover, self.scenes, *self.beside.values())
        return any(source.simulated for source in sources if source)


def required_scenes(region: Region) -> Scenes:
    """Where the region's scenes come from; RegionError where it has none."""
    if region.scenes is None:
        raise RegionError(f"Region {region.id} has no scenes. Name a scenes source in the region file.")
    return region.scenes


def expand(text: str) -> str:
    """Replace `${MINING_PLATFORM_HOME}` and the like by their values; other variables are left alone."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = os.environ.get(name, _VARIABLE_DEFAULTS.get(name))
        if found is None:
            raise RegionError(f"{text!r} uses the variable {name}, which is not set. Set it, or write the path out.")
        return found

    return VARIABLE.sub(value, text)


def region(regions: Mapping[str, Region], region_id: str) -> Region:
    """The region of an id; RegionError naming the known ids otherwise."""
    try:
        return regions[region_id]
    except KeyError:
        raise RegionError(
            f"Unknown region {region_id!r}; known: {', '.join(regions)}. Add it with `mining-platform regions add`."
        ) from None
