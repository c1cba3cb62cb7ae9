"""The patch store against a folder of GeoTIFFs and zarr-python: shuffled batches, writing, bytes, files, and waiting in training.

`python -m benchmarks.patches` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. Patches are cut
at random places of one clear scene of the simulation that also paints the demo: 12 x 128 x 128 uint16 and a label; SIMULATED.
Real pixels compress less; where the real scene of the tests is at hand, its bytes are told as well.
"""

import datetime as dt
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import zarr
from numpy.typing import NDArray
from odc.geo.crs import CRS
from zarr.codecs import BloscCodec, Crc32cCodec

from benchmarks.comparison import Row, enough, interleaved_cpu, print_table
from mining_platform import patch_conventions, zarr_arrays
from mining_platform.bands import S2_SCALE
from mining_platform.experiments import EXPERIMENTS
from mining_platform.models.classifier import deterministic_torch
from mining_platform.models.registry import build_model
from mining_platform.patch_arrays import create_arrays, shard_patches, write_patches
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patches import INDEX_NAME, INDEX_TYPES, STORE_NAME
from mining_platform.profiles import PROFILES
from mining_platform.simulation import noise
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.painting import painted_ground
from mining_platform.simulation.scenes import render
from mining_platform.training_batches import training_epochs
from mining_platform.training_devices import gradient_scaler
from mining_platform.training_losses import LOSSES
from mining_platform.training_patches import SplitPatches, channel_statistics
from mining_platform.training_runs import Learner, train_epoch

CHANNELS = PROFILES["s2-12"].channels
PX, GROUND_PX = 128, 1536
BATCH = 32
TIFF_AIM, ZARR_AIM, WRITE_AIM, BYTES_AIM = 15, 5, 1.5, 1.5
MOST_MEMMAPS = 6  # reads of plain memory-mapped arrays, which hold no fewer bytes and check nothing
FILES_PATCHES, MOST_FILES = 2_600, 0.01  # a patch
WORKERS, MOST_WAITING, TRAINED_PATCHES = 2, 0.05, 512
REAL_SCENE = (
    Path(os.environ.get("MINING_PLATFORM_REALDATA", "../shared/realdata")) / "trombetas-s2-srtm-polygons" / "sen2_12band.tif"
)
REAL_STEP_PX = 12  # between the patches of the real scene, which is not much larger than one
FOREST, PASTURE, MINING, RIVER = 3, 15, 30, 33  # codes of the MapBiomas legend


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    patches: int
    peer_patches: int
    """Patches that the slow peers read; their time is scaled by patches."""
    written: int
    rounds: int


