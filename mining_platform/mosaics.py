"""Scenes and their clear masks -> one cloud-free composite a year, on the region's grid.

`mosaic.zarr` is a Zarr v3 group with `image` (band, y, x) uint16 digital numbers (reflectance = 1e-4 x DN, offset
removed, 0 = no clear observation), `clear_count` (y, x) uint16 clear days, and the pixel centres `x` and `y` in metres.
A file holds one chunk of 512 x 512 pixels with all bands, in pieces of 1 x 256 x 256 that are read and checked by
themselves; chunks that were not asked for do not exist, and reading them is an error.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import tensorstore as ts
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

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
from mining_platform.clouds import clear_on, masking_geobox
from mining_platform.medians import median_of_values
from mining_platform.regions import Region
from mining_platform.sources import router
from mining_platform.sources.protocol import SCL_BAND, Scene, SceneSource, refusal, scenes_of

MOSAIC_NAME = "mosaic.zarr"
GROUP_SIDE = 2  # chunks a side that are composed at once: their scenes' tiles, cut askew, are decoded half as often
MAX_THREADS = 8  # a thread holds one band of a group for all days, 2 MB a day, and the group's image

Progress = Callable[[str, float], None]
"""Told what is done, and which share of the whole, 0 to 1."""

SolarDay = tuple[Scene, ...]
"""Scenes of one solar day, the least cloudy first."""

DayTakes = list[tuple[Scene, NDArray[np.bool_]]]
"""For one solar day, which pixels (y, x) are taken from which scene; no pixel twice, no scene without pixels."""


@dataclass(frozen=True)
class Mosaic:
    """A mosaic open for reading or writing."""

    geobox: GeoBox
    channels: tuple[str, ...]
    image: ts.TensorStore
    """(band, y, x) uint16."""
    clear_count: ts.TensorStore
    """(y, x) uint16."""
    simulated: bool


def compose(
    region: Region,
    scenes: gpd.GeoDataFrame,
    channels: Sequence[str],
    out: Path,
    *,
    blocks: Iterable[Sequence[int]] | None,
    source: SceneSource = router,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `out/mosaic.zarr`: per channel, the median over solar days of the clear observations of `scenes`.

    `scenes` is a `protocol.scenes_table`. Scenes of one solar day count once: the least cloudy first, its gaps filled
    from the others. Digital numbers are harmonised: `offset_dn` added, at least 1. A pixel that was never clear, or
    has no value in one of the channels, is 0 in all of them and in `clear_count`. `blocks` (row, column of chunks)
    None composes the whole grid. Memory holds, per thread, a few chunks and one band of their days.

    Returns facts: scene_count, scenes, solar_days, channels, computed_chunks, computed_pixels, gap_share,
    clear_count_min, clear_count_median, simulated. SourceError naming scene and band where a raster is missing or
    damaged.
    """
    rows = scenes_of(scenes)
    if not rows:
        raise refusal(region, None, "scenes", "the list of scenes is empty", "Materialize `scenes` for a year that has some.")
    wanted = checked_blocks(region.geobox, blocks)
    source.check_scenes(region, rows, [*channels, SCL_BAND])
    days = solar_days(rows)
    mosaic = _create(out / MOSAIC_NAME, region.geobox, tuple(channels), simulated=any(scene.simulated for scene in rows))

    def compose_group(group: Sequence[Block]) -> list[NDArray[np.int64]]:
        rows, columns = _covering(mosaic.geobox, group)
        image, count = _compose_box(region, mosaic.geobox[rows, columns], days, mosaic.channels, source)
        return [_write_block(mosaic, block, image, count, (rows.start, columns.start), len(days)) for block in group]

    histogram, done = np.zeros(len(days) + 1, np.int64), 0
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:
        for parts in threads.map(compose_group, _groups(wanted)):
            histogram += np.sum(parts, axis=0)
            done += len(parts)
            if progress:
                progress(f"{done} of {len(wanted)} chunks composed", done / len(wanted))
    return {
        **_scene_facts(rows, days),
        **_pixel_facts(histogram, wanted),
        "channels": list(channels),
        "simulated": mosaic.simulated,
    }


def solar_days(scenes: Iterable[Scene]) -> list[SolarDay]:
    """Scenes grouped by solar day, in order of day; within a day by cloud share, then id."""
    days: dict[str, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda scene: (scene.solar_day, scene.cloud_pct, scene.scene_id)):
        days.setdefault(scene.solar_day, []).append(scene)
    return [tuple(day) for day in days.values()]


