"""Patches of many stores as one dataset for PyTorch's loader, read a batch at a time.

A process opens the stores when it first reads, by a reader that survives both ways of starting workers, fork and spawn.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mining_platform.bands import stored_as
from mining_platform.grids import PIXEL_M
from mining_platform.patch_conventions import PER_BAND
from mining_platform.patches import STORE_NAME, channel_positions, read_attributes
from mining_platform.shard_reads import ShardedRows

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.utils.data import DataLoader

ALIKE = (
    "channels",
    "px",
    "pixel_m",
    "unit",
    "scale",
    "offset",
    "nodata",
    "label_values",
)  # attributes that stores of a dataset share


class LabelledPatches(NamedTuple):
    """One patch, or a batch of n with that axis in front."""

    image: "Tensor"
    """(n, band, y, x) float32 reflectance, or what else a channel measures in its own unit, where nodata is 0; or uint16 DN."""
    label: "Tensor"
    """(n, y, x) uint8: 1 mining, 0 other, 255 no class."""
    item: "Tensor"
    """(n,) int64 number of the patch in the dataset: `PatchDataset.patch_id` names it."""


class PatchDataset:
    """Map-style dataset over the patches of stores, in their order, for torch.utils.data.

    `dataset[item]` is a patch and `dataset[[item, ...]]` a batch in the order asked for, which costs one read of a store
    and its label; batches that a plain DataLoader collects from single items are read at once as well.
    """

    def __init__(self, stores: Sequence[Path], *, channels: Sequence[str] | None = None, as_reflectance: bool = True) -> None:
        """Open folders written by `patches.write_store`; `channels` by name and in the order wanted, None for all.

        With `as_reflectance` images are float32, else the uint16 DN stored. ValueError where there is no store, where stores
        differ in an attribute of ALIKE, naming store and difference, or where a channel is unknown.
        """
        described = [{"pixel_m": PIXEL_M, **read_attributes(store)} for store in stores]  # older ones do not say
        _check_alike(stores, described)
        self.stores = tuple(stores)
        self.attributes = {name: described[0][name] for name in ALIKE}
        self.channels = tuple(self.attributes["channels"] if channels is None else channels)
        self.as_reflectance = as_reflectance
        self._scale, self._offset = _conversion(self.attributes, self.channels)
        self._bands = channel_positions(self.attributes["channels"], self.channels)
        self._patch_ids = [attributes["patch_ids"] for attributes in described]
        self._ends = np.cumsum([len(ids) for ids in self._patch_ids])
        self._arrays: dict[tuple[int, str], ShardedRows] = {}

    def __len__(self) -> int:
        """Patches of all stores."""
        return int(self._ends[-1])

    def place(self, item: int) -> tuple[Path, int]:
        """The store and the row in it of an item; IndexError where there is no such item."""
        (store,), (row,) = self._places([item])
        return self.stores[store], int(row)

    def patch_id(self, item: int) -> str:
        """Id of the patch of an item; IndexError where there is no such item."""
        (store,), (row,) = self._places([item])
        return self._patch_ids[store][row]

    def items_of(self, patch_ids: Sequence[str]) -> NDArray[np.int64]:
        """Items of patches by id, in the order asked for; KeyError naming ids that no store holds, or several do."""
        known: dict[str, int] = {}
        repeated = set()
        for item, patch_id in enumerate(name for ids in self._patch_ids for name in ids):
            if known.setdefault(patch_id, item) != item:
                repeated.add(patch_id)
        if wrong := [patch_id for patch_id in patch_ids if patch_id not in known or patch_id in repeated]:
            raise KeyError(
                f"Patches {wrong[:5]} are in none or in several of the {len(self.stores)} stores. "
                "Open the stores that the table was made of."
            )
        return np.array([known[patch_id] for patch_id in patch_ids], dtype=np.int64)

    def __getitem__(self, item: int | Sequence[int]) -> LabelledPatches:
        """A patch, or a batch for a sequence of items; raises IndexError, and ArrayError for damaged or missing chunks."""
        if isinstance(item, (int, np.integer)):
            return LabelledPatches(*(part[0] for part in self._read([int(item)])))
        return self._read(item)

    def __getitems__(self, items: Sequence[int]) -> list[LabelledPatches]:
        """What a plain DataLoader asks for, before it stacks the patches itself."""
        return [LabelledPatches(*parts) for parts in zip(*self._read(items), strict=True)]

    def __getstate__(self) -> dict[str, Any]:
        """For a worker that is started anew: it opens the arrays itself."""
        return {**self.__dict__, "_arrays": {}}

    def _read(self, items: Sequence[int]) -> LabelledPatches:
        import torch

        places, numbers = self._places(items), np.asarray(items, np.int64)
        image = self._gather("image", *places)
        image = image if self._bands == list(range(image.shape[1])) else image[:, self._bands]
        pixels = self._reflectance(image) if self.as_reflectance else image
        return LabelledPatches(*(torch.from_numpy(part) for part in (pixels, self._gather("label", *places), numbers)))

    def _gather(self, name: str, stores: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[Any]:
        """Entries of an array of the stores, in the order of `rows`; one read a store."""
        wanted = np.unique(stores)
        if len(wanted) == 1:
            return self._open(int(wanted[0]), name).read(rows)
        parts = [self._open(int(store), name).read(rows[stores == store]) for store in wanted]
        out = np.empty((len(rows), *parts[0].shape[1:]), parts[0].dtype)
        for store, part in zip(wanted, parts, strict=True):
            out[stores == store] = part
        return out

    def _open(self, store: int, name: str) -> ShardedRows:
        if (store, name) not in self._arrays:
            self._arrays[store, name] = ShardedRows(self.stores[store] / STORE_NAME / name)
        return self._arrays[store, name]

    def _places(self, items: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Position of the store, and row in it, of each item."""
        numbers = np.asarray(items, np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(outside) or not len(numbers):
            raise IndexError(f"Items {outside[:8].tolist()} are not among the {len(self)} of the dataset. Ask for some of those.")
        stores = np.searchsorted(self._ends, numbers, side="right")
        return stores, numbers - np.concatenate([[0], self._ends])[stores]

    def _reflectance(self, image: NDArray[np.uint16]) -> NDArray[np.float32]:
        nodata = self.attributes["nodata"]
        values = np.multiply(image, self._scale, dtype=np.float32)
        if self._offset.any() or nodata:  # else nodata comes out as 0 by itself
            values += self._offset
            values[image == nodata] = 0
        return values


def _conversion(attributes: dict[str, Any], channels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and offset of each channel, (band, 1, 1): those of the store, or where its channels differ each its own."""
    shared = attributes["unit"] != PER_BAND
    rows = [(attributes["scale"], attributes["offset"]) if shared else stored_as(channel) for channel in channels]
    scale, offset = np.array(rows, np.float32).T[..., None, None]
    return scale, offset


def _check_alike(stores: Sequence[Path], described: Sequence[dict[str, Any]]) -> None:
    if not stores:
        raise ValueError("A dataset of patches needs at least one store. Name folders that hold a patches.zarr.")
    for store, attributes in zip(stores, described, strict=True):
        for name in ALIKE:
            if attributes[name] != described[0][name]:
                raise ValueError(
                    f"{store} differs from {stores[0]} in {name}: {attributes[name]!r}, not {described[0][name]!r}. "
                    "Train on stores of one dataset, or cut the patches anew with the same channels, size and units."
                )


class ShuffledBatches:
    """Batches of items in a new random order each time they are gone through; in a batch, items keep their order.

    The order comes from the generator, which goes on from one pass to the next.
    """

    def __init__(self, items: Sequence[int] | NDArray[np.int64], batch_size: int, generator: "Generator") -> None:
        """Batches of `batch_size` items, the last of a pass with what is left."""
        self._items, self._size, self._generator = np.asarray(items, np.int64), batch_size, generator

    def __len__(self) -> int:
        """Batches of a pass."""
        return math.ceil(len(self._items) / self._size)

    def __iter__(self) -> Iterator[list[int]]:
        """One pass."""
        import torch

        order = torch.randperm(len(self._items), generator=self._generator).numpy()
        for start in range(0, len(order), self._size):
            yield self._items[np.sort(order[start : start + self._size])].tolist()


def batch_loader(dataset: Any, batches: Iterable[Any], *, workers: int = 0) -> "DataLoader[Any]":
    """`dataset[batch]` for each of `batches`, in their order; torch's own random numbers are left alone.

    Workers, if any, read ahead, and stay until the loader is let go.
    """
    import torch
    from torch.utils.data import DataLoader

    return DataLoader(
        dataset,
        sampler=batches,
        batch_size=None,  # the sampler gives whole batches, so the dataset reads each at once
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator(),
    )


def patch_loader(
    dataset: PatchDataset,
    *,
    batch_size: int,
    items: Sequence[int] | None = None,
    shuffle_seed: int | None = None,
    workers: int = 0,
) -> "DataLoader[LabelledPatches]":
    """Batches (LabelledPatches) of items, by default of all; the last one may be smaller.

    In a new random order each epoch, the same for the same seed whatever the number of workers; in the order of `items`
    where `shuffle_seed` is None.
    """
    import torch

    chosen = list(range(len(dataset)) if items is None else items)
    if shuffle_seed is None:
        return batch_loader(dataset, [chosen[at : at + batch_size] for at in range(0, len(chosen), batch_size)], workers=workers)
    order = ShuffledBatches(chosen, batch_size, torch.Generator().manual_seed(shuffle_seed))
    return batch_loader(dataset, order, workers=workers)
