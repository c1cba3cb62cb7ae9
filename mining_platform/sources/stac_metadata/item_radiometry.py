"""What the numbers of a STAC item's rasters mean.

The offset of a Sentinel-2 item follows from its processing baseline, unless `earthsearch:boa_offset_applied` says that it
has been removed; offsets that the assets state must agree, so that it is neither forgotten nor applied twice. Only where
it has been removed may they still state it, as items of Earth Search do (github.com/Element84/earth-search, issue 9).
"""

from collections.abc import Mapping
from typing import Any

from mining_platform import bands
from mining_platform.sources.stac_metadata.item_fields import ItemFields

_TOLERANCE = 1e-9  # scales and offsets are decimal fractions


def radiometry_of_item(fields: ItemFields, baseline: float, assets: Mapping[str, Mapping[str, Any]]) -> tuple[float, int]:
    """Gain and offset of the scene (see Scene), which the assets must not contradict."""
    if fields.sensor == "landsat":
        accepted = [(bands.LANDSAT_SCALE, bands.LANDSAT_OFFSET)]
        meaning = bands.LANDSAT_GAIN, bands.LANDSAT_OFFSET_DN
    else:
        carried = bands.S2_OFFSET_DN if baseline >= bands.S2_OFFSET_BASELINE else 0
        removed = bool(fields.get("earthsearch:boa_offset_applied"))
        accepted = [(bands.S2_SCALE, dn * bands.S2_SCALE) for dn in ({carried, 0} if removed else {carried})]
        meaning = 1.0, 0 if removed else carried
    for row in (bands.BANDS[band_id] for band_id in assets if band_id in bands.BANDS):
        own = accepted if row.unit == "reflectance" else [(row.scale, row.offset)]
        _check_stated(fields, row.id, assets[row.id], own, baseline)
    return meaning


def _check_stated(
    fields: ItemFields, band_id: str, asset: Mapping[str, Any], accepted: list[tuple[float, float]], baseline: float
) -> None:
    stated = _stated_scale_and_offset(asset)
    if stated is None or any(_equal(stated, pair) for pair in accepted):
        return
    meant = " or ".join(f"{scale:g} and {offset:g}" for scale, offset in sorted(accepted))
    by = f"its baseline {baseline:05.2f} means" if fields.sensor == "sentinel-2" else "Landsat Collection 2 has"
    problem = f"states scale {stated[0]:g} and offset {stated[1]:g} for band {band_id}, where {by} {meant}"
    raise fields.fail(problem, "Mend the item: with the wrong one of the two, reflectance is off by 0.1.")


def _stated_scale_and_offset(asset: Mapping[str, Any]) -> tuple[float, float] | None:
    """What an asset says about itself: `raster:bands` of STAC 1.0, `bands` or fields of its own in 1.1; None if nothing."""
    for rows in (asset.get("raster:bands"), asset.get("bands"), [asset]):
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else {}
        scale, offset = row.get("raster:scale", row.get("scale")), row.get("raster:offset", row.get("offset"))
        if isinstance(scale, int | float):
            return float(scale), float(offset) if isinstance(offset, int | float) else 0.0
    return None


def _equal(left: tuple[float, float], right: tuple[float, float]) -> bool:
    return all(abs(a - b) < _TOLERANCE for a, b in zip(left, right, strict=True))
