"""A source's composites -> one mosaic a year in chunks on the region's grid, resumed where a kill left it."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box as shapely_box

from mining_platform import zarr_arrays
from mining_platform.chunks import (
    Block,
    block_slices,
    checked_blocks,
    grid_attributes,
)
from mining_platform.clouds.rules import cloud_rule, model_digest
from mining_platform.compositing.recipes import PIXELS_VERSION, MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.computing import HERE, Compute
from mining_platform.mosaic_arrays import ARRAY_RANKS, AXES, MOSAIC_NAME, Mosaic, computed_blocks, create_mosaic
from mining_platform.regions import Region
from mining_platform.scenes import Scene, SolarDay, scenes_of, solar_days
from mining_platform.sources import router
from mining_platform.sources.protocol import SceneSource, refusal
from mining_platform.store import durable

FOOTPRINT_MARGIN_M = 3_000  # masks look up to 1.2 km beyond a grid, and published footprints are simplified
GROUP_SIDE = 2  # chunks a side that are composed at once: their scenes' tiles, cut askew, are decoded half as often
Progress = Callable[[str, float], None]
"""Told what is done, and which share of the whole, 0 to 1."""


class MosaicError(ValueError):
    """A mosaic cannot be written as asked; the message says why and what to do."""


def compose(  # noqa: PLR0913 - what decides a mosaic, each by name
    region: Region,
    scenes: gpd.GeoDataFrame,
    channels: Sequence[str],
    out: Path,
    *,
    recipe: MosaicRecipe,
    blocks: Iterable[Sequence[int]] | None,
    source: SceneSource = router,
    compute: Compute = HERE,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `out/mosaic.zarr`: the composite of `scenes` by a recipe, see `compositing.composites.Composite`.

    `scenes` is a `scenes.scenes_table`. `blocks` (row, column of chunks) None composes the whole grid. Chunks that an
    interrupted call with the same arguments has written to `out` are read back and kept. Memory holds a few chunks and what
    the source holds for them, whatever the number of scenes. Composites are made by `compute`; this process writes them.

    Returns facts: scene_count, scenes, solar_days, channels, recipe, computed_chunks, computed_pixels, gap_share,
    clear_count_min, clear_count_median, simulated. SourceError naming scene and band where a raster is missing or
    damaged; MosaicError where `out` holds another mosaic; OSError where the disk is full.
    """
    rows = scenes_of(scenes)
    if not rows:
        raise refusal(region, None, "scenes", "the list of scenes is empty", "Materialize `scenes` for a year that has some.")
    wanted = checked_blocks(region.geobox, blocks)
    source.check_scenes(region, rows, [*channels, *cloud_rule(recipe.clouds).layers])
    days = solar_days(rows)
    made_of = _made_of(region.geobox, tuple(channels), recipe, rows)
    simulated = any(scene.simulated for scene in rows)
    mosaic, kept = _opened(out / MOSAIC_NAME, region.geobox, tuple(channels), made_of, wanted=wanted, simulated=simulated)
    histogram = sum((_histogram(mosaic, block, len(days)) for block in kept), np.zeros(len(days) + 1, np.int64))
    done = len(kept)

    footprints = scenes.geometry.to_crs(region.epsg)
    groups = _groups(block for block in wanted if block not in kept)
    corners = [_covering(mosaic.geobox, group) for group in groups]
    boxes = (mosaic.geobox[corner] for corner in corners)
    function = partial(_composite, source, region, mosaic.channels, recipe)
    items = ((_near(rows, footprints, box), box) for box in boxes)
    worker = HERE if compute.is_elsewhere and _is_of_service(source, region, rows, mosaic) else compute
    threads = source.parallel_composites(region)
    with closing(worker.results(function, items, what="parts of mosaics", threads=threads)) as made:
        for group, (down, across), composite in zip(groups, corners, made, strict=True):
            parts = [_write_block(mosaic, block, composite, (down.start, across.start), len(days)) for block in group]
            histogram += np.sum(parts, axis=0)
            done += len(parts)
            if progress:
                progress(f"{done} of {len(wanted)} chunks composed", done / len(wanted))
    return {
        **_scene_facts(rows, days),
        **_pixel_facts(histogram, wanted),
        "channels": list(channels),
        "recipe": recipe.id,
        "simulated": mosaic.simulated,
    }


