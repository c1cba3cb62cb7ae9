"""Numbers, strings, lists, dictionaries, dates and geometries."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyproj import Geod
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from tests.earth_engine.elements import Reference
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Projection, known_crs, metres_a_pixel, to_degrees

MILLISECONDS = {"second": 1e3, "minute": 6e4, "hour": 3.6e6, "day": 8.64e7, "week": 6.048e8}
"""Lengths of the units that have one."""

FORMATS = {"YYYY": "%Y", "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "DDD": "%j"}
"""Joda patterns -> strftime's."""


@dataclass(frozen=True)
class Date:
    """A moment."""

    millis: float
    """Milliseconds since 1970-01-01T00:00:00Z."""

    @property
    def moment(self) -> datetime:
        """The same in UTC."""
        return datetime.fromtimestamp(self.millis / 1000, UTC)


@dataclass(frozen=True)
class DateRange:
    """From a moment (included) to another (excluded)."""

    start: Date
    end: Date


def date(value: Any, time_zone: str | None = None) -> Date:
    """`Date` of milliseconds, or an ISO text, which is UTC."""
    if time_zone not in {None, "UTC", "Etc/UTC"}:
        raise RefusedError(f"Date: time zone {time_zone!r} is not known to this stand-in, only UTC.")
    if isinstance(value, Date):
        return value
    if isinstance(value, int | float):
        return Date(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise RefusedError(f"Date: Invalid date {value!r}.") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Date(round(aware.timestamp() * 1000))


def date_range(start: Any, end: Any = None, time_zone: str | None = None) -> DateRange:
    """`DateRange`; without an end, one millisecond."""
    first = date(start, time_zone)
    return DateRange(first, Date(first.millis + 1) if end is None else date(end, time_zone))


def date_format(date: Date, format: str | None = None, time_zone: str | None = None) -> str:
    """`Date.format` by a Joda pattern of the usual fields, ISO by default."""
    if time_zone not in {None, "UTC"}:
        raise RefusedError(f"Date.format: time zone {time_zone!r} is not known to this stand-in, only UTC.")
    if format is None:
        return date.moment.strftime("%Y-%m-%dT%H:%M:%S")
    quoted = re.sub(r"'([^']*)'", r"\1", format)
    return date.moment.strftime(re.sub("|".join(sorted(FORMATS, key=len, reverse=True)), lambda found: FORMATS[found[0]], quoted))


def advance(date: Date, delta: float, unit: str, time_zone: str | None = None) -> Date:  # noqa: ARG001
    """`Date.advance`; months and years keep the day of the month."""
    name = unit.removesuffix("s")
    if name in MILLISECONDS:
        return Date(date.millis + delta * MILLISECONDS[name])
    months = {"month": 1, "year": 12}.get(name)
    if months is None or not float(delta).is_integer():
        raise RefusedError(f"Date.advance: {delta} {unit!r} is not known to this stand-in.")
    year, month = divmod(date.moment.year * 12 + date.moment.month - 1 + int(delta) * months, 12)
    return Date(round(date.moment.replace(year=year, month=month + 1).timestamp() * 1000))


def date_part(date: Date, unit: str, time_zone: str | None = None) -> int:  # noqa: ARG001
    """`Date.get`."""
    return int(getattr(date.moment, unit))


def projection(crs: Any, transform: Sequence[float] | None = None) -> Projection:
    """`Projection`; without a transform the identity."""
    if isinstance(crs, Projection):
        return crs
    return Projection(known_crs(str(crs)), tuple(float(number) for number in transform or (1, 0, 0, 0, 1, 0)))


def at_scale(projection: Projection, meters: float) -> Projection:
    """`Projection.atScale`: the same origin and axes, pixels of that many metres."""
    factor = meters / metres_a_pixel(projection)
    a, b, c, d, e, f = projection.transform
    return Projection(projection.crs, (a * factor, b * factor, c, d * factor, e * factor, f))


def _geometry(make: Callable[[Any], Any]) -> Callable[..., Reference]:
    def made(coordinates: Any, crs: Projection | None = None, geodesic: bool | None = None, **_settings: Any) -> Reference:
        """Edges are straight in EPSG:4326 whether or not they are asked to be geodesic."""
        del geodesic
        shape = make(_numbers(coordinates))
        return Reference(shape if crs is None else to_degrees(shape, crs.crs))

    return made


def _numbers(coordinates: Any) -> Any:
    return [one.shape.coords[0] if isinstance(one, Reference) else one for one in coordinates]


def _polygon(coordinates: Sequence[Any]) -> Polygon:
    flat = not isinstance(coordinates[0][0], list | tuple)
    return Polygon(coordinates) if flat else Polygon(coordinates[0], coordinates[1:])


def _rectangle(coordinates: Sequence[Any]) -> Polygon:
    if isinstance(coordinates[0], int | float):
        return box(*coordinates)
    return box(*coordinates[0], *coordinates[1])


def _combined(*dictionaries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for dictionary in dictionaries for key, value in dictionary.items()}


def _area(geometry: Reference, **_settings: Any) -> float:
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(geometry.shape)[0])


