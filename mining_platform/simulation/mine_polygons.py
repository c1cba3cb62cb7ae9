"""Polygons of the mines as KML, a file a year, and the table of aliases that joins names of images to names of polygons."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import MultiPolygon, Polygon

from mining_platform.grids import PIXEL_M
from mining_platform.labels.site_names import ALIAS_COLUMNS
from mining_platform.simulation.mine_sites import mine_sites
from mining_platform.simulation.places import Place
from mining_platform.simulation.rasters import MARK

FOLDER = "polygons"
ALIASES = "aliases.csv"
_DIGITS = 7  # of a degree: a centimetre


def write_polygons(out: Path, place: Place) -> Sequence[dict[str, Any]]:  # noqa: ARG001 - all is written at the end
    """The polygons of a place's sites, a row a site and year: site, name, region, year, outlines in EPSG:4326."""
    return [
        {
            "site": site.name,
            "name": site.drawn_name,
            "region": place.region.id,
            "year": year,
            "outlines": in_degrees(outlines, place.canvas),
        }
        for site in mine_sites(place)
        for year, outlines in site.outlines.items()
    ]


def finish_polygons(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write `sites_<year>.kml` of all regions, and the aliases of sites that have two names."""
    folder = out / FOLDER
    folder.mkdir()
    ordered = sorted(rows, key=lambda row: (row["region"], row["site"]))
    for year in sorted({row["year"] for row in rows}):
        text = kml([row for row in ordered if row["year"] == year], year)
        (folder / f"sites_{year}.kml").write_text(text, encoding="utf-8")
    (folder / ALIASES).write_text(_aliases(ordered), encoding="utf-8")


def in_degrees(outlines: MultiPolygon, canvas: GeoBox) -> MultiPolygon:
    """Outlines in px of a canvas as longitude and latitude."""
    to_degrees = Transformer.from_crs(str(canvas.crs), 4326, always_xy=True)

    def placed(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = canvas.affine.c + PIXEL_M * corners[:, 0], canvas.affine.f - PIXEL_M * corners[:, 1]
        return np.round(np.column_stack(to_degrees.transform(x, y)), _DIGITS)

    return shapely.transform(outlines, placed)


def kml(rows: Sequence[dict[str, Any]], year: int) -> str:
    """A document of a placemark a site, in a folder a region (OGC 12-007r2)."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>',
        f"<name>{MARK} mines {year}</name><description>{MARK}: made by a computer; no real mine is shown.</description>",
    ]
    for region in sorted({row["region"] for row in rows}):
        marks = [mark for row in rows if row["region"] == region for mark in _placemark(row)]
        lines += [f"<Folder><name>{escape(region)}</name>", *marks, "</Folder>"]
    return "\n".join([*lines, "</Document></kml>", ""])


def _placemark(row: dict[str, Any]) -> Iterator[str]:
    year, parts = row["year"], [part for outline in row["outlines"].geoms for part in _polygon(outline)]
    several = len(row["outlines"].geoms) > 1
    yield f"<Placemark><name>{escape(row['name'])}</name>"
    yield f"<TimeSpan><begin>{year}-01-01</begin><end>{year}-12-31</end></TimeSpan>"
    told = {"class": "mining", "simulated": "true", "year": str(year)}
    data = "".join(f'<Data name="{name}"><value>{value}</value></Data>' for name, value in told.items())
    yield f"<ExtendedData>{data}</ExtendedData>"
    yield from ["<MultiGeometry>", *parts, "</MultiGeometry>"] if several else parts
    yield "</Placemark>"


def _polygon(polygon: Polygon) -> Iterator[str]:
    yield f"<Polygon><outerBoundaryIs>{_ring(polygon.exterior)}</outerBoundaryIs>"
    yield from (f"<innerBoundaryIs>{_ring(ring)}</innerBoundaryIs>" for ring in polygon.interiors)
    yield "</Polygon>"


def _ring(ring: Any) -> str:
    places = " ".join(f"{lon:.{_DIGITS}f},{lat:.{_DIGITS}f},0" for lon, lat in ring.coords)
    return f"<LinearRing><coordinates>{places}</coordinates></LinearRing>"


def _aliases(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(ALIAS_COLUMNS)
    table.writerows(sorted({(row["site"], row["name"]) for row in rows if row["site"] != row["name"]}))
    return text.getvalue()
