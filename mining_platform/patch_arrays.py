"""The arrays `image` and `label` of a patch store: how many patches lie in a file, and how they are written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from mining_platform import patch_conventions, zarr_arrays

SHARD_PATCHES = 256  # images in a file
SHARD_BYTES = 2**28  # of images, held while a file is made: larger patches have fewer in a file
LABEL_SHARDS = 8  # files of images to one of labels, which are small: so 2,600 patches stay below 0.01 files a patch


def shard_patches(bands: int, px: int) -> int:
    """Images in a file, for patches of (bands, px, px) uint16."""
    return max(1, min(SHARD_PATCHES, SHARD_BYTES // (bands * px * px * 2)))


def create_arrays(
    store: Path, count: int, channels: Sequence[str], px: int, *, shard: int, placed: bool = True, clouds: bool = False
) -> tuple[ts.TensorStore, ts.TensorStore]:
    """The new arrays `image` and `label` for `count` patches, open for `write_patches`; a file holds `shard` images.

    `placed`: whether the store has the coordinates of `patch_conventions.write_coordinates`, which the arrays then refer to;
    `clouds`: whether labels have the class cloud.
    """
    rows = (
        ("image", np.uint16, ("band", "y", "x"), shard, patch_conventions.image_attributes(channels, placed=placed)),
        ("label", np.uint8, ("y", "x"), shard * LABEL_SHARDS, patch_conventions.label_attributes(placed=placed, clouds=clouds)),
    )
    image, label = (
        _create(store / name, (count, *((len(channels),) if "band" in axes else ()), px, px), dtype, axes, per_file, attributes)
        for name, dtype, axes, per_file, attributes in rows
    )
    return image, label


def _create(
    path: Path, shape: tuple[int, ...], dtype: Any, axes: Sequence[str], per_file: int, attributes: dict[str, Any]
) -> ts.TensorStore:
    return zarr_arrays.create_array(
        path,
        shape=shape,
        dtype=dtype,
        chunks=(1, *shape[1:]),
        shards=(per_file, *shape[1:]),
        dimension_names=("sample", *axes),
        attributes=attributes,
    )


def write_patches(array: ts.TensorStore, patches: Iterable[NDArray[Any]]) -> None:
    """Fill an array (sample, ...) with as many patches as it has samples, in order, a file at a time."""
    rows, count = iter(patches), array.shape[0]
    per_file = min(count, cast(tuple[int, ...], array.chunk_layout.write_chunk.shape)[0])
    part = np.empty((per_file, *array.shape[1:]), array.dtype.numpy_dtype)
    for first in range(0, count, per_file):
        size = min(per_file, count - first)
        for row in range(size):
            part[row] = next(rows)
        zarr_arrays.write_box(array, (first,) + (0,) * (array.rank - 1), part[:size])
