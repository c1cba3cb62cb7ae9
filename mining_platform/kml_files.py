"""KML and KMZ files (OGC 12-007r2): placemarks with their names, folders, times, data and geometries.

Read here and not by GDAL, whose drivers for KML follow NetworkLinks to other files and hosts.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from mining_platform.xml_documents import MAX_BYTES, XmlError, parsed_xml, read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LEAST_CORNERS = 4  # of a ring, the first repeated (clause 10.5)
KMZ_SUFFIX = ".kmz"
_FOLDERS = ("Folder", "Document")
_TIMES = {"begin": ("{*}TimeSpan/{*}begin", "{*}TimeStamp/{*}when"), "end": ("{*}TimeSpan/{*}end", "{*}TimeStamp/{*}when")}
"""Where a placemark tells from when to when it holds (clause 15); a single time is both."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


def read_kml(path: Path) -> gpd.GeoDataFrame:
    """Placemarks with points and polygons in EPSG:4326, heights left out: `name`, a column a datum, geometry.

    Where placemarks tell them also `folder`, the name of the innermost folder or document around each, and `begin` and `end`
    as texts (`2022`, `2022-05`, `2022-05-31`, or with a time). Several polygons of a placemark are one of several parts. Of a
    KMZ archive the document is read, the first .kml in it, and nothing else. XmlError for what is no KML, for coordinates that
    are no numbers, and where there is no placemark; NetworkLinks are not followed.
    """
    tree = parsed_xml(_kmz_document(path)) if path.suffix.lower() == KMZ_SUFFIX else read_xml(path)
    if tree.tag.rpartition("}")[2] != "kml":
        raise XmlError(f"it is no KML but {tree.tag.rpartition('}')[2]}")
    marks = list(_placemarks(tree, ""))
    if not marks:
        raise XmlError("it has no placemarks of its own")
    rows = [{"name": _text(mark, "{*}name"), **_data(mark), **_times(mark), **_inside(folder)} for mark, folder in marks]
    return gpd.GeoDataFrame(rows, geometry=[_geometry(mark) for mark, _ in marks], crs=4326)


def _kmz_document(path: Path) -> bytes:
    """The first .kml of an archive (annex C), of which no more is unpacked than a document may have."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".kml")]
            if not names:
                raise XmlError("it is an archive without a .kml document")
            with archive.open(names[0]) as document:
                return document.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise XmlError(f"it is no whole KMZ archive ({' '.join(str(error).split())})") from None


def _placemarks(element: "Element", folder: str) -> Iterator[tuple["Element", str]]:
    """Placemarks in the order of the document, each with the name of the folder around it."""
    for inner in element:
        kind = inner.tag.rpartition("}")[2]
        if kind == "Placemark":
            yield inner, folder
        else:
            yield from _placemarks(inner, (_text(inner, "{*}name") or folder) if kind in _FOLDERS else folder)


def _text(element: "Element", path: str) -> str:
    return (element.findtext(path) or "").strip()


def _times(mark: "Element") -> dict[str, str]:
    told = {column: next((text for path in paths if (text := _text(mark, path))), "") for column, paths in _TIMES.items()}
    return told if any(told.values()) else {}


def _inside(folder: str) -> dict[str, str]:
    return {"folder": folder} if folder else {}


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