FULL = Size(2_048, 256, written=1_024, rounds=3)
QUICK = Size(512, 128, written=512, rounds=3)
Patches = tuple[NDArray[np.uint16], NDArray[np.uint8]]


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where two ways give different pixels, since then no ratio means anything."""
    size = QUICK if quick else FULL
    patches = cut_patches(size.patches)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_whole_store(folder / "store", *patches)
        return [
            *_read_rows(patches, folder, size),
            _write_row(patches, folder, size),
            _bytes_row(patches, folder / "store", "SIMULATED pixels"),
            *_real_bytes_rows(folder / "real"),
            files_row(folder / "many"),
            *waiting_rows(folder / "store", size.rounds),
        ]


def cut_patches(count: int) -> Patches:
    """Images (n, 12, 128, 128) uint16 and labels (n, 128, 128) uint8 at random places of a made-up scene."""
    rng = np.random.default_rng(3)
    field = noise.rough((GROUND_PX, GROUND_PX), rng, 120)
    limits = np.quantile(field, (0.6, 0.85, 0.97))
    classes = np.array((FOREST, PASTURE, MINING, RIVER), np.uint8)[np.searchsorted(limits, field)]
    scene = render(_clear_scene(), painted_ground(classes, 3, "bench"), seed=3)
    image = np.stack([_at_10_m(scene.bands[channel]) for channel in CHANNELS])
    corners = rng.integers(0, GROUND_PX - PX, (count, 2))
    cuts = [(slice(top, top + PX), slice(left, left + PX)) for top, left in corners]
    labels = (classes == MINING).astype(np.uint8)
    return np.stack([image[:, rows, columns] for rows, columns in cuts]), np.stack([labels[cut] for cut in cuts])


def _clear_scene() -> SceneSpec:
    when = dt.datetime(2021, 8, 1, 14, tzinfo=dt.UTC)
    fields = {"sun": (45.0, 55.0), "wetness": 0.3, "cover": 0.0, "haze": 0.2, "swath": None}
    return SceneSpec("bench", "bench", when, "sentinel-2a", "03.01", **fields)


def _at_10_m(band: NDArray[np.uint16]) -> NDArray[np.uint16]:
    if band.shape == (GROUND_PX, GROUND_PX):
        return band
    return np.rint(noise.enlarge(band.astype(np.float32), (GROUND_PX, GROUND_PX))).clip(1, 65535).astype(np.uint16)


def write_whole_store(folder: Path, images: NDArray[np.uint16], labels: NDArray[np.uint8]) -> None:
    """A folder as `patches.write_store` leaves it, of patches that come from no mosaic."""
    count, px, crs = len(images), images.shape[-1], CRS("EPSG:32721")
    ids = [f"32721_{row * px}_0_{px}_2021" for row in range(count)]
    grid = {"channels": list(CHANNELS), "px": px, "scale": 1e-4, "offset": 0.0, "nodata": 0, "unit": "reflectance"}
    told = {**grid, "label_values": patch_conventions.LABEL_VALUES, "patch_ids": ids}
    store = folder / STORE_NAME
    zarr_arrays.create_group(store, {**patch_conventions.group_attributes(crs, CHANNELS, simulated=True), **told})
    index = pd.DataFrame({name: np.zeros(count) for name in INDEX_TYPES})
    patch_conventions.write_coordinates(store, np.zeros((count, 2)), crs)
    image, label = create_arrays(store, count, CHANNELS, px, shard=shard_patches(len(CHANNELS), PX))
    write_patches(image, images)
    write_patches(label, labels)
    index.to_parquet(folder / INDEX_NAME)


def _read_rows(patches: Patches, folder: Path, size: Size) -> list[Row]:
    """Shuffled batches of image and label as uint16 and uint8."""
    order = np.random.default_rng(1).permutation(size.patches)
    few = np.random.default_rng(2).permutation(size.peer_patches)
    dataset = PatchDataset([folder / "store"], as_reflectance=False)
    batch = dataset[order[:BATCH].tolist()]
    assert np.array_equal(batch.image.numpy(), patches[0][order[:BATCH]]), "images differ"
    peers = _peers(patches, folder, few)
    assert all(_equal(read(few[:2]), patches, few[:2]) for read in peers.values()), "a peer reads other pixels"
    seconds = interleaved_cpu(
        {
            "ours": lambda: _read_all(dataset.__getitem__, order),
            **{name: lambda read=read: _read_all(read, few) for name, read in peers.items()},
        },
        size.rounds,
    )
    ours = seconds.pop("ours") / len(order)
    path = f"shuffled batches of {BATCH}, {len(order)} patches of {len(CHANNELS)} x {PX}²"
    aims = {"GeoTIFF folder (rasterio, deflate)": TIFF_AIM, "zarr-python items": ZARR_AIM}
    rows = []
    for name, taken in seconds.items():
        each = taken / len(few)
        note = f"{each * 1e3:.3f} against {ours * 1e3:.3f} CPU ms a patch, warm cache"
        if name in aims:
            rows.append(Row(path, name, each / ours, aims[name], note))
        else:
            rows.append(Row(path, f"{MOST_MEMMAPS} reads of a {name} (limit)", MOST_MEMMAPS * each / ours, 1, note))
    return rows


def _read_all(read: Callable[[Any], object], order: NDArray[np.int64]) -> None:
    """Batch after batch, each let go before the next."""
    for first in range(0, len(order), BATCH):
        read(order[first : first + BATCH])


def _equal(found: Patches, patches: Patches, rows: NDArray[np.int64]) -> bool:
    return all(np.array_equal(part, stored[rows]) for part, stored in zip(found, patches, strict=True))


def _peers(patches: Patches, folder: Path, few: NDArray[np.int64]) -> dict[str, Callable[[NDArray[np.int64]], Patches]]:
    group = zarr.open_group(folder / "store" / STORE_NAME, mode="r")
    arrays = [group["image"], group["label"]]
    (folder / "tiff").mkdir()
    for row in few:
        _write_tiff(folder / "tiff" / f"{row}.tif", patches[0][row])
        _write_tiff(folder / "tiff" / f"{row}_label.tif", patches[1][row][None])
    for name, values in zip(("image", "label"), patches, strict=True):
        np.save(folder / f"{name}.npy", values[: len(few)])
    maps = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("image", "label")]

    def by_rasterio(rows: NDArray[np.int64]) -> Any:
        images, labels = ([_read_tiff(folder / "tiff" / f"{row}{end}.tif") for row in rows.tolist()] for end in ("", "_label"))
        return np.stack(images), np.stack(labels)[:, 0]

    return {
        "GeoTIFF folder (rasterio, deflate)": by_rasterio,
        "zarr-python items": lambda rows: tuple(np.stack([array[row] for row in rows.tolist()]) for array in arrays),
        "memory map": lambda rows: tuple(values[np.sort(rows)][np.argsort(np.argsort(rows))] for values in maps),
    }


def _write_tiff(path: Path, values: NDArray[Any]) -> None:
    shape = {"count": values.shape[0], "height": PX, "width": PX, "dtype": values.dtype}
    place = {"crs": "EPSG:32721", "transform": rasterio.Affine(10, 0, 600_000, 0, -10, 9_300_000)}
    with rasterio.open(path, "w", driver="GTiff", compress="deflate", **place, **shape) as out:
        out.write(values)


def _read_tiff(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as source:
        return source.read()


def _write_row(patches: Patches, folder: Path, size: Size) -> Row:
    """Images and labels that come one by one into the same layout, a file at a time."""
    images, labels = (values[: size.written] for values in patches)
    numbers = iter(range(1000))

    def ours() -> None:
        image, label = create_arrays(folder / f"ours{next(numbers)}", len(images), CHANNELS, PX, shard=shard_patches(12, PX))
        write_patches(image, images)
        write_patches(label, labels)

    def theirs() -> None:
        group = zarr.create_group(folder / f"theirs{next(numbers)}")
        _write_by_zarr_python(group, "image", images, shard_patches(12, PX))
        _write_by_zarr_python(group, "label", labels, len(labels))

    seconds = interleaved_cpu({"ours": ours, "zarr-python": theirs}, size.rounds)
    note = f"{seconds['ours'] / len(images) * 1e3:.2f} CPU ms a patch, the same chunks, codecs and files"
    return Row(f"write {len(images)} patches", "zarr-python", seconds["zarr-python"] / seconds["ours"], WRITE_AIM, note)


def _write_by_zarr_python(group: zarr.Group, name: str, values: NDArray[Any], shard: int) -> None:
    codecs = [BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()]
    chunks, shards = (1, *values.shape[1:]), (shard, *values.shape[1:])
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=chunks, shards=shards, compressors=codecs, filters=None
    )
    rows = iter(values)
    for first in range(0, len(values), shard):
        part = np.stack(list(itertools.islice(rows, shard)))
        array[first : first + len(part)] = part


def _bytes_row(patches: Patches, store: Path, source: str) -> Row:
    stored = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    raw = sum(values.nbytes for values in patches)
    note = f"{stored / len(patches[0]) / 1024:.0f} KiB a patch, all files of the store; {source}"
    return Row(f"bytes of {len(patches[0])} patches", "raw arrays", raw / stored, BYTES_AIM, note)


def _real_bytes_rows(folder: Path) -> list[Row]:
    """The same of a real scene, where it is at hand."""
    if not REAL_SCENE.exists():
        return []
    patches = real_patches()
    write_whole_store(folder, *patches)
    return [_bytes_row(patches, folder, "real Sentinel-2 L2A pixels of Porto Trombetas")]


def real_patches() -> Patches:
    """Images (n, 12, 128, 128) uint16 of a real scene, at overlapping places, with labels of nothing."""
    with rasterio.open(REAL_SCENE) as source:
        scene = np.rint(source.read() / S2_SCALE).clip(1, 65535).astype(np.uint16)
    places = itertools.product(*(range(0, size - PX + 1, REAL_STEP_PX) for size in scene.shape[1:]))
    images = np.stack([scene[:, top : top + PX, left : left + PX] for top, left in places])
    return images, np.zeros((len(images), PX, PX), np.uint8)


def files_row(folder: Path) -> Row:
    """Files of a store of so many patches, index and coordinates included; what they hold does not matter."""
    write_whole_store(folder, np.ones((FILES_PATCHES, 12, 8, 8), np.uint16), np.ones((FILES_PATCHES, 8, 8), np.uint8))
    files = sum(file.is_file() for file in folder.rglob("*"))
    allowed = MOST_FILES * FILES_PATCHES
    return Row(f"files of {FILES_PATCHES} patches", f"{MOST_FILES} a patch (limit)", allowed / files, 1, f"{files} files")


def waiting_rows(store: Path, rounds: int) -> list[Row]:
    """How long the project's own training loop waits for its batches from workers, as a share of its time."""
    rows = []
    for augmentation in ("none", "flips"):
        waited, whole, steps = _trained(store, augmentation, rounds)
        note = f"{waited / whole:.1%} of {whole / steps * 1e3:.0f} ms a step of {BATCH} patches, decoding to normalising included"
        path = f"waiting of small-cnn, {WORKERS} loader workers, augmentation {augmentation}"
        rows.append(Row(path, f"{MOST_WAITING:.0%} of the time (limit)", MOST_WAITING * whole / waited, 1, note))
    return rows


