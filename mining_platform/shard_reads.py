"""Single rows out of sharded arrays, for shuffled batches: the bytes of a row go from its file into the batch.

Reads what `zarr_arrays` writes when a chunk is one row (codec `sharding_indexed` of the Zarr v3 specification), checking each
checksum. Such reads cost tensorstore nearly twice as much: here the places of chunks are looked up once, and a row is decoded
where it is wanted. No threads go on in the background, so a process forked for loading may read.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from mining_platform.zarr_arrays import ArrayError

CRC_BYTES = 4
CRC_RESIDUE = 0x48674BC7  # CRC-32C of any bytes with their own CRC-32C (little endian) behind them, RFC 3720 B.4
PLACE_BYTES = 16  # offset and size of a chunk, uint64 each
NO_CHUNK = 2**64 - 1


class ShardedRows:
    """An array (sample, ...) whose chunk is one sample, open for reading samples; places of chunks are kept once read."""

    def __init__(self, path: Path) -> None:
        """ArrayError where there is no such array."""
        try:
            metadata = json.loads((path / "zarr.json").read_text())
            self._per_file = _checked_layout(metadata)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ArrayError(f"{path} is no sharded Zarr v3 array of rows ({error}). Make the artifact anew.") from None
        self.path = path
        self.shape: tuple[int, ...] = tuple(metadata["shape"])
        self.dtype = np.dtype(metadata["data_type"])
        self._places: dict[int, list[list[int]]] = {}

    def read(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[Any]:
        """Rows in the order asked for: (len(rows), ...).

        ValueError for rows outside the array; ArrayError naming the file where a chunk is absent or damaged.
        """
        wanted = np.asarray(rows, np.int64)
        outside = wanted[(wanted < 0) | (wanted >= self.shape[0])]
        if len(outside):
            raise ValueError(f"Rows {outside[:8].tolist()} are not among the {self.shape[0]} of {self.path}. Ask for less.")
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        with ExitStack() as stack:
            numbers = sorted(set((wanted // self._per_file).tolist()))
            files = {number: stack.enter_context(self._opened(number)) for number in numbers}
            for position, row in enumerate(wanted.tolist()):
                number, chunk = divmod(row, self._per_file)
                self._decode(files[number], number, self._places[number][chunk], out[position])
        return out

    def _name(self, number: int) -> str:
        return "/".join(("c", str(number), *("0" for _ in self.shape[1:])))

    @contextmanager
    def _opened(self, number: int) -> Iterator[int]:
        """Descriptor of a file; its places are known afterwards."""
        try:
            file = os.open(self.path / self._name(number), os.O_RDONLY)
        except OSError:
            raise self._missing(number) from None
        try:
            if number not in self._places:
                self._places[number] = self._read_places(file, number)
            yield file
        finally:
            os.close(file)

    def _read_places(self, file: int, number: int) -> list[list[int]]:
        size = self._per_file * PLACE_BYTES + CRC_BYTES
        content = os.pread(file, size, max(os.fstat(file).st_size - size, 0))
        if len(content) != size or google_crc32c.value(content) != CRC_RESIDUE:
            raise self._damaged(number)
        return np.frombuffer(content[:-CRC_BYTES], "<u8").reshape(-1, 2).tolist()

    def _decode(self, file: int, number: int, place: list[int], out: NDArray[Any]) -> None:
        offset, size = place
        if offset == NO_CHUNK:
            raise self._missing(number)
        content = os.pread(file, size, offset)
        if len(content) != size or google_crc32c.value(content) != CRC_RESIDUE:
            raise self._damaged(number)
        body = memoryview(content)[:-CRC_BYTES]
        if int.from_bytes(body[4:8], "little") != out.nbytes:  # of a blosc header: the size of what it holds
            raise self._damaged(number)
        blosc.decompress(body, out)

    def _missing(self, number: int) -> ArrayError:
        problem = f"chunks {self._name(number)} of {self.path} are missing: they were not computed, or have been removed"
        return ArrayError(f"{problem}. Make the artifact anew, with these chunks.")

    def _damaged(self, number: int) -> ArrayError:
        return ArrayError(f"a chunk of {self.path} is damaged (in {self._name(number)}). Make the artifact anew.")


def _checked_layout(metadata: dict[str, Any]) -> int:
    """Rows in a file; ValueError where the array is laid out in another way than `zarr_arrays` writes rows."""
    (sharding,) = metadata["codecs"]
    told, per_file = sharding["configuration"], metadata["chunk_grid"]["configuration"]["chunk_shape"]
    names = [codec["name"] for codec in (sharding, *told["codecs"], *told["index_codecs"])]
    row = metadata["shape"][1:]
    if (
        names != ["sharding_indexed", "bytes", "blosc", "crc32c", "bytes", "crc32c"]
        or told.get("index_location", "end") != "end"
        or told["chunk_shape"] != [1, *row]
        or per_file[1:] != row
        or any(codec.get("configuration", {}).get("endian", "little") != "little" for codec in told["codecs"])
    ):
        raise ValueError(f"chunks {told['chunk_shape']} in files of {per_file} with codecs {names}")
    return int(per_file[0])
