"""Image and label cut at windows: the patch store a dataset trains on.

`patches.zarr` is a Zarr v3 group with `image` (sample, band, y, x) uint16 numbers (of reflectance 1e-4 x DN, of other channels
by `bands.stored_as`; 0 = no data) and `label` (sample, y, x) uint8 (1 mining, 0 other, 255 no class; of scenes also 2 cloud); a
chunk is one patch, a file a shard of many. What it says of itself, and its coordinates along `sample`, are those of
`patch_conventions`. `patches.parquet` has one row a window (of scenes, one a window and scene: `scene_patches`), also for those
that were dropped. A store of no patches has its group and index, and no arrays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.crs import CRS

from mining_platform import patch_conventions, zarr_arrays
from mining_platform.bands import S2_NODATA
from mining_platform.computing import HERE, Compute
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import NO_LABEL, SCENE_KIND
from mining_platform.labels.recipes import recipe as recipe_of
from mining_platform.mosaic_arrays import Mosaic
from mining_platform.patch_arrays import create_arrays, shard_patches, write_patches
from mining_platform.stacks import open_stack
from mining_platform.window_cuts import Bounds, Cut, clear_figures, cut_images, cut_labels, in_batches

STORE_NAME = "patches.zarr"
INDEX_NAME = "patches.parquet"

NOTHING_BESIDE: Mapping[str, Path] = MappingProxyType({})
DROPPED_CLOUDY = "masked share above limit"
INDEX_TYPES = {
    "patch_id": "string",
    "window_id": "string",
    "year": "int64",
    "row": "int64",
    "dropped": "bool",
    "drop_reason": "string",
    "masked_share": "float64",
    "clear_share": "float64",
    "clear_min": "int64",
    "clear_median": "float64",
}
"""Columns of the index.

`row` is the sample in the store, -1 if dropped; `clear_share` is the share of pixels with a clear observation, 1 -
`masked_share`; `clear_min` and `clear_median` are clear solar days over all pixels.
"""


def write_store(  # noqa: PLR0913 - what a store is made of, each by name
    windows: pd.DataFrame,
    year: int,
    mosaic: Path,
    label: Path | None,
    out: Path,
    *,
    channels: Sequence[str],
    recipe: str,
    px: int,
    max_masked_share: float,
    max_masked_share_other: float | None = None,
    layers: Mapping[str, Path] = NOTHING_BESIDE,
    shard: int | None = None,
    compute: Compute = HERE,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cut every window (window_id, minx, miny, maxx, maxy in metres of the grid's CRS) and write `out/patches.*`.

    `mosaic`, `layers` (by name) and `label` are the `.zarr` folders of one region and year; where `label` is None, no pixel
    has a label, and none of a window whose column `relabelled` is set, where there is one. Windows whose share of pixels
    without a clear observation, or without data in a layer's channel, exceeds `max_masked_share` are listed, not stored; of
    those whose column `is_mining` is false `max_masked_share_other` counts instead, if given. Rows are in order of window_id; a
    file holds the images of `shard` patches, by default patch_arrays.shard_patches. Windows are cut by `compute`.

    Returns the index (INDEX_TYPES) and facts: windows, patches, dropped, px, channels, recipe, label_pixels (value -> pixels),
    simulated.
    ValueError for repeated ids, windows that are not px x px, and channels that are nowhere; else as `mosaic_arrays.read_window`.
    """
    opened = open_stack(mosaic, layers, channels)
    ordered = windows.sort_values("window_id", ignore_index=True)
    bounds = _checked_bounds(ordered, px)
    limits = np.full(len(ordered), max_masked_share)
    if max_masked_share_other is not None:
        limits[~ordered["is_mining"].to_numpy(bool)] = max_masked_share_other
    cut = Cut(mosaic, dict(layers), label, tuple(channels), recipe, px)
    figures = list(in_batches(compute, clear_figures, cut, bounds, what="windows"))
    index = _index(ordered["window_id"].tolist(), figures, year, limits)
    kept = index.index[~index["dropped"]].tolist()
    attributes = store_attributes(
        _crs(opened.mosaic),
        index.loc[kept, "patch_id"].tolist(),
        bounds[kept][:, [0, 3]],
        channels,
        recipe=recipe,
        px=px,
        pixel_m=PIXEL_M,
        simulated=opened.simulated,
    )
    images: Iterator[NDArray[np.uint16]] = in_batches(compute, cut_images, cut, bounds[kept], what="patches")
    labels = _labels(cut, ordered.loc[kept], bounds[kept], compute)
    facts = write_arrays(out, attributes, images, labels, shard=shard)
    index.to_parquet(out / INDEX_NAME, index=False)
    return index, {"windows": len(index), "dropped": len(index) - len(kept), **facts}


