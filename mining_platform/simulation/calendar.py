"""When scenes are taken, and under which sun, season, weather and processing baseline."""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np

from mining_platform.bands import S2_OFFSET_BASELINE, S2_OFFSET_DN
from mining_platform.simulation import noise

OFFSET_START = dt.date(2022, 1, 25)
"""First sensing day of baseline 04.00 in operation, Sentinel-2 Products Specification Document."""
REVISIT_DAYS = 5
"""Two satellites pass the same place every five days."""
MIN_DATES, MAX_DATES = 4, 60
"""Dates a year that can be asked for: an orbit has some 72 passes."""
_ODD_ONE_OUT = 5
"""One scene in so many is processed on the other side of baseline 04.00 than its date says: old scenes
reprocessed, recent ones not reprocessed."""


@dataclass(frozen=True)
class SceneSpec:
    """Everything about one scene but its pixels."""

    id: str
    region_id: str
    sensed: dt.datetime
    platform: str
    baseline: str
    sun: tuple[float, float]
    """Azimuth and elevation in degrees."""
    wetness: float
    """0 at the end of the dry season, 1 at the height of the rains."""
    cover: float
    """Wanted share of cloud."""
    haze: float
    """Strength of residual aerosol, 0 to 1; smoke in the burning season."""
    swath: tuple[float, int] | None
    """Share of the scene's width inside the swath, and which side; None where all of it is."""

    @property
    def added_dn(self) -> int:
        """Digital numbers added to reflectance x 10000 in the files of this baseline."""
        return -S2_OFFSET_DN if float(self.baseline) >= S2_OFFSET_BASELINE else 0


def wetness(day_of_year: int, latitude: float) -> float:
    """Season from 0 (dry) to 1 (rains): rains peak in mid February south of the equator, in late April north of it."""
    peak = 46 if latitude < 0 else 115
    return 0.5 + 0.5 * math.cos(2 * math.pi * (day_of_year - peak) / 365.25)


def sun_position(sensed: dt.datetime, longitude: float, latitude: float) -> tuple[float, float]:
    """Sun azimuth (clockwise from north) and elevation in degrees, to about one degree (Cooper 1969, Solar Energy 12(3))."""
    day = sensed.timetuple().tm_yday
    declination = math.radians(23.45 * math.sin(2 * math.pi * (284 + day) / 365))
    hour = math.radians(15 * (sensed.hour + sensed.minute / 60 + longitude / 15 - 12))
    phi = math.radians(latitude)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour)
    return math.degrees(math.atan2(east, north)) % 360, math.degrees(math.asin(up))


def plan_scenes(
    region_id: str, year: int, *, longitude: float, latitude: float, dates_per_year: int, seed: int
) -> tuple[SceneSpec, ...]:
    """Scenes of a region and year in order of time: spread over the year, on passes of a 5-day orbit.

    A quarter of the dates, those of the driest season, are nearly clear; one in five is cut by the edge of the swath.
    `dates_per_year` lies between MIN_DATES and MAX_DATES.
    """
    rng = noise.generator(seed, region_id, year, "calendar")
    days = _pass_days(dates_per_year, int(noise.generator(seed, region_id, "orbit").integers(REVISIT_DAYS)), rng)
    seasons = [wetness(day, latitude) for day in days]
    driest = set(np.argsort(seasons, kind="stable")[: max(2, dates_per_year // 4)].tolist())
    specs = []
    for number, (day, season) in enumerate(zip(days, seasons, strict=True)):
        sensed = dt.datetime(year, 1, 1, 14, int(rng.integers(2, 28)), 41, tzinfo=dt.UTC) + dt.timedelta(days=day - 1)
        platform = "sentinel-2a" if (day // REVISIT_DAYS) % 2 == 0 else "sentinel-2b"
        specs.append(
            SceneSpec(
                id=f"SIM_S2{platform[-1].upper()}_{region_id}_{sensed:%Y%m%d}_L2A",
                region_id=region_id,
                sensed=sensed,
                platform=platform,
                baseline=_baseline(sensed.date(), odd=number % _ODD_ONE_OUT == 2),
                sun=sun_position(sensed, longitude, latitude),
                wetness=season,
                cover=wanted_cover(season, number in driest, rng),
                haze=float(rng.uniform(0.0, 0.35) + (rng.random() < 0.3) * rng.uniform(0.1, 0.5)),
                swath=_swath(number, number in driest, rng),
            )
        )
    return tuple(specs)


def _pass_days(count: int, orbit_day: int, rng: np.random.Generator) -> list[int]:
    last = (364 - orbit_day) // REVISIT_DAYS
    passes = (np.arange(count) + rng.uniform(0.15, 0.85, count)) * (last + 1) / count
    numbers = np.maximum.accumulate(np.floor(passes).astype(int))
    distinct = sorted(set(numbers.tolist()))
    spare = [number for number in range(last + 1) if number not in set(distinct)]
    chosen = sorted(distinct + spare[: count - len(distinct)])
    return [1 + orbit_day + REVISIT_DAYS * number for number in chosen]


def _baseline(day: dt.date, *, odd: bool) -> str:
    if day >= OFFSET_START:
        return "03.01" if odd else "05.10"
    return "05.00" if odd else "02.14"


def wanted_cover(season: float, driest: bool, rng: np.random.Generator) -> float:
    """Share of cloud of a scene at a wetness of the season: next to none on the driest days, else anything up to all."""
    if driest:
        return float(rng.choice([0.0, 0.03, 0.08]))
    if rng.random() < 0.1 + 0.15 * season:
        return float(rng.uniform(0.88, 1.0))
    return float(np.clip(rng.beta(2, 3) * (0.55 + 0.75 * season), 0.02, 0.85))


def _swath(number: int, driest: bool, rng: np.random.Generator) -> tuple[float, int] | None:
    cut, side = float(rng.uniform(0.35, 0.85)), int(rng.choice([-1, 1]))
    return (cut, side) if number % 5 == 1 and not driest else None
