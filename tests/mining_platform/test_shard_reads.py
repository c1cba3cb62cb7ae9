from pathlib import Path

import numpy as np
import pytest

from mining_platform import zarr_arrays
from mining_platform.shard_reads import ShardedRows
from mining_platform.zarr_arrays import ArrayError

PIXELS = np.random.default_rng(0).integers(0, 300, (10, 2, 16, 16)).astype(np.uint16)
FILE = Path("c", "0", "0", "0", "0")


def write(path: Path, pixels: np.ndarray = PIXELS, chunk: int = 1, count: int = 10) -> Path:
    array = zarr_arrays.create_array(
        path,
        shape=pixels.shape,
        dtype=pixels.dtype,
        chunks=(chunk, *pixels.shape[1:]),
        shards=(4, *pixels.shape[1:]),
        dimension_names=("sample", "band", "y", "x")[: pixels.ndim],
    )
    zarr_arrays.write_box(array, (0,) * pixels.ndim, pixels[:count])
    return path


@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
def test_rows_are_those_written_in_the_order_asked_for(tmp_path: Path, dtype: str) -> None:
    array = ShardedRows(write(tmp_path / "a", PIXELS.astype(dtype)))
    for rows in ([9, 0, 4, 4], list(range(10)), [3]):
        found = array.read(rows)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, PIXELS.astype(dtype)[rows])
    assert array.read([]).shape == (0, 2, 16, 16)


def test_no_flipped_byte_gives_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "a") / FILE
    good = file.read_bytes()
    for position in range(0, len(good), 7):
        content = bytearray(good)
        content[position] ^= 0x10
        file.write_bytes(content)
        with pytest.raises(ArrayError, match="is damaged"):
            ShardedRows(tmp_path / "a").read(range(4))
    file.write_bytes(good)
    np.testing.assert_array_equal(ShardedRows(tmp_path / "a").read(range(4)), PIXELS[:4])


def test_a_file_cut_short_gives_no_numbers_also_when_it_was_read_before(tmp_path: Path) -> None:
    file = write(tmp_path / "a") / FILE
    array, good = ShardedRows(tmp_path / "a"), file.read_bytes()
    assert array.read(range(4)).any()
    for size in (0, 3, 40, len(good) // 2, len(good) - 1):
        file.write_bytes(good[:size])
        with pytest.raises(ArrayError, match="is damaged"):
            ShardedRows(tmp_path / "a").read(range(4))
    file.write_bytes(good[: len(good) // 4])
    with pytest.raises(ArrayError, match=r"is damaged \(in c/0/0/0/0\)"):
        array.read(range(4))


def test_missing_files_and_missing_chunks_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / FILE).unlink()
    with pytest.raises(ArrayError, match=r"chunks c/0/0/0/0 of .* are missing"):
        ShardedRows(tmp_path / "a").read([5, 0])
    half = ShardedRows(write(tmp_path / "half", count=6))
    np.testing.assert_array_equal(half.read([5]), PIXELS[[5]])
    with pytest.raises(ArrayError, match=r"chunks c/1/0/0/0 of .* are missing"):
        half.read([5, 6])


def test_rows_outside_and_arrays_of_another_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Rows \[10, -1\] are not among the 10"):
        ShardedRows(write(tmp_path / "a")).read([10, 0, -1])
    with pytest.raises(ArrayError, match=r"is no sharded Zarr v3 array of rows \(chunks \[2, 2, 16, 16\]"):
        ShardedRows(write(tmp_path / "pairs", chunk=2))
    with pytest.raises(ArrayError, match="is no sharded Zarr v3 array of rows"):
        ShardedRows(tmp_path / "none")
