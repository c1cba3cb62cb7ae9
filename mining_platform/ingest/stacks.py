"""A multi-band GeoTIFF that somebody has -> one scene of a local archive, in Earth Search's layout.

`<out>/<scene_id>/<scene_id>.json` is a STAC item with Earth Search's asset names; beside it lies one uint16 COG a band, on
the stack's own grid. Nothing is resampled. What nobody knows is said in the item instead of being made up:

- no baseline: `mining:offset_detected` is true and `offsets.detected_offset` decides. `s2:processing_baseline` is then 04.00,
  the least that carries the offset, or 00.00, which stands for none; `mining:darkest_dn` is the evidence.
- no acquisition time: a span, as `start_datetime` and `end_datetime` with a null `datetime`; the scene counts for the start.
- no clouds: `mining:clouds_unknown` is true and `eo:cloud_cover` 0.
"""

import filecmp
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform import bands, profiles, scene_collections
from mining_platform.ingest.items import PROVIDER, SIMULATED_MARK, StackOffset, StackScene, asset, asset_name, item
from mining_platform.ingest.pixels import IngestError, band_numbers
from mining_platform.offsets import dark_dn, detected_offset
from mining_platform.sources.rasters import RasterError, check_declared_size, opened_raster
from mining_platform.store import durable

DOUBTFUL_DN = 900
"""Darkest digital numbers from here to the offset's 1,000 tell nothing: reflectance a little below 0 with the offset, or
dark ground without."""
NO_BASELINE, LEAST_OFFSET_BASELINE = "00.00", f"{bands.S2_OFFSET_BASELINE:05.2f}"
_SCENE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BASELINE = re.compile(r"\d{2}\.\d{2}")
_COG = {"compress": "DEFLATE", "level": 6, "predictor": "STANDARD", "blocksize": 512, "overviews": "NONE"}
_FULL_CIRCLE_DEG, _ZENITH_DEG = 360, 90


def ingest_stack(  # noqa: PLR0913 - what is said of a scene
    stack: Path,
    out: Path,
    *,
    scene_id: str,
    band_ids: Sequence[str] | None,
    collection: str,
    acquired: datetime | tuple[datetime, datetime],
    platform: str,
    baseline: str | None,
    sun: tuple[float, float] | None,
    description: str,
    simulated: bool = False,
) -> dict[str, Any]:
    """Write a stack as `out/<scene_id>/` and return its facts.

    `stack` holds reflectance (floats, 0 to 1) or digital numbers (uint16), in any CRS that has an EPSG code; nodata, NaN
    and 0 are no data. `band_ids` in the stack's order, or None for those that its band descriptions name (`B1`, `B8A`,
    `red`). `acquired` with time zone, or first and last possible time; `baseline` such as "05.09", or None where it is
    unknown; `sun` azimuth and elevation in degrees. Equal input gives equal bytes and leaves a scene that is there as it
    is (`reused`). IngestError where that has other content, and for a stack that is missing or is not what it should be.
    """
    row = scene_collections.collection(collection)
    scene = StackScene(scene_id, row, acquired, platform, baseline, sun, description, simulated)
    _check(scene)
    with _opened(stack) as source:
        channels = _channels(source, band_ids, row, stack.name)
        making = out / f".{scene_id}.tmp-{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            facts = _write(source, channels, scene, making)
            reused = _publish(making, out / scene_id)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return {**facts, "reused": reused}


def _check(scene: StackScene) -> None:
    """IngestError for what cannot be said of a scene."""
    if not _SCENE_ID.fullmatch(scene.scene_id):
        raise IngestError(f"{scene.scene_id!r} is no id of a scene. Use letters, digits, '-', '_' and '.'.")
    if not all(map(asset_name, _profile(scene.collection))):
        raise IngestError(f"{PROVIDER} has no names for the bands of {scene.collection.id}. Use a Sentinel-2 collection.")
    first, last = scene.span
    if first.tzinfo is None or last.tzinfo is None or first > last:
        raise IngestError(f"{scene.scene_id}: acquired from {first} to {last}. Give times with their zone, in order.")
    if scene.baseline is not None and not _BASELINE.fullmatch(scene.baseline):
        raise IngestError(f"{scene.scene_id}: {scene.baseline!r} is no processing baseline. Write it as '05.09', or None.")
    azimuth, elevation = scene.sun or (0, 0)
    if not (0 <= azimuth <= _FULL_CIRCLE_DEG and -_ZENITH_DEG <= elevation <= _ZENITH_DEG):
        raise IngestError(f"{scene.scene_id}: sun {scene.sun} is no azimuth and elevation. Give degrees, or None.")


def _profile(collection: scene_collections.Collection) -> tuple[str, ...]:
    return profiles.profile(collection.profile).channels


@contextmanager
def _opened(stack: Path) -> Iterator[rasterio.DatasetReader]:
    """The stack, with a CRS; IngestError where it is missing or no such raster."""
    if not stack.is_file():
        raise IngestError(f"There is no raster {stack}. Give the path of a GeoTIFF or JPEG 2000 file.")
    try:
        with opened_raster(str(stack)) as (source, file):
            check_declared_size(source, file.size_bytes)
            if source.crs is None or source.crs.to_epsg() is None or source.transform.is_identity:
                advice = "Write them with gdal_edit.py -a_srs and -a_ullr, or warp it"
                raise IngestError(f"{stack.name} has no CRS with an EPSG code, or no place in it. {advice}.")
            yield source
    except RasterError as error:
        raise IngestError(f"{stack.name} {str(error).rstrip('.')}. Give a whole GeoTIFF or JPEG 2000 file.") from None