def harmonised(numbers: NDArray[np.uint16], offset_dn: int) -> NDArray[np.uint16]:
    """Digital numbers with a processing offset of at most 0 added, at least 1; 0 (no data) stays 0."""
    if offset_dn == 0:
        return numbers
    less = np.uint16(-offset_dn)
    return (np.maximum(numbers, less + np.uint16(1)) - less) * (numbers != 0)


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


def _write_block(
    mosaic: Mosaic, block: Block, image: NDArray[np.uint16], count: NDArray[np.uint16], corner: Block, days: int
) -> NDArray[np.int64]:
    """Write a chunk out of pixels that begin at `corner`; returns its number of pixels per clear count (days + 1,)."""
    rows, columns = block_slices(mosaic.geobox, block)
    part = np.s_[rows.start - corner[0] : rows.stop - corner[0], columns.start - corner[1] : columns.stop - corner[1]]
    zarr_arrays.write_box(mosaic.image, (0, rows.start, columns.start), image[:, *part])
    zarr_arrays.write_box(mosaic.clear_count, (rows.start, columns.start), count[part])
    return np.bincount(count[part].ravel(), minlength=days + 1)


def _day_takes(region: Region, box: GeoBox, day: SolarDay, source: SceneSource) -> DayTakes:
    takes: DayTakes = []
    taken = np.zeros(box.shape, bool)
    for scene in day:
        scl = source.open_scene_band(region, scene, SCL_BAND, masking_geobox(box))
        take = clear_on(box, scl) & ~taken
        if take.any():
            takes.append((scene, take))
            taken |= take
    return takes


def _compose_box(
    region: Region, box: GeoBox, days: Sequence[SolarDay], channels: tuple[str, ...], source: SceneSource
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Image (band, y, x) and clear days (y, x) of a part of the grid."""
    takes = [found for day in days if (found := _day_takes(region, box, day, source))]
    image = np.zeros((len(channels), *box.shape), np.uint16)
    count = np.zeros(box.shape, np.uint16)
    for day in takes:
        for _, take in day:
            count += take
    if takes:
        for band, channel in enumerate(channels):
            image[band] = median_of_values(_stack(region, box, takes, channel, source))
    gap = (image == 0).any(axis=0)
    image[:, gap] = 0
    count[gap] = 0
    return image, count


def _stack(region: Region, box: GeoBox, takes: Sequence[DayTakes], channel: str, source: SceneSource) -> NDArray[np.uint16]:
    """Clear harmonised digital numbers of a channel, (day, y, x); 0 where the day has none."""
    stack = np.zeros((len(takes), *box.shape), np.uint16)
    for values, day in zip(stack, takes, strict=True):
        for scene, take in day:
            numbers = source.open_scene_band(region, scene, channel, box)
            np.copyto(values, harmonised(numbers, scene.offset_dn), where=take)
    return stack


def _create(path: Path, geobox: GeoBox, channels: tuple[str, ...], *, simulated: bool) -> Mosaic:
    described = {"channels": list(channels), "scale": bands.S2_SCALE, "offset": 0.0, "nodata": bands.S2_NODATA}
    zarr_arrays.create_group(path, {**grid_attributes(geobox), **described, "unit": "reflectance", "simulated": simulated})
    for name, coordinates in geobox.coordinates.items():
        size = len(coordinates.values)
        axis = zarr_arrays.create_array(
            path / name, shape=(size,), dtype=np.float64, chunks=(size,), dimension_names=(name,), attributes={"units": "m"}
        )
        zarr_arrays.write_box(axis, (0,), np.asarray(coordinates.values, np.float64))
    image = zarr_arrays.create_array(
        path / "image",
        shape=(len(channels), *geobox.shape),
        dtype=np.uint16,
        chunks=(1, INNER_PX, INNER_PX),
        shards=(len(channels), CHUNK_PX, CHUNK_PX),
        dimension_names=("band", "y", "x"),
        attributes=described,
    )
    count = zarr_arrays.create_array(
        path / "clear_count",
        shape=geobox.shape,
        dtype=np.uint16,
        chunks=(INNER_PX, INNER_PX),
        shards=(CHUNK_PX, CHUNK_PX),
        dimension_names=("y", "x"),
        attributes={"units": "solar days"},
    )
    return Mosaic(geobox, channels, image, count, simulated)


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
    image, count = (zarr_arrays.open_array(path / name) for name in ("image", "clear_count"))
    return Mosaic(geobox_of(attributes), tuple(attributes["channels"]), image, count, bool(attributes["simulated"]))


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
