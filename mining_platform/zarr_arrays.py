"""Chunked Zarr v3 arrays that never invent pixels: every chunk carries a checksum, a chunk that was not written is an error.

Written and read with tensorstore; zarr-python and xarray (`consolidated=False`) open them unchanged. Chunks are
compressed with blosc (lz4, bitshuffle) and end in a Crc32c; shards keep a Crc32c of their index as well.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorstore as ts
from numpy.typing import DTypeLike, NDArray

from mining_platform.store import durable

Box = tuple[slice, ...]
GROUP_FILE = "zarr.json"
_OS_ERROR = re.compile(r"os_error_code='(\d+)'")  # in the message of tensorstore's error where the system refused to write


class ArrayError(ValueError):
    """An array or one of its chunks is absent or damaged; the message says which and how to mend it."""


def create_group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Write the `zarr.json` of a group with JSON-able attributes, at once and durably; its arrays are folders within."""
    path.mkdir(parents=True, exist_ok=True)
    node = {"attributes": dict(attributes), "node_type": "group", "zarr_format": 3}
    durable.write(path / GROUP_FILE, (json.dumps(node, sort_keys=True, allow_nan=False) + "\n").encode())


def group_attributes(path: Path) -> dict[str, Any]:
    """Attributes of a group; ArrayError where there is none."""
    try:
        return json.loads((path / GROUP_FILE).read_text())["attributes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArrayError(f"{path} is no Zarr v3 group ({error}). Make the artifact anew.") from None


def create_array(  # noqa: PLR0913 - the fields of an array, each by name
    path: Path,
    *,
    shape: Sequence[int],
    dtype: DTypeLike,
    chunks: Sequence[int],
    dimension_names: Sequence[str],
    shards: Sequence[int] | None = None,
    attributes: Mapping[str, Any] | None = None,
    fill_value: float = 0,
) -> ts.TensorStore:
    """A new array, open for writing; no chunk exists yet. With `shards`, files hold whole shards of chunks.

    Write whole files (shards, else chunks): a part of one would have to be read first. ArrayError where the array exists.
    """
    inner = _codecs(np.dtype(dtype))
    metadata = {
        "shape": list(shape),
        "data_type": np.dtype(dtype).name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shards or chunks)}},
        "codecs": [_sharding(chunks, inner)] if shards else inner,
        "dimension_names": list(dimension_names),
        "fill_value": fill_value,
        "attributes": dict(attributes or {}),
    }
    try:
        return ts.open({**_spec(path), "metadata": metadata}, create=True).result()
    except ValueError as error:
        raise ArrayError(f"The array {path} cannot be created ({error}). Write into an empty folder.") from None


def open_array(path: Path) -> ts.TensorStore:
    """An existing array; its missing chunks are errors when read. ArrayError where there is no array."""
    try:
        return ts.open(_spec(path), open=True).result()
    except ValueError as error:
        raise ArrayError(f"{path} is no Zarr v3 array ({error}). Make the artifact anew.") from None


def write_box(array: ts.TensorStore, start: Sequence[int], values: NDArray[Any]) -> None:
    """Write values with their first element at index `start`.

    ValueError where they leave the array; OSError where the system refuses, as on a full disk.
    """
    box = tuple(slice(first, first + size) for first, size in zip(start, values.shape, strict=True))
    _check_inside(array, box)
    try:
        array[box].write(values).result()
    except ValueError as error:
        refused = _OS_ERROR.search(str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(_folder(array))) from None


def read_box(array: ts.TensorStore, box: Box) -> NDArray[Any]:
    """The values of a box of slices with a start and a stop.

    ValueError where the box leaves the array; ArrayError naming the files where a chunk is absent or damaged.
    """
    _check_inside(array, box)
    try:
        return array[box].read().result()
    except ValueError as error:
        raise _unreadable(array, missing_files(array, box), error) from None