def write_arrays(
    out: Path,
    attributes: Mapping[str, Any],
    images: Iterable[NDArray[np.uint16]],
    labels: Iterable[NDArray[np.uint8]],
    *,
    shard: int | None = None,
) -> dict[str, Any]:
    """Write `patches.zarr` with `store_attributes`, from as many images and labels as there are ids, in their order.

    Facts: patches, px, channels, recipe, label_pixels (value -> pixels), simulated.
    """
    store, channels, px = out / STORE_NAME, attributes["channels"], attributes["px"]
    zarr_arrays.create_group(store, dict(attributes))
    label_pixels, count = np.zeros(NO_LABEL + 1, np.int64), len(attributes["patch_ids"])
    if count:
        affines = np.array(attributes["affines"], float)
        patch_conventions.write_coordinates(store, affines[:, [2, 5]], CRS(attributes["proj:wkt2"]), attributes["pixel_m"])
        clouds = patch_conventions.CLOUD in attributes["label_values"].values()
        shard = shard or shard_patches(len(channels), px)
        image, label = create_arrays(store, count, channels, px, shard=shard, clouds=clouds)
        write_patches(image, images)
        write_patches(label, _counted(labels, label_pixels))
    found = {str(value): int(label_pixels[value]) for value in np.flatnonzero(label_pixels)}
    return {
        "patches": count,
        "label_pixels": found,
        **{name: attributes[name] for name in ("px", "channels", "recipe", "simulated")},
    }


def _labels(cut: Cut, windows: pd.DataFrame, bounds: Bounds, compute: Compute) -> Iterator[NDArray[np.uint8]]:
    """Labels of windows, in order; none where a person says that the raster is wrong."""
    wrong = windows["relabelled"].to_numpy(bool) if "relabelled" in windows else np.zeros(len(windows), bool)
    made: Iterator[NDArray[np.uint8]] = in_batches(compute, cut_labels, cut, bounds[~wrong], what="labels")
    for without in wrong:
        yield np.full((cut.px, cut.px), NO_LABEL, np.uint8) if without else next(made)


