"""Pictures of patches from where they are stored: our patch stores and folders of images, as patterns and hashes."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, patches
from mining_platform.leakage.perceptual_hashes import hashes, patterns, thumbnails
from mining_platform.leakage.sides import LeakageError
from mining_platform.raster_files import opened_raster_file

BATCH = 256  # pictures read at once
IMAGE_DRIVERS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "GTiff", ".tiff": "GTiff"}
VISIBLE_BANDS = 3  # the first bands of an image file: red, green, blue of a picture; blue, green, red of common stacks


@dataclass(frozen=True)
class Pictures:
    """Pictures of patches, ready to be compared."""

    patch_ids: tuple[str, ...]
    """(n) the patch that each shows."""
    patterns: NDArray[np.float16]
    """(n, 32, 32) as `perceptual_hashes.patterns`; half precision keeps a correlation to 0.001."""
    hashes: NDArray[np.uint64]
    """(n,) as `perceptual_hashes.hashes`."""
    shows: NDArray[np.bool_]
    """(n,) False for flat pictures."""


def read_pictures(stores: Sequence[Path], folders: Sequence[Path], patch_ids: Iterable[str]) -> Pictures:
    """Pictures of the patches that are asked for: the mean of the visible bands.

    Stores are joined by patch_id, or by window_id where no patch id of a store is asked for; folders by the names of their
    files, at any depth, without suffix or as they are. Patches without a picture are left out.

    Raises LeakageError for what is no store or folder, for a patch with two images in a folder, for unreadable images, and
    where there is no picture at all.
    """
    wanted = set(patch_ids)
    batches = (batch for store in stores for batch in _of_store(store, wanted))
    images = (batch for folder in folders for batch in _of_folder(folder, wanted))
    parts = [pictures_of(names, thumbnail) for names, thumbnail in chain(batches, images)]
    if not parts:
        where = ", ".join(map(str, [*stores, *folders]))
        raise LeakageError(f"{where}: no picture belongs to one of the {len(wanted)} patches; they are joined by patch id.")
    ids = tuple(name for part in parts for name in part.patch_ids)
    every = (np.concatenate([getattr(part, name) for part in parts]) for name in ("patterns", "hashes", "shows"))
    return Pictures(ids, *every)


def pictures_of(patch_ids: Sequence[str], thumbnail: NDArray[np.float32]) -> Pictures:
    """Pictures from (n, 32, 32) thumbnails of grey levels, as `perceptual_hashes.thumbnails` makes them."""
    exact, shows = patterns(thumbnail)
    return Pictures(tuple(patch_ids), exact.astype(np.float16), hashes(exact), shows)


def _of_store(store: Path, wanted: set[str]) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Patch ids and thumbnails of a patch store, batch by batch."""
    if not (store / patches.INDEX_NAME).is_file():
        raise LeakageError(f"{store} is no patch store: it has no {patches.INDEX_NAME}.")
    index = patches.read_index(store)
    key = "patch_id" if index["patch_id"].isin(wanted).any() else "window_id"
    index = index[~index["dropped"] & index[key].isin(wanted)]
    if index.empty:
        return
    channels = patches.read_attributes(store)["channels"]
    visible = [bands.band_of_role(role, tuple(channels)) for role in ("red", "green", "blue")]
    for first in range(0, len(index), BATCH):
        part = index.iloc[first : first + BATCH]
        images = patches.read_images(store, part["row"].to_numpy(), visible).astype(np.float32)
        grey = np.where((images == bands.S2_NODATA).any(axis=1), np.nan, images.mean(axis=1))
        yield part[key].astype(str).tolist(), thumbnails(grey)


def _of_folder(folder: Path, wanted: set[str]) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Patch ids and thumbnails of the image files of a folder."""
    if not folder.is_dir():
        raise LeakageError(f"{folder} is no folder of images.")
    files: dict[str, Path] = {}
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in IMAGE_DRIVERS):
        name = next((name for name in (path.stem, path.name) if name in wanted), None)
        if name in files:
            raise LeakageError(f"Patch {name} has two images, {files[name]} and {path}; name the folder of the images alone.")
        if name is not None:
            files[name] = path
    for name, path in files.items():
        yield [name], thumbnails(_grey(path)[None])


def _grey(path: Path) -> NDArray[np.float32]:
    """(y, x) mean of the first bands of an image file, NaN where it has no data."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with opened_raster_file(path, IMAGE_DRIVERS[path.suffix.lower()]) as raster:
                levels = raster.read(raster.indexes[:VISIBLE_BANDS], masked=True).astype(np.float32)
        except RasterioError as error:
            raise LeakageError(f"The image {path} cannot be read: {error}.") from None
    return np.asarray(levels.filled(np.nan).mean(axis=0))
