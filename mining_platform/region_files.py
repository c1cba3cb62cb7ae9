"""Region files: GeoJSON features read as regions, and regions made of options.

The file is `regions.geojson`, or the one named by `MINING_PLATFORM_REGIONS`. A region is a feature whose geometry is in
longitude and latitude (RFC 7946). Every mistake is refused with the feature, the field and the remedy.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapely.errors import GEOSException
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mining_platform import grids, scene_collections
from mining_platform.compositing.recipes import RECIPES
from mining_platform.region_fields import Fields
from mining_platform.regions import (
    LAND_COVER_SOURCES,
    LAYERS_BESIDE,
    NO_CLOUD_LIMIT,
    SCENE_SOURCES,
    STAC_APIS,
    YEAR_PLACEHOLDER,
    Beside,
    LandCover,
    Region,
    RegionError,
    Scenes,
    required_scenes,
)

REGIONS_VARIABLE = "MINING_PLATFORM_REGIONS"
ID_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
UTM_BOUNDS = (-180.0, -80.0, 180.0, 84.0)  # west, south, east, north in degrees
COVERAGES = ("full", "sampled")
FILES_BESIDE = ("archive", "openstreetmap")
"""Sources of layers whose place is a folder or file of the user's own."""
DATE = re.compile(r"(\d{4}|\{year\})-\d{2}-\d{2}")


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


def add_region(path: Path, feature: dict[str, Any]) -> Region:
    """Append a feature to a region file; nothing is written unless the whole file is valid with it."""
    features = [*_read_features(path), feature]
    regions = parse_regions(features, str(path))
    beside = path.with_name(f"{path.name}.new")
    content = json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False)
    beside.write_text(content + "\n", encoding="utf-8")
    beside.replace(path)
    return list(regions.values())[-1]


def _read_features(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegionError(f"There is no region file {path}. Set {REGIONS_VARIABLE} to your file.") from None
    except OSError as error:
        problem = f"The region file {path} cannot be read ({type(error).__name__})"
        raise RegionError(f"{problem}. Mend its permissions, or set {REGIONS_VARIABLE} to another file.") from None
    except (ValueError, RecursionError) as error:
        raise RegionError(f"{path} is not JSON: {error}. Mend the file or restore it from version control.") from None
    if (
        not isinstance(content, dict)
        or content.get("type") != "FeatureCollection"
        or not isinstance(content.get("features"), list)
    ):
        raise RegionError(f"{path} is not a GeoJSON FeatureCollection. Wrap the features in one.")
    return content["features"]


def _region(feature: Any, where: str) -> Region:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or feature.get("type") != "Feature":
        raise RegionError(f"{where}: not a GeoJSON Feature with properties. docs/regions.md lists the fields of a region.")
    fields = Fields(properties, f"{where} (id {properties.get('id')!r})")
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
        beside=_layers_beside(fields),
    )
    fields.done()
    _check_years(region, fields)
    return region


