"""Cloud shadows projected from the sun's place, for scenes whose classification does not tell them.

After the s2cloudless tutorial of Earth Engine (https://developers.google.com/earth-engine/tutorials/community/sentinel-2-s2cloudless):
a dark pixel in near infrared within a kilometre of a cloud, on the side away from the sun, is shadow.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mining_platform.scenes import Scene

REACH_M = 1000
"""How far from a cloud its shadow is looked for."""
DARK_NIR = 1500
"""Reflectance x 10,000 in near infrared below which ground may be in shadow; same tutorial."""


def shadow_steps(scene: Scene, gsd_m: int, step_px: int) -> list[tuple[int, int]]:
    """Shifts (rows down, columns right), in pixels, that lead away from the sun: every `step_px`, up to REACH_M.

    ValueError where the scene's sun is unknown or below the horizon.
    """
    azimuth, elevation = scene.sun_azimuth_deg, scene.sun_elevation_deg
    if azimuth is None or elevation is None or elevation <= 0:
        raise ValueError(
            f"Scene {scene.scene_id} has no usable sun angles (azimuth {azimuth}, elevation {elevation}). "
            "Choose a mosaic recipe whose cloud rule does not project shadows."
        )
    away = math.radians(azimuth + 180)
    distances = range(step_px, REACH_M // gsd_m + 1, step_px)
    return [(round(-each * math.cos(away)), round(each * math.sin(away))) for each in distances]


def projected_shadow(cloud: NDArray[np.bool_], nir: NDArray[np.uint16], steps: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Dark pixels under the cloud mask moved by each of the steps: (y, x) bool.

    `nir` is reflectance x 10,000, 0 where there is none.
    """
    reached = np.zeros_like(cloud)
    for down, right in steps:
        reached |= _moved(cloud, down, right)
    return reached & (nir > 0) & (nir < DARK_NIR)


def _moved(mask: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(down) < height and abs(right) < width:
        source = mask[max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
        moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = source
    return moved
