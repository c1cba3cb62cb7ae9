"""A source's composites -> one mosaic a year in chunks on the region's grid, resumed where a kill left it.

`mosaic.zarr` is a Zarr v3 group with `image` (band, y, x) uint16 digital numbers (reflectance = 1e-4 x DN, offset
removed; of other channels as the attribute `bands` says; 0 = no clear observation), `clear_count` and `observed_count` (y, x)
uint16, clear days and days with data, and the pixel centres `x` and `y` in metres. A file holds one chunk of 512 x 512 pixels
with all bands, in pieces of 1 x 256 x 256 that are read and checked by themselves; chunks that were not asked for do not exist,
and reading them is an error.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import tensorstore as ts
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box as shapely_box

from mining_platform import bands, zarr_arrays
from mining_platform.chunks import (
    CHUNK_PX,
    INNER_PX,
    Block,
    block_slices,
    checked_blocks,
    geobox_of,
    grid_attributes,
    window_slices,
)
from mining_platform.clouds.rules import cloud_rule, model_digest
from mining_platform.compositing.recipes import PIXELS_VERSION, MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.computing import HERE, Compute
from mining_platform.layers import create_axes, create_image
from mining_platform.patch_conventions import quantity_of
from mining_platform.regions import Region
from mining_platform.scenes import Scene, SolarDay, scenes_of, solar_days
from mining_platform.sources import router
from mining_platform.sources.protocol import SceneSource, refusal
from mining_platform.store import durable

MOSAIC_NAME = "mosaic.zarr"
FOOTPRINT_MARGIN_M = 3_000  # masks look up to 1.2 km beyond a grid, and published footprints are simplified
GROUP_SIDE = 2  # chunks a side that are composed at once: their scenes' tiles, cut askew, are decoded half as often
ARRAY_RANKS = {"image": 3, "clear_count": 2, "observed_count": 2}
AXES = ("y", "x")

Progress = Callable[[str, float], None]
"""Told what is done, and which share of the whole, 0 to 1."""


class MosaicError(ValueError):
    """A mosaic cannot be written as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Mosaic:
    """A mosaic open for reading or writing."""

    geobox: GeoBox
    channels: tuple[str, ...]
    image: ts.TensorStore
    """(band, y, x) uint16."""
    clear_count: ts.TensorStore
    """(y, x) uint16."""
    observed_count: ts.TensorStore
    """(y, x) uint16."""
    simulated: bool


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


def create_mosaic(path: Path, geobox: GeoBox, channels: tuple[str, ...], made_of: str, *, simulated: bool) -> Mosaic:
    """An empty `mosaic.zarr`, open for writing; `made_of` is a digest of what it is made of."""
    unit, scale, offset = quantity_of(channels)
    described = {"channels": list(channels), "scale": scale, "offset": offset, "nodata": bands.S2_NODATA}
    create_axes(path, geobox)
    image = create_image(path, geobox, channels, described)
    clear_count, observed_count = (
        zarr_arrays.create_array(
            path / name,
            shape=geobox.shape,
            dtype=np.uint16,
            chunks=(INNER_PX, INNER_PX),
            shards=(CHUNK_PX, CHUNK_PX),
            dimension_names=("y", "x"),
            attributes={"units": "solar days"},
        )
        for name in ("clear_count", "observed_count")
    )
    rows = [bands.described(channel) for channel in channels]
    made = {"simulated": simulated, "made_of": made_of}
    attributes = {**grid_attributes(geobox), **described, "unit": unit, "bands": rows, **made}
    zarr_arrays.create_group(path, attributes)  # last: a group that exists has all its arrays
    return Mosaic(geobox, channels, image, clear_count, observed_count, simulated)


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


def open_mosaic(path: Path) -> Mosaic:
    """Open `mosaic.zarr` for reading; ArrayError where it is absent or damaged."""
    attributes = zarr_arrays.group_attributes(path)
    image, clear, observed = (zarr_arrays.open_array(path / name) for name in ("image", "clear_count", "observed_count"))
    return Mosaic(geobox_of(attributes), tuple(attributes["channels"]), image, clear, observed, bool(attributes["simulated"]))


def computed_blocks(path: Path) -> list[Block]:
    """Chunks of a `mosaic.zarr` that have been composed, sorted."""
    return [(index[0], index[1]) for index in zarr_arrays.written_files(path / "clear_count")]


def read_window(mosaic: Mosaic | Path, bounds: Sequence[float]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Image (band, y, x) and clear days (y, x) of exactly the pixels in bounds (minx, miny, maxx, maxy, metres).

    ValueError for bounds off the lattice or outside the grid; ArrayError where a chunk was not composed.
    """
    opened = open_mosaic(mosaic) if isinstance(mosaic, Path) else mosaic
    rows, columns = window_slices(opened.geobox, bounds)
    image = zarr_arrays.read_box(opened.image, (slice(0, len(opened.channels)), rows, columns))
    return image, read_clear_count(opened, bounds)


def read_clear_count(mosaic: Mosaic, bounds: Sequence[float]) -> NDArray[np.uint16]:
    """Clear days (y, x) in bounds; raises as `read_window`."""
    return zarr_arrays.read_box(mosaic.clear_count, window_slices(mosaic.geobox, bounds))
