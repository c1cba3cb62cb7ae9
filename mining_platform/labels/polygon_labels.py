"""Polygons that people drew, chosen by site, property and day, and burnt into the pixels of an image's own grid."""

import calendar
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.site_names import matched_site, normalised_site
from mining_platform.vector_files import SUFFIXES, lies_on_the_globe, read_features

AREAS = ("Polygon", "MultiPolygon")
SITE_FIELDS = ("site", "name")
"""Properties that name a polygon's site, the first that a file has."""
BEGIN, END = "begin", "end"
"""Properties that tell from which to which day a polygon holds; KML's times are read into them."""
_CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|=)\s*(.*?)\s*")
_LIMITS: Mapping[str, Callable[[Any, Any], Any]] = {"<=": operator.le, ">=": operator.ge}
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}).*)?)?", re.DOTALL)
EDGE_PX = 0.01
"""How far beyond an image's edge a polygon may reach and still lie in it: degrees are rounded where they are written."""
_MOST_SHOWN = 8


def read_polygons(path: Path) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """Polygons of a GeoJSON, GeoPackage, KML or KMZ file in its own CRS, and what to say of features that are none.

    Several parts and inner rings stay. LabelError for a file that is missing or cannot be read, without CRS or polygons, and
    for degrees that are none, as coordinates in metres without their CRS would be.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise LabelError(f"{path} is no file of polygons ({', '.join(SUFFIXES)}). Save them as one.")
    try:
        found = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise LabelError(f"{path.name} cannot be read: {' '.join(str(error).split())}. Mend or replace the file.") from None
    if not isinstance(found, gpd.GeoDataFrame) or found.crs is None:
        raise LabelError(f"{path.name} has no CRS. State it in the file, e.g. with ogr2ogr -a_srs.")
    polygons = found[found.geom_type.isin(AREAS) & ~found.is_empty].reset_index(drop=True)
    if polygons.empty:
        raise LabelError(f"{path.name} has {len(found)} features and no polygon among them. Name the file of polygons.")
    if not lies_on_the_globe(polygons):
        raise LabelError(f"{path.name} has coordinates that are no degrees, though its CRS is {found.crs.name}. State the CRS.")
    others = len(found) - len(polygons)
    return polygons, ((f"{others} features of {path.name} are no polygons and are left out.",) if others else ())


def of_site(
    polygons: gpd.GeoDataFrame, site: str, aliases: Mapping[str, str], where: str, *, field: str = ""
) -> gpd.GeoDataFrame:
    """Polygons of a site, by the property `field`, else by the first of SITE_FIELDS that there is; see `matched_site`."""
    names = [str(name) for name in polygons[site_column(polygons, field, where)].fillna("")]
    wanted = matched_site(site, names, aliases, where)
    return polygons[[normalised_site(name) == wanted for name in names]]


def site_column(polygons: gpd.GeoDataFrame, field: str, where: str) -> str:
    """The property that names the site: `field`, else the first of SITE_FIELDS that there is; LabelError for none."""
    column = field or next((name for name in SITE_FIELDS if name in polygons), "")
    _check_column(polygons, column, where)
    return column


def fulfilling(polygons: gpd.GeoDataFrame, conditions: Sequence[str], where: str) -> gpd.GeoDataFrame:
    """Polygons that fulfil all conditions on their properties: `class=mining`, `year<=2022`, `year>=2018`.

    LabelError for what is no condition, a property that there is not, a limit on what is no number, and where none is left.
    """
    for condition in conditions:
        parts = _CONDITION.fullmatch(condition)
        if parts is None:
            raise LabelError(f"{condition!r} is no condition. Write PROPERTY=VALUE, PROPERTY<=NUMBER or PROPERTY>=NUMBER.")
        column, relation, value = parts.groups()
        _check_column(polygons, column, where)
        kept = polygons[_holds(polygons[column], relation, value, f"{where}, {condition}")]
        if kept.empty:
            values = ", ".join(sorted({str(each) for each in polygons[column]})[:_MOST_SHOWN])
            raise LabelError(f"{where} has no polygon with {condition}; {column} is {values}. Mend the condition.")
        polygons = kept
    return polygons


def on_day(polygons: gpd.GeoDataFrame, day: date, where: str) -> gpd.GeoDataFrame:
    """Polygons that hold on a day: from the first day of `begin` to the last of `end`, where empty without limit.

    A year or month is meant whole. LabelError where no polygon tells a time, for what is no day, and where none holds.
    """
    if {BEGIN, END}.isdisjoint(polygons.columns):
        raise LabelError(f"{where} does not say when its polygons hold ({BEGIN}, {END}, or times of KML). Leave the day out.")
    found = holding(polygons, day, where)
    if found.empty:
        raise LabelError(f"{where} has no polygon that holds on {day}. Name another day, or leave it out.")
    return found


def holding(polygons: gpd.GeoDataFrame, day: date, where: str) -> gpd.GeoDataFrame:
    """Polygons that hold on a day, possibly none; all where none tells a time. LabelError for what is no day."""
    rows = [
        _first_day(row.get(BEGIN), where) <= day <= _last_day(row.get(END), where)
        for row in polygons.drop(columns="geometry").to_dict("records")
    ]
    return polygons[rows]


def polygon_mask(
    polygons: gpd.GeoDataFrame, grid: GeoBox, where: str, *, outside: Literal["refuse", "report"]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Pixels of a grid whose centre lies in a polygon (y, x), and what to say of polygons that reach beyond it.

    The grid may be in any CRS, turned, or with rows from south to north; edges are straight in its CRS. A ring inside an outer
    one is a hole; polygons over each other count once. LabelError for polygons that the CRS does not reach and, with `refuse`,
    for any that lies wholly outside.
    """
    from rasterio.features import rasterize

    projected = polygons.geometry.force_2d().to_crs(str(grid.crs))
    if not np.isfinite(projected.bounds).all(axis=None):
        raise LabelError(f"{where} has polygons beyond what {_name_of(grid)} reaches. Is the CRS of one of the two wrong?")
    frame = shapely.Polygon([grid.affine * corner for corner in _corners(grid)])
    edge = EDGE_PX * math.sqrt(abs(grid.affine.determinant))
    inside, there = projected.covered_by(frame.buffer(edge)), projected.intersects(frame)
    if outside == "refuse" and not there.all():
        raise LabelError(
            f"{int((~there).sum())} of {len(there)} polygons of {where} lie outside the image (the first is number "
            f"{int(np.flatnonzero(~there)[0]) + 1}). Is it the right site, and is its CRS right?"
        )
    shapes = list(projected[there])
    if not shapes:
        return np.zeros(grid.shape, bool), (f"None of {len(there)} polygons of {where} touches the image.",)
    mask = np.asarray(rasterize(shapes, out_shape=grid.shape, transform=grid.affine, default_value=1, dtype="uint8")) > 0
    return mask, _notes(len(there), int((~there).sum()), int((there & ~inside).sum()), mask, where)


