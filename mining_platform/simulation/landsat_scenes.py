"""When Landsat passes, and the pixels of a scene: Collection 2 reflectance, temperature and quality bits at 30 m."""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mining_platform.bands import LANDSAT_KELVIN_OFFSET, LANDSAT_KELVIN_SCALE, LANDSAT_OFFSET, LANDSAT_SCALE
from mining_platform.simulation import noise, sky, spectra
from mining_platform.simulation.atmosphere import CIRRUS_BRIGHTNESS
from mining_platform.simulation.calendar import sun_position, wanted_cover, wetness
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.painting import Ground
from mining_platform.simulation.scenes import mean_reflectance, observed_dn

PIXEL_M = 30
SCENES_A_YEAR = 8
REPEAT_DAYS = 16
SIMILAR_BANDS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "nir": "B8A",
    "swir1": "B11",
    "swir2": "B12",
}
"""Role of a band -> the Sentinel-2 band whose spectra stand for it; the two instruments' bands differ little."""
SURFACE_K = {"forest": 297.5, "secondary_forest": 298.5, "wetland": 298.0, "grassland": 304.0, "pasture": 303.0} | {
    "dry_pasture": 306.5, "bare_soil": 310.0, "burnt": 311.0, "sand": 309.0, "built": 310.0, "road": 309.0,
    "turbid_river": 300.5, "clear_water": 299.5, "bright_tailings": 308.0, "clay_tailings": 309.5, "turquoise_pond": 301.5,
    "ochre_pond": 302.0, "mine_regrowth": 303.0, "crop": 304.0, "plantation": 298.5, "rock": 311.0,
}  # fmt: skip
"""Temperature by material in kelvin at about 10 h in the dry season: by hand, in the order in which such surfaces are warm."""
WET_SEASON_K, CLOUD_TOP_K, SHADE_K = -3.5, 272.0, -2.0
_TIRS_BLUR_PX = 1.4  # pixels of 100 m, resampled to 30 m in the products
_CLOUD_DILATION_PX = 3  # Landsat 8-9 Collection 2 Level 2 Science Product Guide: dilated cloud
_DN_PER_REFLECTANCE = 10_000  # what the kernels of scenes.py count in

FILL, DILATED, CIRRUS, CLOUD, SHADOW, CLEAR, WATER = 0, 1, 2, 3, 4, 6, 7
CLOUD_CONFIDENCE, SHADOW_CONFIDENCE, SNOW_CONFIDENCE, CIRRUS_CONFIDENCE = 8, 10, 12, 14
"""Bits of QA_PIXEL, and first of two bits of each confidence (1 low, 3 high), the same guide, table 6-2."""


@dataclass(frozen=True)
class Instrument:
    """A Landsat satellite and the names of its bands."""

    sensor: str
    """First part of a product's name."""
    provider: str
    """Whose names of bands its files have, one of bands.PROVIDERS."""
    roles: tuple[str, ...]
    """Bands that reflect."""
    since: int
    """First whole year."""


_TM_ROLES, _OLI_ROLES = tuple(role for role in SIMILAR_BANDS if role != "coastal"), tuple(SIMILAR_BANDS)
INSTRUMENTS = (
    Instrument("LT05", "landsat-tm", _TM_ROLES, 1985),
    Instrument("LE07", "landsat-tm", _TM_ROLES, 2012),
    Instrument("LC08", "landsat-oli", _OLI_ROLES, 2014),
    Instrument("LC09", "landsat-oli", _OLI_ROLES, 2022),
)


@dataclass(frozen=True)
class LandsatSpec:
    """Everything about one scene but its pixels."""

    id: str
    instrument: Instrument
    path_row: tuple[int, int]
    sensed: dt.datetime
    sun: tuple[float, float]
    """Azimuth and elevation in degrees."""
    wetness: float
    cover: float
    haze: float
    """As of calendar.SceneSpec."""