def _trained(store: Path, augmentation: Any, rounds: int) -> tuple[float, float, int]:
    """Seconds that epochs of training waited for batches, seconds they took, and steps; the first epoch is not counted."""
    import torch

    dataset = PatchDataset([store], as_reflectance=False)
    items = np.arange(min(len(dataset), TRAINED_PATCHES))
    patches = SplitPatches(dataset, items, items % 2 == 1)
    experiment = replace(EXPERIMENTS["ranges-cnn"], batch_size=BATCH, augmentation=augmentation, epochs=1 + rounds)
    weights, waits = np.ones(2, np.float32), []
    with deterministic_torch(seed=0):
        module, processor = build_model(experiment.model, len(CHANNELS), PX), torch.device("cpu")
        optimiser = torch.optim.Adam(module.parameters())
        schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
        learner = Learner(module, optimiser, schedule, gradient_scaler(processor), processor)
        epochs = training_epochs(patches, channel_statistics(patches.batches(), CHANNELS), experiment, workers=WORKERS)
        train_epoch(learner, next(epochs), LOSSES["bce"], weights)
        started = time.perf_counter()
        for batches in epochs:
            train_epoch(learner, _timed(batches, waits), LOSSES["bce"], weights)
        return sum(waits), time.perf_counter() - started, len(waits)


def _timed(batches: Iterable[Any], waits: list[float]) -> Iterator[Any]:
    """The batches, with the seconds until each comes added to `waits`."""
    source, nothing = iter(batches), object()
    while True:
        started = time.perf_counter()
        batch = next(source, nothing)
        if batch is nothing:
            return
        waits.append(time.perf_counter() - started)
        yield batch


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