def read_rows(array: ts.TensorStore, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[Any]:
    """Entries along the first axis, in the order asked for: (len(rows), ...); raises as `read_box` does."""
    wanted = np.asarray(rows, np.int64)
    outside = wanted[(wanted < 0) | (wanted >= array.shape[0])]
    if len(outside):
        raise ValueError(f"Rows {outside[:8].tolist()} are not among the {array.shape[0]} of {_folder(array)}. Ask for less.")
    try:
        return array[wanted].read().result()
    except ValueError as error:
        inner = tuple(slice(0, size) for size in array.shape[1:])
        absent = {name for row in wanted for name in missing_files(array, (slice(row, row + 1), *inner))}
        raise _unreadable(array, sorted(absent), error) from None


def _unreadable(array: ts.TensorStore, absent: Sequence[str], error: ValueError) -> ArrayError:
    if absent:
        problem = f"chunks {', '.join(absent)} of {_folder(array)} are missing: they were not computed, or have been removed"
    else:
        problem = f"a chunk of {_folder(array)} is damaged ({error})"
    return ArrayError(f"{problem}. Make the artifact anew, with these chunks.")


def _folder(array: ts.TensorStore) -> Path:
    return Path(array.kvstore.path)  # type: ignore[union-attr]  # every array here is opened from a folder


def missing_files(array: ts.TensorStore, box: Box) -> list[str]:
    """Files (`c/0/1/2`) that a box needs and that do not exist, in order."""
    folder, size = _folder(array), cast(tuple[int, ...], array.chunk_layout.write_chunk.shape)
    ranges = [range(part.start // step, -(-part.stop // step)) for part, step in zip(box, size, strict=True)]
    names = ("/".join(("c", *map(str, index))) for index in product(*ranges))
    return [name for name in names if not (folder / name).is_file()]


def written_files(path: Path) -> list[tuple[int, ...]]:
    """Index of every file (shard, else chunk) of an array that exists, sorted."""
    files = (file.relative_to(path / "c").parts for file in (path / "c").rglob("*") if file.is_file())
    return sorted(tuple(map(int, parts)) for parts in files)


def keep_chunks(path: Path, ranks: Mapping[str, int]) -> None:
    """Remove the files of a group but its `zarr.json` and the files (shards, else chunks) of these arrays of a rank.

    So the arrays can be created anew around the chunks that a killed writer left, whatever else lies there.
    """
    for file in list(path.rglob("*")):
        array, *index = file.relative_to(path).parts
        is_chunk = len(index) - 1 == ranks.get(array) and index[0] == "c" and all(map(str.isdecimal, index[1:]))
        if file.is_symlink() or (not file.is_dir() and not is_chunk and file != path / GROUP_FILE):
            file.unlink()


def remove_files(path: Path, indices: Iterable[Sequence[int]]) -> None:
    """Remove files (shards, else chunks) of an array by their index; they can be written anew."""
    for index in indices:
        path.joinpath("c", *map(str, index)).unlink(missing_ok=True)


def _check_inside(array: ts.TensorStore, box: Box) -> None:
    inside = len(box) == array.rank and all(
        0 <= part.start <= part.stop <= size for part, size in zip(box, array.shape, strict=False)
    )
    if not inside:
        asked = ", ".join(f"{part.start}:{part.stop}" for part in box)
        raise ValueError(f"[{asked}] is not inside the array {_folder(array)} of shape {array.shape}. Ask for less.")


def _spec(path: Path) -> dict[str, Any]:
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{path.absolute()}/"},
        "fill_missing_data_reads": False,
        "store_data_equal_to_fill_value": True,
        "context": {"file_io_sync": False},  # whoever publishes a folder syncs it whole
    }


def _codecs(dtype: np.dtype) -> list[dict[str, Any]]:
    endian = {"name": "bytes", "configuration": {"endian": "little"}} if dtype.itemsize > 1 else {"name": "bytes"}
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": dtype.itemsize}
    return [endian, {"name": "blosc", "configuration": blosc}, {"name": "crc32c"}]


def _sharding(chunks: Sequence[int], codecs: list[dict[str, Any]]) -> dict[str, Any]:
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    configuration = {"chunk_shape": list(chunks), "codecs": codecs, "index_codecs": index, "index_location": "end"}
    return {"name": "sharding_indexed", "configuration": configuration}