def _notes(count: int, beyond: int, cut: int, mask: NDArray[np.bool_], where: str) -> tuple[str, ...]:
    told = {
        f"{beyond} of {count} polygons of {where} lie outside the image.": beyond,
        f"{cut} of {count} polygons of {where} reach beyond the image and are cut at its edge.": cut,
        f"No pixel's centre lies in a polygon of {where}.": not mask.any(),
    }
    return tuple(text for text, holds in told.items() if holds)


def _corners(grid: GeoBox) -> tuple[tuple[int, int], ...]:
    height, width = grid.shape
    return (0, 0), (width, 0), (width, height), (0, height)


def _name_of(grid: GeoBox) -> str:
    return f"EPSG:{grid.crs.epsg}" if grid.crs and grid.crs.epsg else "the image's CRS"


def _check_column(polygons: gpd.GeoDataFrame, column: str, where: str) -> None:
    own = [str(name) for name in polygons.columns if name != "geometry"]
    if column not in own:
        asked = f"no property {column!r}" if column else f"no property {' or '.join(SITE_FIELDS)}"
        raise LabelError(f"{where} has {asked}; its polygons have {', '.join(own) or 'none'}. Name one of these.")


def _holds(values: Any, relation: str, value: str, where: str) -> list[bool]:
    if relation == "=":
        return [_text(each) == _text(value) for each in values]
    try:
        return [bool(_LIMITS[relation](float(each), float(value))) for each in values]
    except (TypeError, ValueError):
        raise LabelError(f"{where}: not all are numbers. Use = for texts.") from None


def _text(value: object) -> str:
    """A value as people write it: 2022.0 is 2022."""
    try:
        return f"{float(str(value)):.15g}"
    except ValueError:
        return str(value).strip()


def _first_day(value: object, where: str) -> date:
    parts = _day_parts(value, where)
    return date(parts[0], parts[1] or 1, parts[2] or 1) if parts else date.min


def _last_day(value: object, where: str) -> date:
    parts = _day_parts(value, where)
    if not parts:
        return date.max
    month = parts[1] or 12
    return date(parts[0], month, parts[2] or calendar.monthrange(parts[0], month)[1])


def _day_parts(value: object, where: str) -> tuple[int, int, int] | None:
    """Year, month and day, 0 where they are not told; None for no value."""
    text = "" if value is None or value != value else str(value).strip()  # noqa: PLR0124 - NaN and NaT
    if not text or text == "NaT":
        return None
    found = _DAY.fullmatch(_text(text))
    try:
        parts = tuple(int(part or 0) for part in found.groups()) if found else ()
        date(parts[0], parts[1] or 1, parts[2] or 1)
    except (ValueError, IndexError):
        raise LabelError(f"{where}: {text!r} is no day. Write it as 2022, 2022-05 or 2022-05-31.") from None
    return parts[0], parts[1], parts[2]