def _composite(
    source: SceneSource,
    region: Region,
    channels: Sequence[str],
    recipe: MosaicRecipe,
    part: tuple[Sequence[Scene], GeoBox],
) -> Composite:
    """The source's composite of some scenes on a part of the grid."""
    scenes, box = part
    return source.composite(region, scenes, channels, box, recipe)


def _is_of_service(source: SceneSource, region: Region, scenes: Sequence[Scene], mosaic: Mosaic) -> bool:
    """Whether a service computes the composites: they are only waited for, and its limit of requests holds in one process."""
    return source.cost(region, len(scenes), mosaic.channels, [mosaic.geobox[:1, :1]]).eecu_s > 0


def _near(scenes: Sequence[Scene], footprints: gpd.GeoSeries, box: GeoBox) -> list[Scene]:
    """The scenes that can matter to a part of the grid: those whose footprints come near it."""
    wide = shapely_box(*box.boundingbox.bbox).buffer(FOOTPRINT_MARGIN_M, join_style="mitre")
    return [scene for scene, touches in zip(scenes, footprints.intersects(wide), strict=True) if touches]


def _opened(
    path: Path, geobox: GeoBox, channels: tuple[str, ...], made_of: str, *, wanted: Sequence[Block], simulated: bool
) -> tuple[Mosaic, set[Block]]:
    """The mosaic to write into, and those of the wanted chunks that an interrupted call has left in it whole.

    Only chunks are taken over, since each carries its checksum: all else is written anew around them.
    """
    found = _found(path)
    if found is None:
        durable.remove(path)
    elif found != made_of:
        other = "other scenes, channels, recipe or grid, or made by other code or another cloud model"
        raise MosaicError(f"{path} holds a mosaic of {other}. Choose another folder, or remove it.")
    else:
        zarr_arrays.keep_chunks(path, ARRAY_RANKS)
    mosaic = create_mosaic(path, geobox, channels, made_of, simulated=simulated)
    kept = {block for block in set(computed_blocks(path)).intersection(wanted) if _is_whole(mosaic, block)}
    for name in ARRAY_RANKS:
        stray = [(*front, i, j) for *front, i, j in zarr_arrays.written_files(path / name) if (i, j) not in kept or any(front)]
        zarr_arrays.remove_files(path / name, stray)
    return mosaic, kept


def _found(path: Path) -> str | None:
    """What the mosaic at a place is made of; None where no group has been finished; MosaicError for a folder of another kind."""
    if not path.exists():
        return None
    try:
        return str(zarr_arrays.group_attributes(path).get("made_of"))
    except zarr_arrays.ArrayError:
        names = {zarr_arrays.GROUP_FILE, *ARRAY_RANKS, *AXES}
        left = (entry.name for entry in path.iterdir() if not entry.name.startswith(durable.TEMPORARY_PREFIX))
        other = sorted(set(left) - names)
        if other:
            raise MosaicError(f"{path} holds {other[0]!r}, which no mosaic has. Choose another folder, or remove it.") from None
        return None


