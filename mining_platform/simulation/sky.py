"""What stands between ground and sensor in one scene: clouds, their shadows, the swath's edge, and what is made of them.

Everything here is on the 20 m grid of the scene classification.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mining_platform.simulation import noise
from mining_platform.simulation.noise import Floats

PIXEL_M = 20
_SHADOW_REACH_PX = 150
"""Margin of the cloud field, so that clouds outside the scene throw shadows into it: 3 km."""


@dataclass(frozen=True)
class Sky:
    """Fields of one scene: (y, x) on the 20 m grid."""

    cloud: Floats
    """Opacity, 0 to 1."""
    shadow: Floats
    """Share of sunlight taken, 0 to 1."""
    cirrus: Floats
    """Opacity of thin high cloud, 0 to 1."""
    seen: NDArray[np.bool_]
    """Inside the swath."""


def swath_half_plane(shape: tuple[int, int], cut: float, side: int) -> tuple[float, float, float]:
    """(a, b, c) of the swath a*x + b*y <= c in px of `shape`, where `cut` is the share seen at mid height.

    Sentinel-2 flies down at about 12 degrees off the meridian near the equator.
    """
    height, width = shape
    slope = math.tan(math.radians(12))
    at_middle = width * (cut if side > 0 else 1 - cut)
    return side * 1.0, side * slope, side * (at_middle + slope * height / 2)


def make_sky(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    cover: float,
    sun: tuple[float, float],
    swath: tuple[float, float, float] | None,
) -> Sky:
    """Sky over (y, x) 20 m pixels: about `cover` of it cloud; `sun` is azimuth and elevation in degrees."""
    margin = _SHADOW_REACH_PX
    wide = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    puffy = rng.random() < 0.6
    form = noise.rough(wide, rng, 48 if puffy else 260, 2.15 if puffy else 2.1)
    opacity = _thresholded(form, cover, softness=0.8 if puffy else 1.1)
    height_m = rng.uniform(900, 1900)
    shadow = _shadow(opacity, height_m, sun)
    inner = (slice(margin, margin + shape[0]), slice(margin, margin + shape[1]))
    cloud = opacity[inner]
    thin = noise.coarse_rough(shape, rng, 300, step=4, power=2.2)
    strength = rng.uniform(0.15, 0.4) if rng.random() < 0.35 else 0.0
    cirrus = (np.clip(thin - 0.4, 0, 1) * strength).astype(np.float32)
    seen = np.ones(shape, dtype=bool)
    if swath is not None:
        y, x = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
        seen = swath[0] * x + swath[1] * y <= swath[2]
    return Sky(cloud, np.clip(shadow[inner] * (1 - cloud), 0, 1), cirrus, seen)


def _thresholded(form: Floats, cover: float, softness: float) -> Floats:
    """Opacity that passes one half over about `cover` of the area, with soft edges."""
    if cover <= 0:
        return np.zeros_like(form)
    level = np.quantile(form[::4, ::4], 1 - min(cover, 0.999))
    t = np.clip((form - level) / softness + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _shadow(opacity: Floats, height_m: float, sun: tuple[float, float]) -> Floats:
    """Clouds moved away from the sun by height / tan(elevation) and blurred by their thickness."""
    azimuth, elevation = map(math.radians, sun)
    length = min(height_m / math.tan(elevation) / PIXEL_M, _SHADOW_REACH_PX - 5)
    rows, columns = round(length * math.cos(azimuth)), round(-length * math.sin(azimuth))
    moved = np.roll(opacity, (rows, columns), axis=(0, 1))
    return np.asarray(ndimage.uniform_filter(moved, 5), dtype=np.float32)


def classify(sky: Sky, material_scl: NDArray[np.uint8], brightness: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scene classification (y, x) uint8 with the usual faults: 0, 3, 4, 5, 6, 7, 8, 9, 10 of the Sen2Cor legend.

    Thin cloud edges are missed, some bright bare ground is called cloud, some shade is missed. `brightness` is the
    blue reflectance of the clear ground x 10000.
    """
    doubt = noise.rough(sky.cloud.shape, rng, 8, 1.8)
    scl = material_scl.copy()
    scl[(sky.shadow > 0.42 + 0.06 * doubt) & (sky.cloud < 0.3)] = 3
    scl[(sky.cirrus > 0.16) & (sky.cloud < 0.2)] = 10
    felt = sky.cloud + 0.04 * doubt + 0.6 * sky.cirrus
    false_cloud = (brightness > 1450) & (doubt > 1.9)
    scl[(sky.cloud > 0.12) & (felt > 0.2)] = 7
    scl[((felt > 0.32) & (sky.cloud > 0.2)) | false_cloud] = 8
    scl[felt > 0.72] = 9
    scl[~sky.seen] = 0
    return np.asarray(scl, dtype=np.uint8)


def cloud_probability(sky: Sky, brightness: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cloud probability in per cent, (y, x) uint8; raised over bright ground as real detectors do; 0 outside the swath."""
    doubt = noise.rough(sky.cloud.shape, rng, 12, 1.8)
    bright = np.clip((brightness - 1100) / 1500, 0, 1)
    score = 9.0 * (sky.cloud - 0.3) + 2.6 * sky.cirrus + 2.2 * bright + 0.5 * doubt - 1.6
    percent = 100 / (1 + np.exp(-score))
    return np.asarray(np.where(sky.seen, np.rint(percent), 0), dtype=np.uint8)
