"""A mosaic recipe as an Earth Engine expression, equal to `compositing.composites.compose_locally` to the last count.

Only what Earth Engine documents is relied on (https://developers.google.com/earth-engine/apidocs). Masked pixels are filled
before neighbours are looked at, since how masks take part there is not said; neighbourhoods are forced onto a lattice whose
origin is that of the CRS, so that one expression serves every grid of a mosaic; the median is given room for more than all days,
since it is read off a histogram otherwise; and clouds move by `changeProj`, since it is said in which direction.
"""

from collections.abc import Sequence
from typing import Any

from mining_platform.bands import CLOUD_PROBABILITY, CLOUD_SCORE, QA_PIXEL, SCL, band, band_of_role
from mining_platform.clouds.rules import (
    CLOUD_CODES,
    NEVER_CLEAR_CODES,
    QA_CLOUD_BITS,
    QA_FILL_BIT,
    CloudRule,
    cloud_rule,
)
from mining_platform.clouds.shadows import DARK_NIR, shadow_steps
from mining_platform.compositing.recipes import RECIPES, MosaicRecipe
from mining_platform.scenes import Scene, SolarDay, solar_days

CLEAR_COUNT, OBSERVED_COUNT = "clear_count", "observed_count"
"""Bands beside the channels: clear days, 0 where the channels are; and days with data."""

METHODS = ("codes", "probability", "score", "bits", "none")
"""Methods of cloud rules that an expression can say: the other needs a model."""

_NIR = "B08"
_PER_CENT = 100  # Cloud Score+ is stored from 0 to 1 there


def can_express(recipe: MosaicRecipe) -> bool:
    """Whether a recipe's composite can be asked for as an expression."""
    return recipe.reducer == "median" and recipe.resampling == "nearest" and cloud_rule(recipe.clouds).method in METHODS


def expressible_recipes() -> list[str]:
    """Ids of the recipes that `can_express` accepts."""
    return [recipe.id for recipe in RECIPES.values() if can_express(recipe)]


def composite_expression(ee: Any, scenes: Sequence[Scene], channels: Sequence[str], recipe: MosaicRecipe, epsg: int) -> Any:
    """The composite of scenes as an `ee.Image`: a uint16 band a channel by its id, CLEAR_COUNT and OBSERVED_COUNT.

    Valid everywhere; 0 where there is no value. Scenes are named one by one by their hrefs, `<image>:<band>`. Bands and
    layers must be among them: KeyError otherwise. ValueError where a scene's shadows cannot be projected. `ee` is the
    initialised client library.
    """
    rule = cloud_rule(recipe.clouds)
    made = [_day(ee, day, channels, rule, epsg) for day in solar_days(scenes)]
    median = ee.ImageCollection([day for day, _, _ in made]).reduce(ee.Reducer.median(maxRaw=len(made) + 1))
    values = median.rename(list(channels)).add(0.5).floor().unmask(0, False)
    complete = values.reduce(ee.Reducer.min()).gt(0)
    clear = _total(ee, [clear for _, clear, _ in made]).multiply(complete).rename([CLEAR_COUNT])
    observed = _total(ee, [observed for _, _, observed in made]).rename([OBSERVED_COUNT])
    return values.multiply(complete).addBands(clear).addBands(observed).toUint16()


def _day(ee: Any, day: SolarDay, channels: Sequence[str], rule: CloudRule, epsg: int) -> tuple[Any, Any, Any]:
    """A solar day's values, masked where it has none; whether it is clear, and whether it has data: 0 or 1 everywhere."""
    masks = [_clear_and_observed(ee, scene, channels, rule, epsg) for scene in day]
    taken = [_values(ee, scene, channels).updateMask(clear) for scene, (clear, _) in zip(day, masks, strict=True)]
    values = taken[0] if len(day) == 1 else ee.ImageCollection(taken[::-1]).mosaic()
    return values.updateMask(values.neq(0)), _any(ee, [clear for clear, _ in masks]), _any(ee, [seen for _, seen in masks])


def _any(ee: Any, flags: Sequence[Any]) -> Any:
    return flags[0] if len(flags) == 1 else ee.ImageCollection(list(flags)).max()


def _total(ee: Any, flags: Sequence[Any]) -> Any:
    return ee.ImageCollection(list(flags)).sum()


def _layer(ee: Any, scene: Scene, band_id: str) -> Any:
    """One stored band under the name `value`, masked where there is no data."""
    image, _, name = scene.hrefs[band_id].rpartition(":")
    return ee.Image(image).select([name], ["value"])


def _values(ee: Any, scene: Scene, channels: Sequence[str]) -> Any:
    """The channels as composites hold them: at least 1, and 0 where there is no data, valid everywhere.

    Earth Engine masks what has no data, so that a 0 of Sentinel-2 is ground too dark for the offset that it has removed.
    """
    images = {scene.hrefs[channel].rpartition(":")[0] for channel in channels}
    if len(images) != 1:
        raise ValueError(f"Scene {scene.scene_id} has its bands in several images {sorted(images)}; list the scenes anew.")
    names = [scene.hrefs[channel].rpartition(":")[2] for channel in channels]
    stored = ee.Image(images.pop()).select(names, list(channels))
    in_steps = stored if scene.gain == 1.0 else _harmonised(ee, stored, scene, channels)
    return in_steps.max(1).unmask(0, False)