def _channels(
    source: rasterio.DatasetReader, band_ids: Sequence[str] | None, collection: scene_collections.Collection, name: str
) -> list[str]:
    """Ids of the stack's bands, in its order; IngestError for an unknown, repeated or missing one."""
    known = _names(collection.sensor)
    told = [text or "" for text in source.descriptions] if band_ids is None else list(band_ids)
    if len(told) != source.count:
        raise IngestError(f"{name} has {source.count} bands and {len(told)} ids were given. Give one id a band.")
    found = [known.get(text.lower(), "") for text in told]
    if unknown := [f"{number} ({text!r})" for number, (text, band) in enumerate(zip(told, found, strict=True), 1) if not band]:
        choices = ", ".join(dict.fromkeys(known.values()))
        raise IngestError(f"{name}: unknown bands {', '.join(unknown)}. Name them by band_ids, among {choices}.")
    if len(set(found)) != len(found):
        raise IngestError(f"{name} names a band twice: {', '.join(found)}. Give each band its own id.")
    if missing := [band for band in _profile(collection) if band not in found]:
        raise IngestError(f"{name} lacks {', '.join(missing)} of {collection.id}; it has {', '.join(found)}. Add the bands.")
    return found


def _names(sensor: str) -> dict[str, str]:
    """What a band may be called, in small letters -> its id."""
    rows = [band for band in bands.BANDS.values() if band.sensor == sensor]
    return {name.lower(): band.id for band in rows for name in (*band.providers.values(), band.id)}


def _write(source: rasterio.DatasetReader, channels: Sequence[str], scene: StackScene, folder: Path) -> dict[str, Any]:
    """Write COGs and item into a folder; facts."""
    grid = GeoBox(source.shape, source.transform, f"EPSG:{source.crs.to_epsg()}")
    darkest: dict[str, int] = {}
    valid = np.ones(source.shape, bool)
    for number, band_id in enumerate(channels, start=1):
        numbers = band_numbers(source, number, band_id)
        darkest[band_id] = dark_dn(numbers)
        valid &= numbers != 0
        _write_band(folder / f"{band_id}.tif", numbers, grid, band_id, scene)
    offset = _offset(scene, darkest)
    assets = {asset_name(band_id) or band_id: asset(folder / f"{band_id}.tif", band_id, grid, offset) for band_id in channels}
    text = json.dumps(item(scene, grid, assets, offset), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / f"{scene.scene_id}.json").write_text(text + "\n", encoding="utf-8")
    return {
        "scene_id": scene.scene_id,
        "collection": scene.collection.id,
        "bands": list(channels),
        "width": source.width,
        "height": source.height,
        "epsg": source.crs.to_epsg(),
        "valid_share": round(float(valid.mean()), 6),
        "darkest_dn": darkest,
        "offset_dn": offset.dn,
        "offset_detected": offset.detected,
        "baseline": scene.baseline,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "simulated": scene.simulated,
    }


def _offset(scene: StackScene, darkest: Mapping[str, int]) -> StackOffset:
    """By the baseline where it is known, else by the pixels; IngestError where they do not tell."""
    if scene.baseline is not None:
        carried = float(scene.baseline) >= bands.S2_OFFSET_BASELINE
        return StackOffset(bands.S2_OFFSET_DN if carried else 0, scene.baseline, detected=False, darkest_dn=darkest)
    least = min(darkest.values())
    if DOUBTFUL_DN <= least < -bands.S2_OFFSET_DN:
        problem = f"its darkest pixels have {least}, which may be dark ground or ground with the offset"
        raise IngestError(f"{scene.scene_id}: {problem}. Give the processing baseline.")
    dn = detected_offset(darkest)
    return StackOffset(dn, LEAST_OFFSET_BASELINE if dn else NO_BASELINE, detected=True, darkest_dn=darkest)


def _write_band(path: Path, numbers: NDArray[np.uint16], grid: GeoBox, band_id: str, scene: StackScene) -> None:
    height, width = numbers.shape
    shape = {"width": width, "height": height, "count": 1, "dtype": "uint16", "nodata": 0}
    mark = f"{SIMULATED_MARK}: " if scene.simulated else ""
    with rasterio.open(path, "w", driver="COG", crs=str(grid.crs), transform=grid.affine, **shape, **_COG) as target:
        target.write(numbers, 1)
        target.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{mark}{band_id} of {scene.scene_id}")


def _publish(made: Path, target: Path) -> bool:
    """Put a scene in place; True where an equal one is there. IngestError where another one is, which is left alone."""
    for path in (*made.iterdir(), made):
        durable.sync(path)
    try:
        made.rename(target)
    except OSError:
        if not target.exists():
            raise
    else:
        durable.sync(target.parent)
        return False
    names = sorted(path.name for path in made.iterdir())
    equal = target.is_dir() and names == sorted(path.name for path in target.iterdir())
    if not equal or filecmp.cmpfiles(made, target, names, shallow=False)[0] != names:
        raise IngestError(f"{target} holds something else already. Give the scene another id, or remove that folder yourself.")
    return True
