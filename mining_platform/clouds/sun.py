"""Where the sun stands, for scenes whose metadata do not say."""

import math
from datetime import UTC, datetime

_DAYS_A_CENTURY = 36_525
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def sun_position(when: datetime, longitude_deg: float, latitude_deg: float) -> tuple[float, float]:
    """Azimuth, clockwise from north, and elevation of the sun, degrees, at a time with zone; without refraction.

    Low-precision formulas of Meeus, Astronomical Algorithms (1998), chapters 12 and 25: good to about 0.02 degrees.
    """
    days = (when - _J2000).total_seconds() / 86_400
    declination, right_ascension = _equatorial(days)
    sidereal = math.radians((280.46061837 + 360.98564736629 * days + longitude_deg) % 360)
    hour_angle, latitude = sidereal - right_ascension, math.radians(latitude_deg)
    up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
    east = -math.cos(declination) * math.sin(hour_angle)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.atan2(east, north)) % 360, math.degrees(math.asin(up))


def _equatorial(days: float) -> tuple[float, float]:
    """Declination and right ascension, radians, of the sun so many days after J2000."""
    centuries = days / _DAYS_A_CENTURY
    anomaly = math.radians(357.52911 + 35_999.05029 * centuries)
    centre = (1.914602 - 0.004817 * centuries) * math.sin(anomaly) + 0.019993 * math.sin(2 * anomaly)
    centre += 0.000289 * math.sin(3 * anomaly)
    longitude = math.radians(280.46646 + 36_000.76983 * centuries + centre - 0.00569)
    obliquity = math.radians(23.439291 - 0.0130042 * centuries)
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    return math.asin(math.sin(obliquity) * math.sin(longitude)), ascension
