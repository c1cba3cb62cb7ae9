"""Features of GeoJSON checked and read as regions; their geometry is in longitude and latitude (RFC 7946)."""

import itertools
import math
import re
from typing import Any

from shapely.errors import GEOSException
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mining_platform import grids, scene_collections
from mining_platform.region_fields import Fields
from mining_platform.region_sources import land_cover_of, layers_beside_of, monitoring_of, scenes_of
from mining_platform.regions import Region, RegionError

ID_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
UTM_BOUNDS = (-180.0, -80.0, 180.0, 84.0)  # west, south, east, north in degrees
COVERAGES = ("full", "sampled")


def parse_regions(features: list[Any], where: str) -> dict[str, Region]:
    """Regions by id from GeoJSON features; `where` names the file in errors."""
    regions: dict[str, Region] = {}
    for position, feature in enumerate(features):
        region = _region(feature, f"{where}, feature {position}")
        if region.id in regions:
            raise RegionError(f"{where}, feature {position}: id {region.id!r} is used twice. Give each region its own id.")
        regions[region.id] = region
    _check_monitored_apart(regions, where)
    return regions


def _check_monitored_apart(regions: dict[str, Region], where: str) -> None:
    """Mining of two monitored regions is added up, so they share no ground."""
    monitored = [region for region in regions.values() if region.monitoring]
    for one, other in itertools.combinations(monitored, 2):
        if one.geometry.intersects(other.geometry) and not one.geometry.touches(other.geometry):
            raise RegionError(
                f"{where}: {one.id} and {other.id} are both monitored and share ground, whose mining would count twice. "
                "Take 'monitoring' off one of them, or cut their outlines apart."
            )


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
        land_cover=land_cover_of(fields),
        scenes=scenes_of(fields),
        geometry=geometry,
        note=fields.text("note", default=""),
        beside=layers_beside_of(fields),
        monitoring=monitoring_of(fields),
    )
    fields.done()
    _check_years(region, fields)
    _check_monitoring(region, fields)
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


def _check_monitoring(region: Region, fields: Fields) -> None:
    """A model needs a mosaic of the whole region, and a map of mining a land-cover map."""
    if region.monitoring is None:
        return
    if region.monitoring.source == "land-cover" and region.land_cover is None:
        raise fields.fail("monitoring", "the source land-cover needs a land-cover map", "Name one, or the source model.")
    if region.monitoring.source == "model" and (region.scenes is None or region.coverage != "full"):
        raise fields.fail("monitoring", "a model maps whole mosaics", "Name scenes, and the coverage full.")


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
