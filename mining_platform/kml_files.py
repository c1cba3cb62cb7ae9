"""KML files (OGC 12-007r2): placemarks with their names, data and geometries.

Read here and not by GDAL, whose drivers for KML follow NetworkLinks to other files and hosts.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from mining_platform.xml_documents import XmlError, read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LEAST_CORNERS = 4  # of a ring, the first repeated (clause 10.5)


def read_kml(path: Path) -> gpd.GeoDataFrame:
    """Placemarks with points and polygons in EPSG:4326, heights left out: `name`, a column a datum, geometry.

    Several polygons of a placemark are one of several parts. XmlError for what is no KML, for coordinates that are no numbers,
    and where there is no placemark; NetworkLinks are not followed.
    """
    tree = read_xml(path)
    if tree.tag.rpartition("}")[2] != "kml":
        raise XmlError(f"it is no KML but {tree.tag.rpartition('}')[2]}")
    marks = list(tree.iterfind(".//{*}Placemark"))
    if not marks:
        raise XmlError("it has no placemarks of its own")
    rows = [{"name": (mark.findtext("{*}name") or "").strip(), **_data(mark)} for mark in marks]
    return gpd.GeoDataFrame(rows, geometry=[_geometry(mark) for mark in marks], crs=4326)


def _data(mark: "Element") -> dict[str, str]:
    """What ExtendedData hold: `Data` with a value, `SimpleData` with a text."""
    plain = {str(each.get("name")): (each.findtext("{*}value") or "").strip() for each in mark.iterfind(".//{*}Data")}
    typed = {str(each.get("name")): (each.text or "").strip() for each in mark.iterfind(".//{*}SimpleData")}
    return {**plain, **typed}


def _geometry(mark: "Element") -> BaseGeometry | None:
    polygons = [_polygon(each) for each in mark.iterfind(".//{*}Polygon")]
    points = [shapely.Point(_coordinates(each)[0]) for each in mark.iterfind(".//{*}Point")]
    parts = polygons or points
    if len(parts) <= 1:
        return parts[0] if parts else None
    return shapely.MultiPolygon(polygons) if polygons else shapely.MultiPoint(points)


def _polygon(element: "Element") -> shapely.Polygon:
    outer = [_ring(each) for each in element.iterfind("{*}outerBoundaryIs")]
    if len(outer) != 1:
        raise XmlError("it has a polygon without one outer boundary")
    return shapely.Polygon(outer[0], [_ring(each) for each in element.iterfind("{*}innerBoundaryIs")])


def _ring(element: "Element") -> list[tuple[float, float]]:
    corners = _coordinates(element)
    if len(corners) < LEAST_CORNERS:
        raise XmlError(f"it has a ring of {len(corners)} corners")
    return corners


def _coordinates(element: "Element") -> list[tuple[float, float]]:
    """Longitude and latitude of each `lon,lat[,height]`."""
    text = element.findtext(".//{*}coordinates") or ""
    try:
        found = [(float(lon), float(lat)) for lon, lat, *_ in (place.split(",") for place in text.split())]
    except ValueError:
        raise XmlError(f"it has coordinates that are no numbers: {text.strip()[:40]!r}") from None
    if not found:
        raise XmlError("it has a geometry without coordinates")
    return found
