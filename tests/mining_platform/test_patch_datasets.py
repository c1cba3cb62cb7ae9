import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mining_platform import zarr_arrays
from mining_platform.patch_datasets import PatchDataset, ShuffledBatches, patch_loader
from mining_platform.patches import STORE_NAME, read_attributes, read_images, read_labels
from mining_platform.shard_reads import ShardedRows
from mining_platform.zarr_arrays import ArrayError
from tests.mining_platform.patch_stores import CHANNELS, PX, store, windows, write_inputs, write_pixels

FIRST, SECOND = [(0, 0), (0, 5), (2, 1)], [(1, 3), (3, 0)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stores of three, of no and of two patches."""
    folder = tmp_path_factory.mktemp("stores")
    inputs = write_inputs(folder / "inputs")
    for name, places in (("a", FIRST), ("empty", []), ("b", SECOND)):
        store(inputs, folder / name, windows(*places))
    return [folder / name for name in ("a", "empty", "b")]


def all_pixels(stores: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    parts = [(folder, range(len(read_attributes(folder)["patch_ids"]))) for folder in stores]
    images, labels = ([read(folder, rows) for folder, rows in parts] for read in (read_images, read_labels))
    return np.concatenate(images), np.concatenate(labels)


def test_items_are_the_patches_of_all_stores_in_order(stores: list[Path]) -> None:
    dataset, (images, labels) = PatchDataset(stores, as_reflectance=False), all_pixels(stores)
    assert len(dataset) == 5
    for item in range(5):
        found = dataset[item]
        np.testing.assert_array_equal(found.image.numpy(), images[item])
        np.testing.assert_array_equal(found.label.numpy(), labels[item])
        assert int(found.item) == item
    assert [dataset.place(item) for item in (2, 3, 4)] == [(stores[0], 2), (stores[2], 0), (stores[2], 1)]
    assert [dataset.patch_id(item) for item in (0, 4)] == [
        read_attributes(stores[0])["patch_ids"][0],
        read_attributes(stores[2])["patch_ids"][1],
    ]


def test_a_batch_across_stores_comes_in_the_order_asked_for(stores: list[Path]) -> None:
    batch, (images, labels) = PatchDataset(stores, as_reflectance=False)[[4, 0, 3, 2, 0]], all_pixels(stores)
    np.testing.assert_array_equal(batch.image.numpy(), images[[4, 0, 3, 2, 0]])
    np.testing.assert_array_equal(batch.label.numpy(), labels[[4, 0, 3, 2, 0]])
    assert batch.item.tolist() == [4, 0, 3, 2, 0]


def test_channels_are_chosen_by_name_and_given_as_reflectance(stores: list[Path]) -> None:
    dataset, (images, _) = PatchDataset(stores, channels=("B11", "B04")), all_pixels(stores)
    found = dataset[[1, 3]].image
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), images[[1, 3]][:, [3, 0]] * 1e-4, rtol=1e-6)
    assert found[:, 0].unique().tolist() == pytest.approx([0.0777])
    with pytest.raises(ValueError, match=r"Channels \['B12'\] are not among B04, B03, B02, B11"):
        PatchDataset(stores, channels=["B12"])


def test_channels_of_different_units_come_each_in_its_own(tmp_path: Path) -> None:
    numbers = np.array([1_500, 34_000, 6_000], np.uint16)[None, :, None, None] * np.ones((1, 3, 4, 4), np.uint16)
    numbers[0, :, 0, 0] = 0
    folder = write_pixels(tmp_path / "mixed", numbers, ("B04", "S1-VV", "DEM"), ["a"])
    image = PatchDataset([folder])[[0]].image.numpy()[0]
    assert image[:, 1, 1].tolist() == pytest.approx([0.15, -12.0, 200.0], abs=1e-4)
    assert image[:, 0, 0].tolist() == [0, 0, 0]
    assert PatchDataset([folder], channels=("DEM", "B04"))[0].image[:, 1, 1].tolist() == pytest.approx([200.0, 0.15], abs=1e-4)


def test_a_batch_in_one_store_is_one_read_of_images(stores: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read, calls = ShardedRows.read, []

    def counted(array: ShardedRows, rows: Any) -> Any:
        calls.append(len(rows))
        return read(array, rows)

    monkeypatch.setattr(ShardedRows, "read", counted)
    (batch,) = DataLoader(PatchDataset(stores[:1], as_reflectance=False), batch_size=3)  # type: ignore[var-annotated, arg-type]
    assert calls == [3, 3]  # image and label
    assert batch.image.shape == (3, len(CHANNELS), PX, PX)
    np.testing.assert_array_equal(batch.image.numpy(), all_pixels(stores)[0][:3])
    np.testing.assert_array_equal(batch.label.numpy(), all_pixels(stores)[1][:3])


def test_every_item_comes_once_an_epoch_in_an_order_that_the_seed_decides(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)

    def orders(seed: int | None) -> list[list[int]]:
        loader = patch_loader(dataset, batch_size=2, shuffle_seed=seed)
        return [[int(item) for batch in loader for item in batch.item] for _ in range(3)]

    assert orders(None) == [[0, 1, 2, 3, 4]] * 3
    assert orders(7) == orders(7)
    assert [sorted(order) for order in orders(7)] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(order) for seed in (7, 8) for order in orders(seed)}) > 1
    chosen = patch_loader(dataset, batch_size=4, items=[4, 1])
    assert [batch.item.tolist() for batch in chosen] == [[4, 1]]


def test_forked_workers_give_the_batches_of_a_process_that_has_read_already(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)
    assert read_images(stores[0], [0]).any()  # by tensorstore, whose threads a fork leaves behind
    assert dataset[0].image.any()
    alone, shared = (list(patch_loader(dataset, batch_size=2, shuffle_seed=1, workers=workers)) for workers in (0, 2))
    assert len(alone) == len(shared) == 3
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(part, same) for part, same in zip(one, other, strict=True))


def test_workers_started_anew_give_the_same_batches(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)
    loader: Any = DataLoader(dataset, batch_size=5, num_workers=1, multiprocessing_context="spawn")  # type: ignore[arg-type]
    (batch,) = loader
    assert all(torch.equal(part, same) for part, same in zip(batch, dataset[range(5)], strict=True))


def test_a_copy_for_another_process_opens_the_stores_anew(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)
    first = dataset[0].image
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[0].image, first)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "channels",
            ["B04", "B02", "B03", "B11"],
            r"in channels: \['B04', 'B02', 'B03', 'B11'\], not \['B04', 'B03', 'B02', 'B11'\]",
        ),
        ("unit", "dn", "in unit: 'dn', not 'reflectance'"),
        ("scale", 1.0, "in scale: 1.0, not 0.0001"),
        ("px", 32, "in px: 32, not 16"),
        ("label_values", {"mining": 30}, "in label_values"),
    ],
)
def test_stores_that_differ_are_refused_by_name(
    stores: list[Path], tmp_path: Path, name: str, value: object, message: str
) -> None:
    zarr_arrays.create_group(tmp_path / STORE_NAME, {**read_attributes(stores[0]), name: value})
    with pytest.raises(ValueError, match=rf"{tmp_path} differs from .*{message}"):
        PatchDataset([stores[0], tmp_path])


def test_items_that_do_not_exist_and_datasets_of_nothing_are_refused(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)
    for item in (5, -1):
        with pytest.raises(IndexError, match=rf"Items \[{item}\] are not among the 5"):
            dataset[item]
    with pytest.raises(ValueError, match="needs at least one store"):
        PatchDataset([])
    with pytest.raises(ArrayError, match="is no Zarr v3 group"):
        PatchDataset([stores[0] / "elsewhere"])


def test_a_damaged_file_stops_the_loader_and_gives_no_numbers(stores: list[Path], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(stores[0], tmp_path / "copy")
    (tmp_path / "copy" / STORE_NAME / "image" / "c" / "0" / "0" / "0" / "0").unlink()
    with pytest.raises(ArrayError, match="are missing"):
        list(patch_loader(PatchDataset([tmp_path / "copy"]), batch_size=2))


def test_items_are_found_by_the_ids_of_their_patches(stores: list[Path]) -> None:
    dataset = PatchDataset(stores)
    ids = [dataset.patch_id(item) for item in (4, 0, 3)]
    assert dataset.items_of(ids).tolist() == [4, 0, 3]
    assert dataset.items_of([]).tolist() == []
    with pytest.raises(KeyError, match=r"Patches \['elsewhere'\] are in none or in several of the 3 stores"):
        dataset.items_of([ids[0], "elsewhere"])
    with pytest.raises(KeyError, match="are in none or in several of the 2 stores"):
        PatchDataset([stores[0], stores[0]]).items_of(ids[1:2])


def test_shuffled_batches_hold_each_item_once_a_pass_and_differ_from_pass_to_pass() -> None:
    items = [50, 7, 30, 9, 2, 41, 8]
    batches = ShuffledBatches(items, 3, torch.Generator().manual_seed(5))
    first, second = list(batches), list(batches)
    assert [len(batch) for batch in first] == [3, 3, 1]
    assert len(batches) == 3
    assert (
        sorted(item for batch in first for item in batch) == sorted(item for batch in second for item in batch) == sorted(items)
    )
    assert first != second
    assert all(sorted(batch, key=items.index) == batch for batch in first)
    assert list(ShuffledBatches(items, 3, torch.Generator().manual_seed(5))) == first


def test_loading_leaves_the_random_numbers_of_torch_alone(stores: list[Path]) -> None:
    before = torch.random.get_rng_state()
    assert sum(len(batch.item) for batch in patch_loader(PatchDataset(stores), batch_size=2, shuffle_seed=1)) == 5
    assert torch.equal(torch.random.get_rng_state(), before)
