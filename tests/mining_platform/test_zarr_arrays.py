import errno
import os
import resource
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import xarray as xr
import zarr

from mining_platform.zarr_arrays import (
    ArrayError,
    create_array,
    create_group,
    group_attributes,
    keep_chunks,
    open_array,
    read_box,
    read_rows,
    write_box,
    written_files,
)

NUMBERS = np.random.default_rng(1).integers(0, 5000, (3, 40, 60)).astype(np.uint16)


def sharded(path: Path) -> ts.TensorStore:
    names, attributes = ("band", "y", "x"), {"scale": 1e-4}
    return create_array(
        path,
        shape=(3, 40, 60),
        dtype=np.uint16,
        chunks=(1, 16, 16),
        shards=(3, 32, 32),
        dimension_names=names,
        attributes=attributes,
    )


def whole(array: ts.TensorStore) -> tuple[slice, ...]:
    return tuple(slice(0, size) for size in array.shape)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    create_group(tmp_path / "g.zarr", {"title": "numbers"})
    write_box(sharded(tmp_path / "g.zarr" / "image"), (0, 0, 0), NUMBERS)
    return tmp_path / "g.zarr"


def test_what_was_written_is_read(written: Path) -> None:
    array = open_array(written / "image")
    np.testing.assert_array_equal(read_box(array, whole(array)), NUMBERS)
    np.testing.assert_array_equal(read_box(array, (slice(1, 2), slice(5, 33), slice(31, 60))), NUMBERS[1:2, 5:33, 31:])


def write_beyond_the_limit(path: Path) -> None:
    """Exits with the number of the system's error, as a disk that takes no more gives one."""
    array = sharded(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        write_box(array, (0, 0, 0), NUMBERS)
    except OSError as error:
        os._exit(error.errno if "image" in str(error.filename) else 254)
    os._exit(255)


def test_what_the_system_refuses_to_write_is_the_systems_error(tmp_path: Path) -> None:
    child = get_context("spawn").Process(target=write_beyond_the_limit, args=(tmp_path / "image",))
    child.start()
    child.join()
    assert child.exitcode == errno.EFBIG


def test_a_group_is_named_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        create_group(tmp_path, {"title": "numbers"})
    assert not (tmp_path / "zarr.json").exists()


def test_of_an_unfinished_group_its_chunks_and_its_name_are_kept(written: Path) -> None:
    for name in ("image/c/0/0/1.__lock3", "image/c/0/note", "note", "other/c/0", "image/tmp-1-2"):
        (written / name).parent.mkdir(parents=True, exist_ok=True)
        (written / name).write_text("left")
    keep_chunks(written, {"image": 3})
    kept = sorted(str(path.relative_to(written)) for path in written.rglob("*") if path.is_file())
    assert kept == ["image/c/0/0/0", "image/c/0/0/1", "image/c/0/1/0", "image/c/0/1/1", "zarr.json"]


def test_rows_come_in_the_order_asked_for(written: Path) -> None:
    np.testing.assert_array_equal(read_rows(open_array(written / "image"), [2, 0, 2]), NUMBERS[[2, 0, 2]])


def test_zarr_python_and_xarray_open_it_unchanged(written: Path) -> None:
    group = zarr.open_group(written, mode="r")
    np.testing.assert_array_equal(group["image"][:], NUMBERS)
    assert dict(group.attrs) == {"title": "numbers"} == group_attributes(written)
    opened = xr.open_zarr(written, consolidated=False)["image"]
    assert opened.dims == ("band", "y", "x")
    np.testing.assert_array_equal(opened.to_numpy(), NUMBERS)


def test_a_chunk_that_was_never_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    array = sharded(tmp_path / "image")
    write_box(array, (0, 0, 0), NUMBERS[:, :32, :32])
    with pytest.raises(ArrayError, match=r"chunks c/0/0/1, c/0/1/1 of .*image are missing"):
        read_box(open_array(tmp_path / "image"), (slice(0, 3), slice(0, 40), slice(32, 60)))


def test_a_chunk_of_zeros_is_stored_and_read_as_zeros(tmp_path: Path) -> None:
    array = sharded(tmp_path / "image")
    write_box(array, (0, 32, 32), np.zeros((3, 8, 28), np.uint16))
    assert written_files(tmp_path / "image") == [(0, 1, 1)]
    assert not read_box(array, (slice(0, 3), slice(32, 40), slice(32, 60))).any()


def test_a_removed_file_is_an_error(written: Path) -> None:
    (written / "image" / "c" / "0" / "1" / "0").unlink()
    array = open_array(written / "image")
    with pytest.raises(ArrayError, match=r"chunks c/0/1/0 of .* are missing"):
        read_box(array, whole(array))
    with pytest.raises(ArrayError, match=r"chunks c/0/1/0 of .* are missing"):
        read_rows(array, [1])


def test_no_flipped_bit_gives_numbers(written: Path) -> None:
    file = written / "image" / "c" / "0" / "0" / "0"
    good = file.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(good), 60):
        content = bytearray(good)
        content[position] ^= 1 << rng.integers(0, 8)
        file.write_bytes(content)
        with pytest.raises(ArrayError, match="damaged"):
            read_box(open_array(written / "image"), (slice(0, 3), slice(0, 32), slice(0, 32)))


def test_equal_arrays_have_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_box(sharded(tmp_path / name), (0, 0, 0), NUMBERS)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert [(tmp_path / "a" / name).read_bytes() for name in files] == [(tmp_path / "b" / name).read_bytes() for name in files]


def test_plain_chunks_without_shards_are_checked_too(tmp_path: Path) -> None:
    array = create_array(tmp_path / "a", shape=(20,), dtype=np.uint8, chunks=(10,), dimension_names=("x",))
    write_box(array, (10,), np.arange(10, dtype=np.uint8))
    assert written_files(tmp_path / "a") == [(1,)]
    file = tmp_path / "a" / "c" / "1"
    content = bytearray(file.read_bytes())
    content[-6] ^= 4
    file.write_bytes(content)
    with pytest.raises(ArrayError, match="damaged"):
        read_box(open_array(tmp_path / "a"), (slice(10, 20),))


def test_boxes_and_rows_outside_the_array_are_refused(written: Path) -> None:
    array = open_array(written / "image")
    with pytest.raises(ValueError, match="not inside the array"):
        read_box(array, (slice(0, 3), slice(0, 41), slice(0, 60)))
    with pytest.raises(ValueError, match="not inside the array"):
        write_box(array, (0, 32, 32), NUMBERS)
    with pytest.raises(ValueError, match=r"Rows \[3, -1\] are not among the 3"):
        read_rows(array, [3, -1, 0])


def test_an_existing_array_is_not_overwritten_and_an_absent_one_is_named(written: Path) -> None:
    with pytest.raises(ArrayError, match="cannot be created"):
        sharded(written / "image")
    with pytest.raises(ArrayError, match="is no Zarr v3 array"):
        open_array(written / "other")
    with pytest.raises(ArrayError, match="is no Zarr v3 group"):
        group_attributes(written / "other")