def truncated(input: float) -> int:
    """`Number.toInt`."""
    return int(input)


def length(list: Sequence[Any]) -> int:
    """`List.size`."""
    return len(list)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Date": date,
    "Date.millis": lambda date: date.millis,
    "Date.format": date_format,
    "Date.advance": advance,
    "Date.get": date_part,
    "Date.difference": lambda date, start, unit: (date.millis - start.millis) / MILLISECONDS[unit.removesuffix("s")],
    "DateRange": date_range,
    "DateRange.start": lambda date_range: date_range.start,
    "DateRange.end": lambda date_range: date_range.end,
    "Projection": projection,
    "Projection.atScale": at_scale,
    "Projection.crs": lambda projection: projection.crs,
    "Projection.nominalScale": metres_a_pixel,
    "GeometryConstructors.Point": _geometry(Point),
    "GeometryConstructors.LineString": _geometry(LineString),
    "GeometryConstructors.Polygon": _geometry(_polygon),
    "GeometryConstructors.Rectangle": _geometry(_rectangle),
    "GeometryConstructors.BBox": lambda west, south, east, north: Reference(box(west, south, east, north)),
    "GeometryConstructors.MultiPolygon": _geometry(lambda coordinates: MultiPolygon([_polygon(one) for one in coordinates])),
    "Geometry.bounds": lambda geometry, **_settings: Reference(box(*geometry.shape.bounds)),
    "Geometry.area": _area,
    "Number.add": lambda left, right: left + right,
    "Number.subtract": lambda left, right: left - right,
    "Number.multiply": lambda left, right: left * right,
    "Number.divide": lambda left, right: left / right if right else 0,
    "Number.round": lambda input: math.floor(input + 0.5),
    "Number.toInt": truncated,
    "Number.int": truncated,
    "String": lambda input: f"{input}",
    "String.cat": lambda string1, string2: string1 + string2,
    "String.slice": lambda string, start, end=None: string[int(start) : None if end is None else int(end)],
    "List.get": lambda list, index: list[int(index)],
    "List.size": length,
    "List.length": length,
    "List.map": lambda list, base_algorithm: [base_algorithm(one) for one in list],
    "Dictionary": lambda input=None: dict(input or {}),
    "Dictionary.fromLists": lambda keys, values: dict(zip(keys, values, strict=True)),
    "Dictionary.get": lambda dictionary, key, default_value=None: dictionary.get(key, default_value),
    "Dictionary.set": lambda dictionary, key, value: {**dictionary, key: value},
    "Dictionary.combine": lambda first, second, overwrite=True: _combined(*((first, second) if overwrite else (second, first))),
}