@dataclass(frozen=True)
class LandsatScene:
    """Pixels of one scene as they go to disk."""

    reflectance: Mapping[str, NDArray[np.uint16]]
    """(y, x) digital numbers by role: reflectance = LANDSAT_SCALE x number + LANDSAT_OFFSET."""
    temperature: NDArray[np.uint16]
    """(y, x) digital numbers: kelvin = LANDSAT_KELVIN_SCALE x number + LANDSAT_KELVIN_OFFSET."""
    quality: NDArray[np.uint16]
    """(y, x) QA_PIXEL."""


def plan_landsat(region_id: str, year: int, *, longitude: float, latitude: float, seed: int) -> tuple[LandsatSpec, ...]:
    """Scenes of a region and year in order of time: SCENES_A_YEAR on passes of a 16-day orbit; a quarter is nearly clear."""
    rng = noise.generator(seed, region_id, year, "landsat calendar")
    flying = [row for row in INSTRUMENTS if row.since <= max(year, INSTRUMENTS[0].since)]
    pair = flying[-2:] if flying[-1].since >= 2022 else flying[-1:]
    path_row, orbit_day = path_and_row(region_id), int(noise.generator(seed, region_id, "landsat orbit").integers(1, 17))
    passes = ((np.arange(SCENES_A_YEAR) + rng.uniform(0.1, 0.9, SCENES_A_YEAR)) * 22 / SCENES_A_YEAR).astype(int).tolist()
    days = [orbit_day + REPEAT_DAYS * number + 8 * (k % len(pair)) for k, number in enumerate(passes)]
    seasons = [wetness(day, latitude) for day in days]
    driest = set(np.argsort(seasons, kind="stable")[: SCENES_A_YEAR // 4].tolist())
    specs = []
    for number, (day, season) in enumerate(zip(days, seasons, strict=True)):
        instrument = pair[number % len(pair)]
        sensed = dt.datetime(year, 1, 1, 13, 40, int(rng.integers(60)), tzinfo=dt.UTC) + dt.timedelta(days=day - 1)
        specs.append(
            LandsatSpec(
                id=_product_id(instrument, path_row, sensed.date()),
                instrument=instrument,
                path_row=path_row,
                sensed=sensed,
                sun=sun_position(sensed, longitude, latitude),
                wetness=season,
                cover=wanted_cover(season, number in driest, rng),
                haze=float(rng.uniform(0.0, 0.3)),
            )
        )
    return tuple(specs)


def path_and_row(region_id: str) -> tuple[int, int]:
    """Path and row that no Landsat flies (real ones end at 233 and 248), one pair a region."""
    number = int.from_bytes(hashlib.sha256(region_id.encode()).digest()[:4], "big")
    return 900 + number % 100, 300 + number // 100 % 700


def _product_id(instrument: Instrument, path_row: tuple[int, int], day: dt.date) -> str:
    made = day + dt.timedelta(days=12)
    return f"{instrument.sensor}_L2SP_{path_row[0]:03d}{path_row[1]:03d}_{day:%Y%m%d}_{made:%Y%m%d}_02_T1"


def render_landsat(spec: LandsatSpec, ground: Ground, *, seed: int) -> LandsatScene:
    """The pixels of a scene over (y, x) 10 m ground whose sides are multiples of 6 px, at 30 m."""
    rows, columns = ground.materials.shape
    rng = noise.generator(seed, spec.id, "sky")
    over = sky.make_sky((rows // 2, columns // 2), rng, cover=spec.cover, sun=spec.sun, swath=None)
    shape = (rows // 3, columns // 3)
    cloud, shadow, cirrus = (np.clip(noise.enlarge(field, shape), 0, 1) for field in (over.cloud, over.shadow, over.cirrus))
    numbers = _reflected(spec, ground, (cloud, shadow, cirrus), int(rng.integers(2**62)))
    water = np.array([material.scl == 6 for material in spectra.MATERIALS])[ground.materials[1::3, 1::3]]
    return LandsatScene(
        reflectance={role: numbers[k] for k, role in enumerate(spec.instrument.roles)},
        temperature=_temperature(spec, ground, cloud, shadow, rng),
        quality=quality_bits(cloud > 0.3, shadow > 0.45, cirrus > 0.16, water),
    )


def _reflected(spec: LandsatSpec, ground: Ground, over: tuple[Floats, Floats, Floats], key: int) -> NDArray[np.uint16]:
    """(band, y, x) digital numbers of the instrument's roles."""
    columns = [spectra.CHANNELS.index(SIMILAR_BANDS[role]) for role in spec.instrument.roles]
    dry, wet = (np.ascontiguousarray(spectra.spectra(season)[:, columns]) for season in ("dry", "wet"))
    bright, haze = (np.array(values, dtype=np.float32)[columns] for values in (spectra.CLOUD, spectra.HAZE))
    texture, light = ground.textures, 1.0 + 0.10 * (float(np.sin(np.radians(spec.sun[1]))) - 0.85)
    surface = mean_reflectance(
        ground.materials, texture.fine, texture.coarse, texture.relief,
        dry, wet, spectra.textures(), np.float32(spec.wetness), PIXEL_M // 10,
    )  # fmt: skip
    added_dn = np.full(len(columns), -LANDSAT_OFFSET * _DN_PER_REFLECTANCE, dtype=np.float32)
    counted = observed_dn(
        surface, *over, np.ones(surface.shape[1:], dtype=bool), bright, CIRRUS_BRIGHTNESS * bright,
        haze * np.float32(spec.haze), np.float32(light), added_dn, np.uint64(key),
    )  # fmt: skip
    return np.asarray(np.rint(counted / (LANDSAT_SCALE * _DN_PER_REFLECTANCE)), dtype=np.uint16)


def _temperature(
    spec: LandsatSpec, ground: Ground, cloud: Floats, shadow: Floats, rng: np.random.Generator
) -> NDArray[np.uint16]:
    by_material = np.array([SURFACE_K[material.id] for material in spectra.MATERIALS], dtype=np.float32)
    rows, columns = cloud.shape
    kelvin = by_material[ground.materials].reshape(rows, 3, columns, 3).mean(axis=(1, 3)) + WET_SEASON_K * spec.wetness
    kelvin = ndimage.gaussian_filter(kelvin + SHADE_K * shadow, _TIRS_BLUR_PX)
    kelvin = kelvin * (1 - cloud) + CLOUD_TOP_K * cloud + 0.25 * rng.standard_normal(cloud.shape)
    return np.asarray(np.rint((kelvin - LANDSAT_KELVIN_OFFSET) / LANDSAT_KELVIN_SCALE), dtype=np.uint16)


def quality_bits(
    cloud: NDArray[np.bool_], shadow: NDArray[np.bool_], cirrus: NDArray[np.bool_], water: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """QA_PIXEL of what covers each pixel: (y, x) bool in, uint16 out; cloud is dilated here."""
    dilated = ndimage.binary_dilation(cloud, iterations=_CLOUD_DILATION_PX) & ~cloud
    shaded, thin = shadow & ~cloud, cirrus & ~cloud
    bits = np.zeros(cloud.shape, dtype=np.uint16)
    for flag, bit in ((dilated, DILATED), (thin, CIRRUS), (cloud, CLOUD), (shaded, SHADOW), (water & ~cloud, WATER)):
        bits |= flag.astype(np.uint16) << np.uint16(bit)
    bits |= (~(cloud | dilated)).astype(np.uint16) << np.uint16(CLEAR)
    snow = np.zeros_like(cloud)
    found = ((cloud, CLOUD_CONFIDENCE), (shaded, SHADOW_CONFIDENCE), (snow, SNOW_CONFIDENCE), (thin, CIRRUS_CONFIDENCE))
    for flag, bit in found:
        bits |= np.where(flag, 3, 1).astype(np.uint16) << np.uint16(bit)
    return bits
