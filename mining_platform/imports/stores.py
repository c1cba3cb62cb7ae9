"""Writing imported patches into the store that patches.py reads: patches.zarr and its index, patches.parquet."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.crs import CRS

from mining_platform import bands, patch_conventions, zarr_arrays
from mining_platform.labels.recipes import NO_LABEL, RECIPES
from mining_platform.patch_arrays import create_arrays, shard_patches, write_patches
from mining_platform.patches import INDEX_NAME, INDEX_TYPES, STORE_NAME

INDEX_DEFAULTS: dict[str, Any] = {"clear_min": -1, "clear_median": np.nan, "window_id": ""}
"""What stands in the index where nothing is known: patches of others come without counts of clear observations."""

GRID_ATTRIBUTES = ("zarr_conventions", "proj:wkt2", "proj:code")
"""Attributes of the group that only patches on one grid have."""

ImageOf = Callable[[int], NDArray[np.uint16]]
LabelOf = Callable[[int], NDArray[np.uint8] | None]


def write_store(  # noqa: PLR0913 - what a store is made of, each by name
    table: pd.DataFrame,
    image: ImageOf,
    label: LabelOf,
    out: Path,
    *,
    channels: Sequence[str],
    recipe: str,
    px: int,
    pixel_m: float | None,
) -> dict[str, Any]:
    """Write `out/patches.*` of one region and year; facts as `patches.write_store`.

    `table` has one row a patch in order of patch_id: patch_id, year, epsg, minx, miny, maxx, maxy, store_row, dropped,
    drop_reason, masked_share, simulated, and of INDEX_TYPES what is known; images (band, y, x) and labels (y, x) are asked for
    by the position of a row. Patches have coordinates in the store where all lie in one projected CRS with pixels of `pixel_m`,
    which is None where it is not known; their upper left corners are x0 and y0 where the table has them, else minx and maxy.
    """
    kept = table[~table["dropped"]]
    positions = kept.index.to_numpy()
    attributes = _attributes(kept, channels, recipe=recipe, px=px, pixel_m=pixel_m)
    zarr_arrays.create_group(out / STORE_NAME, attributes)
    label_pixels = np.zeros(NO_LABEL + 1, np.int64)
    if len(kept):
        if attributes["epsg"]:
            crs, side_m = CRS(f"EPSG:{attributes['epsg']}"), attributes["pixel_m"]
            patch_conventions.write_coordinates(out / STORE_NAME, _corners(kept), crs, side_m)
        per_file, placed = shard_patches(len(channels), px), bool(attributes["epsg"])
        images, labels = create_arrays(out / STORE_NAME, len(kept), channels, px, shard=per_file, placed=placed)
        write_patches(images, (_padded(image(position), px, 0) for position in positions))
        write_patches(labels, _counted((label(position) for position in positions), px, label_pixels))
    _index(table).to_parquet(out / INDEX_NAME, index=False)
    found = {str(value): int(label_pixels[value]) for value in np.flatnonzero(label_pixels)}
    facts = {"windows": len(table), "patches": len(kept), "dropped": len(table) - len(kept), "label_pixels": found}
    return {**facts, **{name: attributes[name] for name in ("px", "pixel_m", "channels", "recipe", "unit", "simulated")}}


def _counted(labels: Iterator[NDArray[np.uint8] | None], px: int, pixels: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Labels of the store's size, counted by value into `pixels`; NO_LABEL everywhere where there is none."""
    for label in labels:
        values = np.full((px, px), NO_LABEL, np.uint8) if label is None else _padded(label, px, NO_LABEL)
        pixels += np.bincount(values.ravel(), minlength=len(pixels))
        yield values


def _padded(values: NDArray[Any], px: int, fill: int) -> NDArray[Any]:
    """The last two axes filled up to px at the right and the bottom."""
    missing = [(0, px - size) for size in values.shape[-2:]]
    return np.pad(values, [(0, 0)] * (values.ndim - 2) + missing, constant_values=fill)


def _index(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of INDEX_TYPES."""
    known = table.assign(row=table["store_row"], clear_share=1 - table["masked_share"])
    columns = {name: known[name] if name in known else INDEX_DEFAULTS[name] for name in INDEX_TYPES}
    return pd.DataFrame(columns, index=table.index).astype(INDEX_TYPES)


def _corners(table: pd.DataFrame) -> NDArray[np.float64]:
    """Upper left corners (n, 2)."""
    names = ["x0", "y0"] if "x0" in table else ["minx", "maxy"]
    return table[names].to_numpy(np.float64)


def common_epsg(table: pd.DataFrame, px: int, pixel_m: float | None) -> int:
    """EPSG code that all patches lie in with pixels of `pixel_m`; 0 where there is no such."""
    codes = set(table["epsg"])
    sides = table[["maxx", "maxy"]].to_numpy(float) - table[["minx", "miny"]].to_numpy(float)
    fits = pixel_m is not None and bool((np.abs(sides - px * pixel_m) <= pixel_m / 1000).all())
    return int(codes.pop()) if len(codes) == 1 and fits else 0


def _attributes(kept: pd.DataFrame, channels: Sequence[str], *, recipe: str, px: int, pixel_m: float | None) -> dict[str, Any]:
    """As patches.py writes them; a store whose patches have no common grid has neither CRS nor affines."""
    epsg, simulated = common_epsg(kept, px, pixel_m) if len(kept) else 0, bool(kept["simulated"].any())
    unit, scale, offset = patch_conventions.quantity_of(channels)
    grid = patch_conventions.group_attributes(CRS(f"EPSG:{epsg or 4326}"), channels, simulated=simulated)
    corners = _corners(kept).tolist() if epsg else []
    return {
        **{name: value for name, value in grid.items() if epsg or name not in GRID_ATTRIBUTES},
        "channels": list(channels),
        "px": px,
        "pixel_m": pixel_m,
        "scale": scale,
        "offset": offset,
        "nodata": bands.S2_NODATA,
        "unit": unit,
        "epsg": epsg or None,
        "recipe": recipe,
        "recipe_version": RECIPES[recipe].version if recipe in RECIPES else 0,
        "label_values": patch_conventions.LABEL_VALUES,
        "patch_ids": kept["patch_id"].tolist(),
        "affines": [[pixel_m, 0, minx, 0, -pixel_m, maxy] for minx, maxy in corners if pixel_m],
        "simulated": simulated,
    }
