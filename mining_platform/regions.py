"""Study regions, read from `regions.geojson` (or the file named by `MINING_PLATFORM_REGIONS`).

A region is a GeoJSON feature whose geometry is in longitude and latitude (RFC 7946). Every mistake in the
file is refused with the feature, the field and the remedy.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from odc.geo.geobox import GeoBox
from shapely.errors import GEOSException
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mining_platform import grids, homes

REGIONS_VARIABLE = "MINING_PLATFORM_REGIONS"
ID_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
PLAUSIBLE_YEARS = range(1900, 2201)
UTM_BOUNDS = (-180.0, -80.0, 180.0, 84.0)  # west, south, east, north in degrees
SENTINEL_2_FIRST_YEAR = 2015  # Sentinel-2A was launched on 2015-06-23

LAND_COVER_SOURCES = ("mapbiomas",)
SCENE_SOURCES = ("stac",)
PROVIDERS = ("earth-search", "planetary-computer")
YEAR_PLACEHOLDER = "{year}"
COVERAGES = ("full", "sampled")
_VARIABLE = re.compile(r"\$\{(MINING_PLATFORM_[A-Z_]+)\}")
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
    """One of SCENE_SOURCES."""
    href: str
    """URL of a STAC API, or path of a static STAC catalogue."""
    collection: str
    """STAC collection id."""
    provider: str
    """Whose band names the items use, one of PROVIDERS."""
    simulated: bool


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

    @cached_property
    def geobox(self) -> GeoBox:
        """The region's 10 m grid."""
        return grids.region_geobox(self.geometry, self.epsg)

    @property
    def simulated(self) -> bool:
        """Whether any source of the region is simulated."""
        return bool((self.land_cover and self.land_cover.simulated) or (self.scenes and self.scenes.simulated))