def _counted(labels: Iterable[NDArray[np.uint8]], pixels: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """The labels, counted by value into `pixels`."""
    for values in labels:
        pixels += np.bincount(values.ravel(), minlength=len(pixels))
        yield values


def channel_positions(available: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Positions of channels by name; ValueError naming those that are not there."""
    unknown = [name for name in wanted if name not in available]
    if unknown or not wanted:
        raise ValueError(f"Channels {unknown} are not among {', '.join(available)}. Ask for those, or rows of profiles.PROFILES.")
    return [list(available).index(name) for name in wanted]


def read_index(out: Path) -> pd.DataFrame:
    """The index of a patch store (INDEX_TYPES), one row a window in order of window_id."""
    return pd.read_parquet(out / INDEX_NAME)


def read_attributes(out: Path) -> dict[str, Any]:
    """What a patch store says of itself: channels, px, scale, offset, nodata, unit, epsg, recipe, patch_ids, affines."""
    return zarr_arrays.group_attributes(out / STORE_NAME)


def read_images(
    out: Path, rows: Sequence[int] | NDArray[np.integer], channels: Sequence[str] | None = None
) -> NDArray[np.uint16]:
    """Images (n, band, y, x) uint16 of the store's rows, in the order asked for; `channels` None means all.

    ValueError for unknown channels and for rows that are not in the store; ArrayError for damaged or missing chunks.
    """
    attributes = read_attributes(out)
    bands = channel_positions(attributes["channels"], attributes["channels"] if channels is None else channels)
    if len(rows) == 0:
        return np.zeros((0, len(bands), attributes["px"], attributes["px"]), np.uint16)
    images = zarr_arrays.read_rows(_array(out, "image"), rows)
    return images if bands == list(range(images.shape[1])) else images[:, bands]


def read_labels(out: Path, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
    """Labels (n, y, x) uint8 of the store's rows, in the order asked for; raises as `read_images`."""
    if len(rows) == 0:
        px = read_attributes(out)["px"]
        return np.zeros((0, px, px), np.uint8)
    return zarr_arrays.read_rows(_array(out, "label"), rows)


def store_shapes(out: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays `image` and `label` of a patch store; empty where the store holds no patch."""
    if not read_attributes(out)["patch_ids"]:
        return {}
    return {name: tuple(int(size) for size in _array(out, name).shape) for name in ("image", "label")}


def _array(out: Path, name: str) -> Any:
    if not read_attributes(out)["patch_ids"]:
        raise ValueError(
            f"The patch store {out} holds no patches: all windows were dropped or none was sampled. Ask for no rows."
        )
    return zarr_arrays.open_array(out / STORE_NAME / name)


def _crs(mosaic: Mosaic) -> CRS:
    if mosaic.geobox.crs is None:
        raise ValueError("The mosaic has no CRS. Compose it on a grid of mining_platform.grids.region_geobox.")
    return mosaic.geobox.crs


def _checked_bounds(windows: pd.DataFrame, px: int) -> NDArray[np.float64]:
    """Bounds (n, 4) in metres; refuses repeated ids and windows of another size."""
    repeated = windows.loc[windows["window_id"].duplicated(), "window_id"].tolist()
    if repeated:
        raise ValueError(f"Windows {repeated[:8]} are listed twice. Sample each window once.")
    bounds = windows[["minx", "miny", "maxx", "maxy"]].to_numpy(np.float64)
    size_m = px * PIXEL_M
    wrong = windows.loc[((bounds[:, 2:] - bounds[:, :2]) != size_m).any(axis=1), "window_id"].tolist()
    if wrong:
        raise ValueError(f"Windows {wrong[:8]} are not {size_m} m x {size_m} m ({px} px). Sample them with the dataset's px.")
    return bounds


def _index(
    ids: Sequence[str], figures: Sequence[tuple[float, int, float]], year: int, limits: NDArray[np.float64]
) -> pd.DataFrame:
    """INDEX_TYPES from the `window_cuts.clear_figures` of windows and the limits of their masked shares."""
    rows, stored = [], 0
    for window_id, (masked_share, least, median), limit in zip(ids, figures, limits.tolist(), strict=True):
        dropped = masked_share > limit
        row = (-1, True, DROPPED_CLOUDY) if dropped else (stored, False, "")
        shares = (masked_share, 1 - masked_share)
        rows.append((f"{window_id}_{year}", window_id, year, *row, *shares, least, median))
        stored += not dropped
    return pd.DataFrame(rows, columns=list(INDEX_TYPES)).astype(INDEX_TYPES)


def store_attributes(  # noqa: PLR0913 - what a store says of itself, each by name
    crs: CRS,
    patch_ids: Sequence[str],
    corners: NDArray[np.float64],
    channels: Sequence[str],
    *,
    recipe: str,
    px: int,
    pixel_m: int,
    simulated: bool,
) -> dict[str, Any]:
    """Attributes of the group of a store whose patches have these ids and upper left corners (n, 2), metres."""
    unit, scale, offset = patch_conventions.quantity_of(channels)
    of_scenes = recipe_of(recipe).kind == SCENE_KIND
    images = "scenes" if of_scenes else "mosaics"
    return {
        **patch_conventions.group_attributes(crs, channels, simulated=simulated, images=images),
        "channels": list(channels),
        "px": px,
        "pixel_m": pixel_m,
        "scale": scale,
        "offset": offset,
        "nodata": S2_NODATA,
        "unit": unit,
        "epsg": crs.epsg,
        "recipe": recipe,
        "recipe_version": recipe_of(recipe).version,
        "label_values": patch_conventions.label_values(clouds=of_scenes),
        "patch_ids": list(patch_ids),
        "affines": [[pixel_m, 0, x0, 0, -pixel_m, y0] for x0, y0 in corners.tolist()],
        "simulated": simulated,
    }