def _geometry(value: Any, where: str) -> BaseGeometry:
    if value is None:
        raise RegionError(f"{where}, field 'geometry': there is none. Give the outline as a Polygon or MultiPolygon.")
    try:
        geometry = shape(value)
    except (GEOSException, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
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


def _epsg(fields: Fields, geometry: BaseGeometry) -> int:
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


def _land_cover(fields: Fields) -> LandCover | None:
    part = fields.part("land_cover")
    if part is None:
        return None
    source = part.text("source", choices=LAND_COVER_SOURCES)
    collection, href = part.text("collection"), part.href("href", with_year=True)
    years = part.span("years")
    names = part.text("bands", default="") or None
    if names is not None and YEAR_PLACEHOLDER not in names:
        raise part.fail("bands", f"{names!r} does not name the year", "Use a template such as 'classification_{year}'.")
    if names is None and YEAR_PLACEHOLDER not in href and years[0] != years[1]:
        raise part.fail("href", "has no {year} although the source spans several years", "Add {year}, or 'bands'.")
    cover = LandCover(source, collection, href, years, names, part.flag("simulated"), _classes(part, source))
    part.done()
    return cover


def _classes(part: Fields, source: str) -> Mapping[str, int]:
    """Class codes of a polygon file's class names; empty for the other sources."""
    value = part.properties.pop("classes", None)
    if source != "polygons":
        if value is not None:
            raise part.fail("classes", f"is for the source polygons, not {source}", "Remove it.")
        return {}
    codes = value.values() if isinstance(value, dict) else ()
    if not codes or not all(type(code) is int and 0 < code < 256 for code in codes):  # noqa: PLR2004 - codes are uint8
        raise part.fail("classes", f"expected class codes by name, found {value!r}", 'Write e.g. {"mine": 30, "forest": 3}.')
    return dict(value)


def _layers_beside(fields: Fields) -> dict[str, Beside]:
    found = {layer: fields.part(layer) for layer in LAYERS_BESIDE if layer in fields.properties}
    return {layer: _beside(part, layer) for layer, part in found.items() if part is not None}


def _beside(part: Fields, layer: str) -> Beside:
    source = part.text("source", choices=LAYERS_BESIDE[layer])
    known = scene_collections.COLLECTIONS_BESIDE[layer]
    collection = part.text("collection", choices=known, default=known[0])
    named = "href" in part.properties or source in FILES_BESIDE
    href = part.href("href", with_year=True) if named else ""
    date = part.text("date", default="")
    if date and not DATE.fullmatch(date):
        raise part.fail("date", f"{date!r} is no day", "Write e.g. 2024-07-01, or {year}-07-01.")
    found = Beside(source, collection, href, part.flag("simulated"), date)
    part.done()
    return found


def _scenes(fields: Fields) -> Scenes | None:
    part = fields.part("scenes")
    if part is None:
        return None
    source = part.text("source", choices=SCENE_SOURCES)
    collection = scene_collections.COLLECTIONS[part.text("collection", choices=tuple(scene_collections.COLLECTIONS))]
    provider = part.text("provider", choices=tuple(STAC_APIS), default="earth-search")
    recipe = part.text("recipe", choices=tuple(RECIPES), default=collection.recipe)
    most = part.percentage("max_cloud_pct", default=NO_CLOUD_LIMIT)
    scenes = Scenes(source, collection.id, provider, recipe, _places(part, source), part.flag("simulated"), most)
    part.done()
    return scenes


def _places(part: Fields, source: str) -> Mapping[str, str]:
    """`href`: a text is the place of the feature's own source, an object has a place by source."""
    if "href" not in part.properties:
        return {}
    if isinstance(part.properties["href"], str):
        return {source: part.href("href", with_year=False)}
    places = (
        Fields(part.properties.pop("href") or {}, f"{part.where}, href") if isinstance(part.properties["href"], dict) else None
    )
    if places is None:
        raise part.fail("href", "expected a text, or an object of texts by source", 'Write {"stac": "…", "archive": "…"}.')
    found = {name: places.href(name, with_year=False) for name in SCENE_SOURCES if name in places.properties}
    places.done()
    return found


def _check_years(region: Region, fields: Fields) -> None:
    if region.land_cover:
        first, last = region.land_cover.years
        outside = [year for year in region.years if not first <= year <= last]
        if outside:
            span = f"{region.land_cover.source} collection {region.land_cover.collection} ({first} to {last})"
            raise fields.fail("years", f"{outside} lie outside {span}", "Remove them or name another collection.")
    if region.scenes:
        collection = scene_collections.COLLECTIONS[region.scenes.collection]
        early = [year for year in region.years if year < collection.first_year]
        if early:
            raise fields.fail("years", f"{early} lie before {collection.id} ({collection.first_year})", "Remove them.")


def region_of_bounds(bounds: tuple[float, float, float, float], year: int, scenes: Mapping[str, Any], epsg: int | None) -> Region:
    """A region of its own for bounds (west, south, east, north in degrees); `scenes` and errors as in a region file."""
    told = {"id": "bounds", "name": "Bounds", "country": "--", "years": [year], "coverage": "full", "land_cover": None}
    crs = {"epsg": epsg} if epsg else {}
    feature = {"type": "Feature", "properties": {**told, **crs, "scenes": dict(scenes)}, "geometry": mapping(box(*bounds))}
    return parse_regions([feature], "command line")["bounds"]


def with_scenes(region: Region, year: int, changes: Mapping[str, Any]) -> Region:
    """A region with some fields of its scenes changed, as in a region file; RegionError as there, and for a year it lacks."""
    if year not in region.years:
        raise RegionError(
            f"Region {region.id} has the years {', '.join(map(str, region.years))}, not {year}. Choose one of these."
        )
    scenes = required_scenes(region)
    told: dict[str, Any] = {name: getattr(scenes, name) for name in ("source", "collection", "provider", "recipe", "simulated")}
    told |= {"href": dict(scenes.places), "max_cloud_pct": scenes.max_cloud_pct}
    if "collection" in changes and "recipe" not in changes:
        del told["recipe"]
    part = Fields({"scenes": told | dict(changes)}, f"region {region.id}, command line")
    return replace(region, scenes=_scenes(part))