def expand(text: str) -> str:
    """Replace `${MINING_PLATFORM_HOME}` and the like by their values; other variables are left alone."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = os.environ.get(name, _VARIABLE_DEFAULTS.get(name))
        if found is None:
            raise RegionError(f"{text!r} uses the variable {name}, which is not set. Set it, or write the path out.")
        return found

    return _VARIABLE.sub(value, text)


def regions_file() -> Path:
    """The file named by MINING_PLATFORM_REGIONS, else `regions.geojson` in the working directory or the project."""
    named = os.environ.get(REGIONS_VARIABLE)
    if named:
        return Path(named)
    here = Path("regions.geojson")
    return here if here.exists() else Path(__file__).resolve().parent.parent / "regions.geojson"


def load_regions(path: Path | None = None) -> dict[str, Region]:
    """Regions by id, in the order of the file; RegionError on any mistake."""
    path = path or regions_file()
    return parse_regions(_read_features(path), str(path))


def parse_regions(features: list[Any], where: str) -> dict[str, Region]:
    """Regions by id from GeoJSON features; `where` names the file in errors."""
    regions: dict[str, Region] = {}
    for position, feature in enumerate(features):
        region = _region(feature, f"{where}, feature {position}")
        if region.id in regions:
            raise RegionError(f"{where}, feature {position}: id {region.id!r} is used twice. Give each region its own id.")
        regions[region.id] = region
    return regions


def region(regions: Mapping[str, Region], region_id: str) -> Region:
    """The region of an id; RegionError naming the known ids otherwise."""
    try:
        return regions[region_id]
    except KeyError:
        raise RegionError(
            f"Unknown region {region_id!r}; known: {', '.join(regions)}. Add it with `mining-platform regions add`."
        ) from None


def add_region(path: Path, feature: dict[str, Any]) -> Region:
    """Append a feature to a region file; nothing is written unless the whole file is valid with it."""
    features = [*_read_features(path), feature]
    regions = parse_regions(features, str(path))
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False) + "\n")
    beside.replace(path)
    return list(regions.values())[-1]


def _read_features(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegionError(f"There is no region file {path}. Set {REGIONS_VARIABLE} to your file.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RegionError(f"{path} is not JSON: {error}. Mend the file or restore it from version control.") from None
    if (
        not isinstance(content, dict)
        or content.get("type") != "FeatureCollection"
        or not isinstance(content.get("features"), list)
    ):
        raise RegionError(f"{path} is not a GeoJSON FeatureCollection. Wrap the features in one.")
    return content["features"]


class _Fields:
    """The properties of one feature, taken field by field; each mistake is refused with its place."""

    def __init__(self, properties: Mapping[str, Any], where: str) -> None:
        self.properties = dict(properties)
        self.where = where

    def fail(self, field: str, problem: str, remedy: str) -> RegionError:
        return RegionError(f"{self.where}, field {field!r}: {problem}. {remedy}")

    def text(self, field: str, *, choices: tuple[str, ...] = (), default: str | None = None) -> str:
        value = self.properties.pop(field, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.fail(field, f"expected a text, found {value!r}", f"Add {field!r} to the feature.")
        if choices and value not in choices:
            raise self.fail(field, f"unknown value {value!r}", f"Use one of: {', '.join(choices)}.")
        return value

    def flag(self, field: str) -> bool:
        value = self.properties.pop(field, False)
        if not isinstance(value, bool):
            raise self.fail(field, f"expected true or false, found {value!r}", "Write true or false.")
        return value

    def years(self, field: str) -> tuple[int, ...]:
        value = self.properties.pop(field, None)
        ok = isinstance(value, list) and value and all(type(year) is int and year in PLAUSIBLE_YEARS for year in value)
        if not ok or len(set(value)) != len(value):
            raise self.fail(field, f"expected distinct years, found {value!r}", "Write a list such as [2023, 2024].")
        return tuple(sorted(value))

    def done(self) -> None:
        if self.properties:
            unknown = ", ".join(map(repr, self.properties))
            raise RegionError(f"{self.where}: unknown fields {unknown}. Remove them or mend their spelling.")


def _region(feature: Any, where: str) -> Region:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or feature.get("type") != "Feature":
        raise RegionError(f"{where}: not a GeoJSON Feature with properties. docs/regions.md lists the fields of a region.")
    fields = _Fields(properties, f"{where} (id {properties.get('id')!r})")
    region_id = fields.text("id")
    if not ID_PATTERN.fullmatch(region_id):
        raise fields.fail("id", f"{region_id!r} is not an id", "Use 1 to 64 of a-z, 0-9 and '-'.")
    geometry = _geometry(feature.get("geometry"), fields.where)
    region = Region(
        id=region_id,
        name=fields.text("name"),
        country=fields.text("country"),
        years=fields.years("years"),
        epsg=_epsg(fields, geometry),
        coverage=fields.text("coverage", choices=COVERAGES),  # type: ignore[arg-type]
        land_cover=_land_cover(fields),
        scenes=_scenes(fields),
        geometry=geometry,
        note=fields.text("note", default=""),
    )
    fields.done()
    _check_years(region, fields)
    return region


def _geometry(value: Any, where: str) -> BaseGeometry:
    if value is None:
        raise RegionError(f"{where}, field 'geometry': there is none. Give the outline as a Polygon or MultiPolygon.")
    try:
        geometry = shape(value)
    except (GEOSException, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise RegionError(f"{where}, field 'geometry': unreadable ({error}). Give a GeoJSON Polygon or MultiPolygon.") from None
    if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty:
        raise RegionError(f"{where}, field 'geometry': a {geometry.geom_type} is no outline. Give a Polygon or MultiPolygon.")
    if not all(map(math.isfinite, geometry.bounds)):
        raise RegionError(f"{where}, field 'geometry': coordinates are not finite numbers. Mend the coordinates.")
    if not geometry.is_valid:
        raise RegionError(f"{where}, field 'geometry': {explain_validity(geometry)}. Mend it, e.g. with shapely.make_valid.")
    if not box(*UTM_BOUNDS).covers(geometry):
        raise RegionError(
            f"{where}, field 'geometry': outside UTM's longitudes ±180, latitudes −80 to 84. Use EPSG:4326 degrees."
        )
    return geometry


def _epsg(fields: _Fields, geometry: BaseGeometry) -> int:
    value = fields.properties.pop("epsg", None)
    if value is None:
        return grids.utm_epsg(geometry.centroid.x, geometry.centroid.y)
    crs_ok = type(value) is int and _is_metric(value)
    if not crs_ok:
        raise fields.fail("epsg", f"{value!r} is not the EPSG code of a projected CRS in metres", "Use a UTM zone such as 32722.")
    return int(value)


def _is_metric(epsg: int) -> bool:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_epsg(epsg)
    except CRSError:
        return False
    return crs.is_projected and all(axis.unit_name == "metre" for axis in crs.axis_info)


def _part(fields: _Fields, field: str) -> _Fields | None:
    """A nested object of the feature; absent is a mistake, null means none."""
    if field not in fields.properties:
        raise fields.fail(field, "is missing", "Describe the source, or write null for none.")
    value = fields.properties.pop(field)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise fields.fail(field, f"expected an object, found {value!r}", "Describe the source, or write null for none.")
    return _Fields(value, f"{fields.where}, {field}")


def _href(part: _Fields, allowed: frozenset[str]) -> str:
    href = part.text("href")
    try:
        names = {name for _, name, _, _ in Formatter().parse(_VARIABLE.sub("", href)) if name is not None}
    except ValueError as error:
        raise part.fail("href", f"{href!r} is not a template ({error})", "Close every brace.") from None
    if not names <= allowed:
        raise part.fail("href", f"{href!r} has unknown placeholders", "Only {year} and ${MINING_PLATFORM_…} are replaced.")
    return href


def _land_cover(fields: _Fields) -> LandCover | None:
    part = _part(fields, "land_cover")
    if part is None:
        return None
    source = part.text("source", choices=LAND_COVER_SOURCES)
    collection, href = part.text("collection"), _href(part, frozenset({"year"}))
    years = part.years("years")
    bands = part.text("bands", default="") or None
    if len(years) != 2:  # noqa: PLR2004 - first and last
        raise part.fail("years", f"expected the first and the last year, found {list(years)}", "Write e.g. [1985, 2024].")
    if bands is not None and YEAR_PLACEHOLDER not in bands:
        raise part.fail("bands", f"{bands!r} does not name the year", "Use a template such as 'classification_{year}'.")
    if bands is None and YEAR_PLACEHOLDER not in href and years[0] != years[1]:
        raise part.fail("href", "has no {year} although the source spans several years", "Add {year}, or 'bands'.")
    cover = LandCover(source, collection, href, (years[0], years[1]), bands, part.flag("simulated"))
    part.done()
    return cover


def _scenes(fields: _Fields) -> Scenes | None:
    part = _part(fields, "scenes")
    if part is None:
        return None
    source = part.text("source", choices=SCENE_SOURCES)
    provider = part.text("provider", choices=PROVIDERS)
    scenes = Scenes(source, _href(part, frozenset()), part.text("collection"), provider, part.flag("simulated"))
    part.done()
    return scenes


def _check_years(region: Region, fields: _Fields) -> None:
    if region.land_cover:
        first, last = region.land_cover.years
        outside = [year for year in region.years if not first <= year <= last]
        if outside:
            span = f"{region.land_cover.source} collection {region.land_cover.collection} ({first} to {last})"
            raise fields.fail("years", f"{outside} lie outside {span}", "Remove them or name another collection.")
    early = [year for year in region.years if region.scenes and year < SENTINEL_2_FIRST_YEAR]
    if early:
        raise fields.fail("years", f"{early} lie before Sentinel-2 ({SENTINEL_2_FIRST_YEAR})", "Remove them.")
