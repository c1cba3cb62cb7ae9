"""When Sentinel-1 passes, and the pixels of a scene: gamma nought in linear power under the speckle of four looks.

Slopes are ignored: neither brightness nor geometry tells them, as if terrain correction were perfect.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform.simulation import noise
from mining_platform.simulation.backscatter import POLARISATIONS, deviations_db, gamma_nought
from mining_platform.simulation.calendar import wetness
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.painting import TEXTURE_SCALE, Ground
from mining_platform.simulation.sky import swath_half_plane

LOOKS = 4
"""Independent looks of a pixel; GRD in high resolution has 4.4, Sentinel-1 Product Definition S1-RS-MDA-52-7440."""
PIXEL_M = 20
"""About the resolution of the instrument, so that the speckle of neighbours is independent."""
NODATA = -32768.0
DATES_A_YEAR = 6
REPEAT_DAYS = 12
_STEP = PIXEL_M // 10
_KEPT_BITS = 12
"""Of the 23 of a number's mantissa, good for 0.0006 dB: speckle beyond them would double the size of the files."""


@dataclass(frozen=True)
class Pass:
    """The hour of a day at which one direction of flight passes, and its track."""

    orbit: str
    hour: int
    """UTC over the middle of the Amazon: 18 h and 6 h of local solar time."""
    relative_orbit: int


PASSES = (Pass("ascending", 21, 137), Pass("descending", 9, 39))


@dataclass(frozen=True)
class RadarSpec:
    """Everything about one scene but its pixels."""

    id: str
    region_id: str
    sensed: dt.datetime
    flown: Pass
    wetness: float
    """0 for dry ground, 1 for soaked ground; higher where it has just rained."""
    swath: tuple[float, int] | None
    """As of calendar.SceneSpec."""


def plan_radar(region_id: str, year: int, *, latitude: float, seed: int) -> tuple[RadarSpec, ...]:
    """Scenes of a region and year in order of time: DATES_A_YEAR over the year, the two directions of flight in turn.

    One in four is cut by the edge of the swath.
    """
    rng = noise.generator(seed, region_id, year, "radar calendar")
    repeats = 360 // REPEAT_DAYS
    specs = []
    for number in range(DATES_A_YEAR):
        flown = PASSES[number % len(PASSES)]
        repeat = int((number + rng.uniform(0.1, 0.9)) * repeats / DATES_A_YEAR)
        minute, second = (int(value) for value in rng.integers(0, 60, 2))
        day = dt.timedelta(days=repeat * REPEAT_DAYS + 3 + 5 * (number % len(PASSES)))
        sensed = dt.datetime(year, 1, 1, flown.hour, minute, second, tzinfo=dt.UTC) + day
        season = wetness(sensed.timetuple().tm_yday, latitude)
        rained = rng.random() < 0.15 + 0.4 * season
        specs.append(
            RadarSpec(
                id=f"SIM_S1A_IW_GRDH_1SDV_{sensed:%Y%m%dT%H%M%S}_{region_id}_rtc",
                region_id=region_id,
                sensed=sensed,
                flown=flown,
                wetness=float(min(1.0, season + (0.25 if rained else 0.0))),
                swath=(float(rng.uniform(0.5, 0.9)), int(rng.choice([-1, 1]))) if number % 4 == 3 else None,
            )
        )
    return tuple(specs)


def render_radar(spec: RadarSpec, ground: Ground, *, seed: int) -> dict[str, NDArray[np.float32]]:
    """Pixels by polarisation, (y/2, x/2) float32 gamma nought, linear; NODATA outside the swath."""
    rng = noise.generator(seed, spec.id, "speckle")
    clean = ground_power(ground, spec.wetness)
    seen = _seen(spec, (clean.shape[1], clean.shape[2]))
    scenes = {}
    for name, power in zip(POLARISATIONS, clean, strict=True):
        grains = rng.standard_gamma(LOOKS, power.shape, dtype=np.float32) / np.float32(LOOKS)
        scenes[name] = np.where(seen, rounded_mantissa(power * grains), np.float32(NODATA))
    return scenes


def ground_power(ground: Ground, wet: float) -> Floats:
    """Gamma nought of the ground without speckle: (polarisation, y/2, x/2) float32, linear, the mean of 2 x 2 pixels."""
    materials, scale = ground.materials, np.float32(TEXTURE_SCALE)
    coarse_db, fine_db = deviations_db().T
    db = coarse_db[materials] * (ground.textures.coarse / scale) + fine_db[materials] * (ground.textures.fine / scale)
    gain = (10 ** (db / np.float32(10))).astype(np.float32)
    power = gamma_nought(wet)
    rows, columns = materials.shape[0] // _STEP, materials.shape[1] // _STEP
    layers = [
        (power[materials, k] * gain).reshape(rows, _STEP, columns, _STEP).mean(axis=(1, 3)) for k in range(len(POLARISATIONS))
    ]
    return np.asarray(np.stack(layers), dtype=np.float32)


def rounded_mantissa(values: Floats) -> NDArray[np.float32]:
    """Positive numbers rounded to _KEPT_BITS bits of mantissa, the same shape."""
    spare = 23 - _KEPT_BITS
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + np.uint32(1 << (spare - 1))) & ~np.uint32((1 << spare) - 1)).view(np.float32)


def _seen(spec: RadarSpec, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if spec.swath is None:
        return np.ones(shape, dtype=bool)
    a, b, c = swath_half_plane(shape, *spec.swath)
    y, x = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    return np.asarray(a * x + b * y <= c, dtype=bool)
