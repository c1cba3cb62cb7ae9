"""Which pixels of a scene show the ground: cloud rules as rows, and a scene's clear mask by a rule.

SCL codes: Sentinel-2 L2A Algorithm Theoretical Basis Document. Opening and dilation are those usual with Open Data
Cube (`odc.algo.mask_cleanup`, 2 and 5 pixels of 20 m). Bright bare soil is what a mine looks like and is often taken for
cloud in specks of a few pixels, so opening drops those; what remains is grown, because the rim of a cloud is thinner than
its code says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.bands import CLOUD_PROBABILITY, CLOUD_SCORE, QA_PIXEL, SCL, band_of_role
from mining_platform.clouds.morphology import dilate, opened
from mining_platform.clouds.s2cloudless_model import S2CLOUDLESS_BANDS, load_model
from mining_platform.clouds.shadows import REACH_M, projected_shadow, shadow_steps
from mining_platform.scenes import Scene, harmonised

CLOUD_CODES = (3, 8, 9, 10)  # cloud shadow, cloud of medium and of high probability, thin cirrus
NEVER_CLEAR_CODES = (0, 1)  # no data, saturated or defective
QA_FILL_BIT, QA_CLOUD_BITS = 0, (1, 2, 3, 4)  # dilated cloud, cirrus, cloud, shadow; Landsat 8-9 C2 L2 Science Product Guide

ReadLayer = Callable[[str, GeoBox], NDArray[Any]]
"""A band or layer of one scene on a grid, as stored, by nearest neighbour: (y, x), 0 where the scene has none."""


@dataclass(frozen=True)
class CloudRule:
    """One way to tell clear pixels from clouds and shadows."""

    id: str
    method: Literal["codes", "probability", "s2cloudless", "score", "bits", "none"]
    layers: tuple[str, ...]
    """Bands and layers it reads, besides a band that tells where the scene has data."""
    gsd_m: int
    """Pixel size at which the mask is made, aligned with multiples of it."""
    threshold: float
    """Cloud is what lies above (`probability` in per cent, `s2cloudless` 0 to 1), or below (`score` in per cent)."""
    average_px: int
    """Radius of the disc over which probabilities are averaged."""
    opening_px: int
    dilation_px: int
    shadows: Literal["layer", "projected"]
    """Whether the layer itself tells shadows, or they are projected from the sun's place."""

    @property
    def margin_px(self) -> int:
        """How far a pixel can influence the mask around it: read that much more to mask a part of a scene as the whole."""
        reach = REACH_M // self.gsd_m if self.shadows == "projected" else 0
        return self.average_px + 2 * self.opening_px + self.dilation_px + reach


CLOUD_RULES: dict[str, CloudRule] = {
    rule.id: rule
    for rule in (
        CloudRule("scl", "codes", (SCL,), 20, 0, 0, 2, 5, "layer"),
        CloudRule("s2cloudless", "s2cloudless", S2CLOUDLESS_BANDS, 10, 0.4, 4, 0, 2, "projected"),
        CloudRule("cloud-probability", "probability", (CLOUD_PROBABILITY, "B08"), 10, 40, 0, 4, 10, "projected"),
        CloudRule("cloud-score-plus", "score", (CLOUD_SCORE,), 10, 75, 0, 0, 0, "layer"),
        CloudRule("qa-pixel", "bits", (QA_PIXEL,), 10, 0, 0, 0, 0, "layer"),
        CloudRule("none", "none", (), 10, 0, 0, 0, 0, "layer"),
    )
}


def cloud_rule(rule_id: str) -> CloudRule:
    """The row of a rule; KeyError with the known ids and the remedy otherwise."""
    try:
        return CLOUD_RULES[rule_id]
    except KeyError:
        raise KeyError(
            f"Unknown cloud rule {rule_id!r}; known: {', '.join(CLOUD_RULES)}. Add a row in mining_platform/clouds/rules.py."
        ) from None


def model_digest(rule: CloudRule) -> str | None:
    """Digest of the model that a rule judges with, None where it has none; raises as `s2cloudless_model.load_model`."""
    return load_model().digest if rule.method == "s2cloudless" else None