def _harmonised(ee: Any, stored: Any, scene: Scene, channels: Sequence[str]) -> Any:
    """As `scenes.harmonised` of the channels that are reflectance, others as they are stored; masked where 0 is stored.

    Double precision here and single precision there round alike for every number of 16 bits.
    """
    reflects = [band(channel).unit == "reflectance" for channel in channels]
    gains = [scene.gain if each else 1.0 for each in reflects]
    offsets = [scene.offset_dn + 0.5 if each else 0.5 for each in reflects]
    values = stored.multiply(ee.Image.constant(gains)).add(ee.Image.constant(offsets)).floor()
    return values.updateMask(stored.neq(0))


def _clear_and_observed(ee: Any, scene: Scene, channels: Sequence[str], rule: CloudRule, epsg: int) -> tuple[Any, Any]:
    """Where a scene is clear, and where it has data: 0 or 1, valid everywhere."""
    if rule.method == "codes":
        return _by_codes(ee, scene, rule, epsg)
    if rule.method == "bits":
        return _by_bits(ee, scene)
    observed = _layer(ee, scene, band_of_role("red", tuple(channels))).gte(0).unmask(0, False)
    match rule.method:
        case "probability":
            cloudy = _layer(ee, scene, CLOUD_PROBABILITY).gt(rule.threshold).unmask(0, False)
            cloud = _on_lattice(_cleaned(ee, cloudy, rule), rule, epsg)
            return observed.And(cloud.Not()).And(_shadow(ee, scene, cloud, rule, epsg).Not()), observed
        case "score":
            return observed.And(_layer(ee, scene, CLOUD_SCORE).gte(rule.threshold / _PER_CENT).unmask(0, False)), observed
        case _:
            return observed, observed


def _by_codes(ee: Any, scene: Scene, rule: CloudRule, epsg: int) -> tuple[Any, Any]:
    codes = _layer(ee, scene, SCL).unmask(0, False)
    observed, cloud = _among(ee, codes, NEVER_CLEAR_CODES).Not(), _cleaned(ee, _among(ee, codes, CLOUD_CODES), rule)
    return _on_lattice(observed.And(cloud.Not()), rule, epsg), _on_lattice(observed, rule, epsg)


def _by_bits(ee: Any, scene: Scene) -> tuple[Any, Any]:
    quality = _layer(ee, scene, QA_PIXEL).unmask(0, False)
    observed = quality.bitwiseAnd(1 << QA_FILL_BIT).eq(0).And(quality.neq(0))
    return observed.And(quality.bitwiseAnd(sum(1 << bit for bit in QA_CLOUD_BITS)).eq(0)), observed


def _among(ee: Any, codes: Any, wanted: Sequence[int]) -> Any:
    return codes.eq(ee.Image.constant(list(wanted))).reduce(ee.Reducer.max())


def _cleaned(ee: Any, cloud: Any, rule: CloudRule) -> Any:
    """A mask opened and dilated by discs, as `clouds.cleaned`; valid everywhere, in pixels of the grid being computed."""
    if rule.opening_px:
        disc = ee.Kernel.circle(rule.opening_px, "pixels", False)
        cloud = cloud.focalMin(kernel=disc).focalMax(kernel=disc)
    return cloud.focalMax(kernel=ee.Kernel.circle(rule.dilation_px, "pixels", False)) if rule.dilation_px else cloud


def _shadow(ee: Any, scene: Scene, cloud: Any, rule: CloudRule, epsg: int) -> Any:
    """Dark ground under the cloud mask moved away from the sun, as `shadows.projected_shadow`."""
    steps = shadow_steps(scene, rule.gsd_m, max(rule.dilation_px, 1))
    here = _lattice(ee, rule, epsg)
    moved = [cloud.changeProj(here, _lattice(ee, rule, epsg, *step)) for step in dict.fromkeys(steps)]
    nir = _values(ee, scene, [_NIR])
    return _any(ee, moved).And(nir.gt(0)).And(nir.lt(DARK_NIR))


def _transform(rule: CloudRule, down: int = 0, right: int = 0) -> list[int]:
    """Row-major affine of the rule's pixels, moved by so many of them; the lattice `clouds.masking_geobox` is cut from."""
    return [rule.gsd_m, 0, right * rule.gsd_m, 0, -rule.gsd_m, -down * rule.gsd_m]


def _lattice(ee: Any, rule: CloudRule, epsg: int, down: int = 0, right: int = 0) -> Any:
    return ee.Projection(f"EPSG:{epsg}", _transform(rule, down, right))


def _on_lattice(mask: Any, rule: CloudRule, epsg: int) -> Any:
    return mask.reproject(f"EPSG:{epsg}", _transform(rule))