def _made_of(geobox: GeoBox, channels: tuple[str, ...], recipe: MosaicRecipe, scenes: Sequence[Scene]) -> str:
    """Digest of all that decides the pixels, so that chunks of one mosaic never get into another."""
    rule = cloud_rule(recipe.clouds)
    told = {
        "code": PIXELS_VERSION,
        "grid": grid_attributes(geobox),
        "channels": channels,
        "recipe": asdict(recipe),
        "clouds": {**asdict(rule), "model": model_digest(rule)},
        "scenes": sorted(json.dumps(asdict(scene), sort_keys=True, default=str) for scene in scenes),
    }
    return blake3(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _is_whole(mosaic: Mosaic, block: Block) -> bool:
    """Whether every array has the chunk, and its checksums hold."""
    rows, columns = block_slices(mosaic.geobox, block)
    try:
        zarr_arrays.read_box(mosaic.image, (slice(0, len(mosaic.channels)), rows, columns))
        zarr_arrays.read_box(mosaic.observed_count, (rows, columns))
        zarr_arrays.read_box(mosaic.clear_count, (rows, columns))
    except zarr_arrays.ArrayError:
        return False
    return True


def _histogram(mosaic: Mosaic, block: Block, days: int) -> NDArray[np.int64]:
    """A chunk's number of pixels per clear count (days + 1,)."""
    count = zarr_arrays.read_box(mosaic.clear_count, block_slices(mosaic.geobox, block))
    return np.bincount(count.ravel(), minlength=days + 1)


def group_geoboxes(geobox: GeoBox, blocks: Iterable[Block]) -> list[GeoBox]:
    """The grids that a source is asked for, one after another, when these chunks are composed."""
    boxes = (_covering(geobox, group) for group in _groups(blocks))
    return [geobox[rows, columns] for rows, columns in boxes]


def _groups(blocks: Iterable[Block]) -> list[list[Block]]:
    """Chunks by the square of GROUP_SIDE x GROUP_SIDE chunks they lie in."""
    groups: dict[Block, list[Block]] = {}
    for i, j in blocks:
        groups.setdefault((i // GROUP_SIDE, j // GROUP_SIDE), []).append((i, j))
    return list(groups.values())


def _covering(geobox: GeoBox, group: Sequence[Block]) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle over chunks."""
    rows, columns = zip(*(block_slices(geobox, block) for block in group), strict=True)
    down, right = max(part.stop for part in rows), max(part.stop for part in columns)
    return slice(min(part.start for part in rows), down), slice(min(part.start for part in columns), right)


def _write_block(mosaic: Mosaic, block: Block, made: Composite, corner: Block, days: int) -> NDArray[np.int64]:
    """Write a chunk out of a composite that begins at `corner`; returns its number of pixels per clear count (days + 1,)."""
    rows, columns = block_slices(mosaic.geobox, block)
    part = np.s_[rows.start - corner[0] : rows.stop - corner[0], columns.start - corner[1] : columns.stop - corner[1]]
    zarr_arrays.write_box(mosaic.image, (0, rows.start, columns.start), made.image[:, *part])
    zarr_arrays.write_box(mosaic.observed_count, (rows.start, columns.start), made.observed_count[part])
    zarr_arrays.write_box(mosaic.clear_count, (rows.start, columns.start), made.clear_count[part])
    return np.bincount(made.clear_count[part].ravel(), minlength=days + 1)


def _scene_facts(scenes: Sequence[Scene], days: Sequence[SolarDay]) -> dict[str, Any]:
    used = [
        {
            "id": scene.scene_id,
            "date": scene.acquired.date().isoformat(),
            "cloud_pct": scene.cloud_pct,
            "baseline": scene.baseline,
            "offset_dn": scene.offset_dn,
        }
        for scene in sorted(scenes, key=lambda scene: scene.scene_id)
    ]
    return {"scene_count": len(scenes), "solar_days": len(days), "scenes": used}


def _pixel_facts(histogram: NDArray[np.int64], blocks: Sequence[Block]) -> dict[str, Any]:
    """Facts from the number of pixels per clear count (clear_count_median: the lower of two middle values)."""
    pixels = int(histogram.sum())
    below = np.cumsum(histogram)
    return {
        "computed_chunks": [list(block) for block in blocks],
        "computed_pixels": pixels,
        "gap_share": float(histogram[0] / pixels) if pixels else 0.0,
        "clear_count_min": int(np.argmax(below > 0)) if pixels else None,
        "clear_count_median": int(np.searchsorted(below, (pixels + 1) // 2)) if pixels else None,
    }