def clear_and_observed(
    rule: CloudRule, scene: Scene, channels: tuple[str, ...], read: ReadLayer, geobox: GeoBox
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Clear pixels and pixels with data of a scene on a 10 m grid, both (y, x) bool; clear ones have data.

    The mask of a part of a scene is that of the whole, cut. ValueError where shadows cannot be projected.
    """
    fine = masking_geobox(geobox, rule)
    if rule.method == "codes":
        codes = read(SCL, fine)
        observed = on_grid(~np.isin(codes, NEVER_CLEAR_CODES), fine, geobox)
        cloud = on_grid(cleaned(np.isin(codes, CLOUD_CODES), rule), fine, geobox)
    elif rule.method == "bits":
        quality = read(QA_PIXEL, geobox)
        observed = (quality >> QA_FILL_BIT & 1 == 0) & (quality != 0)
        cloud = (quality & sum(1 << bit for bit in QA_CLOUD_BITS)) != 0
    else:
        observed = read(band_of_role("red", channels), geobox) != 0
        cloud = on_grid(_cloud_or_shadow(rule, scene, read, fine), fine, geobox)
    return observed & ~cloud, observed


def _cloud_or_shadow(rule: CloudRule, scene: Scene, read: ReadLayer, fine: GeoBox) -> NDArray[np.bool_]:
    cloud = _cloud(rule, scene, read, fine)
    if rule.shadows == "layer":
        return cloud
    steps = shadow_steps(scene, rule.gsd_m, max(rule.dilation_px, 1))
    return cloud | projected_shadow(cloud, harmonised(read("B08", fine), scene), steps)


def _cloud(rule: CloudRule, scene: Scene, read: ReadLayer, fine: GeoBox) -> NDArray[np.bool_]:
    match rule.method:
        case "probability":
            return cleaned(read(CLOUD_PROBABILITY, fine) > rule.threshold, rule)
        case "score":
            return read(CLOUD_SCORE, fine) < rule.threshold
        case "s2cloudless":
            from mining_platform.clouds.s2cloudless import cloud_mask, cloud_probability

            reflectance = np.stack([harmonised(read(band_id, fine), scene) for band_id in S2CLOUDLESS_BANDS])
            sizes = {"average_over": rule.average_px, "dilation_size": rule.dilation_px}
            return cloud_mask(cloud_probability(reflectance), threshold=rule.threshold, **sizes)
        case _:
            return np.zeros(fine.shape, bool)


def cleaned(cloud: NDArray[np.bool_], rule: CloudRule) -> NDArray[np.bool_]:
    """A cloud mask without specks and with wider rims: opened, then dilated by discs of the rule's radii."""
    kept = opened(cloud, rule.opening_px) if rule.opening_px else cloud
    return dilate(kept, rule.dilation_px) if rule.dilation_px else kept


def masking_geobox(geobox: GeoBox, rule: CloudRule) -> GeoBox:
    """The grid on which a 10 m grid is masked: on multiples of the rule's pixel size, and its margin wider on each side."""
    box, gsd_m = geobox.boundingbox, rule.gsd_m
    margin_m = rule.margin_px * gsd_m
    left, bottom = (math.floor(edge / gsd_m) * gsd_m - margin_m for edge in (box.left, box.bottom))
    right, top = (math.ceil(edge / gsd_m) * gsd_m + margin_m for edge in (box.right, box.top))
    shape = (round((top - bottom) / gsd_m), round((right - left) / gsd_m))
    return GeoBox(shape, Affine(gsd_m, 0, left, 0, -gsd_m, top), geobox.crs)


def on_grid(values: NDArray[Any], fine: GeoBox, geobox: GeoBox) -> NDArray[Any]:
    """Values of a masking grid under the pixel centres of a 10 m grid."""
    height, width = geobox.shape
    mask, grid = fine.affine, geobox.affine
    rows = ((grid.f - mask.f + (np.arange(height) + 0.5) * grid.e) / mask.e).astype(np.int64)
    columns = ((grid.c - mask.c + (np.arange(width) + 0.5) * grid.a) / mask.a).astype(np.int64)
    return values[np.ix_(rows, columns)]
