"""Scoring a whole mosaic against scoring it patch by patch, and the memory that it takes.

`python -m benchmarks.inference` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. The patch loop
reads each window from the mosaic and scores it with a model that is built once; it is what one writes first. All sides compute
on one thread: threads that wait for each other spin, which is CPU time too.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from benchmarks.comparison import Row, enough, interleaved_cpu, peak_memory, print_table
from mining_platform.detections import checked_stack, detect
from mining_platform.image_mosaics import write_image_mosaic
from mining_platform.models import classifier as classifiers
from mining_platform.models.classifier import Classifier, Normalisation, deterministic_torch, module_of, predict
from mining_platform.models.registry import build_model
from mining_platform.profiles import PROFILES
from mining_platform.stack_tiles import WindowLattice, computed_in_all, half_overlapping
from mining_platform.stacks import Stack, read_stack
from mining_platform.tile_scores import scored_tiles

CHANNELS = PROFILES["s2-12"].channels
PATCH_AIM = 5
MOST_BYTES = 384 * 2**20
MOST_GROWTH = 1.25  # of memory from a region to one that is twice as long
TOLERANCE = 1e-5  # between scores of one window: float32 sums in another order
KEPT = TemporaryDirectory()
"""Mosaics of processes that measure their memory; removed when they end."""


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where the scores differ, since then no ratio means anything."""
    rounds = 1 if quick else 5
    rows = []
    with TemporaryDirectory() as folder, patch.object(classifiers, "TORCH_THREADS", 1):
        for px, side_px in ((48, 504 if quick else 1008), (128, 1024)):
            mosaic = written(Path(folder, f"{px}.zarr"), noise(side_px, side_px))
            rows += _speed_rows(drawn_classifier(px), mosaic, rounds)
    return rows if quick else [*rows, *memory_rows()]


def noise(height: int, width: int) -> NDArray[np.uint16]:
    """(12, y, x) digital numbers."""
    return np.random.default_rng(0).integers(1, 4000, (len(CHANNELS), height, width), dtype=np.uint16)


def written(path: Path, image: NDArray[np.uint16]) -> Path:
    """A mosaic of an image (12, y, x) on the 10 m lattice."""
    geobox = GeoBox(image.shape[1:], Affine(10, 0, 500_000, 0, -10, 9_800_000), CRS("EPSG:32722"))
    return write_image_mosaic(path, geobox, CHANNELS, lambda rows, columns: image[:, rows, columns], simulated=True)


def drawn_classifier(px: int) -> Classifier:
    """The smallest model, with weights drawn at random; what a score costs does not depend on them."""
    count = len(CHANNELS)
    with deterministic_torch(seed=1):
        drawn = build_model("small-cnn", count, px).state_dict()
    weights = {name: values.numpy().copy() for name, values in drawn.items()}
    return Classifier("small-cnn", px, Normalisation(CHANNELS, (0.1,) * count, (0.05,) * count), 0.5, weights)


def _speed_rows(classifier: Classifier, mosaic: Path, rounds: int) -> list[Row]:
    stack = checked_stack(classifier, mosaic, {})
    lattice = half_overlapping(stack.mosaic.geobox, classifier.px)
    computed = computed_in_all(mosaic, [])

    def whole(*, share: bool = True) -> NDArray[np.floating]:
        scores = np.empty((lattice.rows, lattice.columns))
        for tile, found, chosen in scored_tiles(classifier, stack, lattice, computed, share=share):
            i, j = (tile.corners[chosen] // lattice.step_px).T
            scores[tile.row + i, tile.column + j] = found
        return scores

    assert np.allclose(whole(), patch_by_patch(classifier, stack, lattice), rtol=0, atol=TOLERANCE), "scores differ"
    seconds = interleaved_cpu(
        {
            "whole": whole,
            "batches that share reading alone": lambda: whole(share=False),
            "a loop over patches": lambda: patch_by_patch(classifier, stack, lattice),
        },
        rounds,
    )
    windows = lattice.rows * lattice.columns
    path = f"{classifier.architecture}, 12 channels, {windows} windows of {classifier.px} px at half-overlap"
    note = f"{seconds['whole'] / windows * 1e3:.2f} ms a window"
    aims = {"a loop over patches": PATCH_AIM}
    return [Row(path, peer, seconds[peer] / seconds["whole"], aims.get(peer), note) for peer in seconds if peer != "whole"]


def patch_by_patch(classifier: Classifier, stack: Stack, lattice: WindowLattice) -> NDArray[np.floating]:
    """(rows, columns) scores, each window read and scored by itself."""
    module, size = module_of(classifier), lattice.px
    scores = np.empty((lattice.rows, lattice.columns))
    for i, j in np.ndindex(scores.shape):
        top, left = i * lattice.step_px, j * lattice.step_px
        bounds = stack.mosaic.geobox[top : top + size, left : left + size].boundingbox.bbox
        image = read_stack(stack, bounds)[None]
        scores[i, j] = predict(classifier, image, classifier.channels, module=module)[0]
    return scores


def memory_rows() -> list[Row]:
    """What a mosaic 2048 px wide takes, all outputs included, and one that is twice as long."""
    short, long = (peak_memory(f"{__spec__.name}:{name}") for name in ("prepare_short", "prepare_long"))
    path = "memory of detections, 12 channels, windows of 48 px"
    note = f"{short / 2**20:.0f} MiB for 2048 x 2048 px, {long / 2**20:.0f} MiB for 4096 x 2048"
    return [
        Row(path, f"{MOST_BYTES / 2**20:.0f} MiB (limit)", MOST_BYTES / max(short, long), 1, note),
        Row(path, f"{MOST_GROWTH} times that of half the region (limit)", MOST_GROWTH * short / long, 1, note),
    ]


def prepare_short() -> Callable[[], object]:
    """Detections of 2048 x 2048 pixels."""
    return _prepared(2048)


def prepare_long() -> Callable[[], object]:
    """Detections of 4096 x 2048 pixels."""
    return _prepared(4096)


def _prepared(height: int) -> Callable[[], object]:
    """The mosaic is written by a row of chunks at a time from views, so that writing it leaves no peak."""
    image = np.broadcast_to(noise(512, 512)[:, None, :, None], (len(CHANNELS), height // 512, 512, 4, 512))
    classifier = drawn_classifier(48)
    mosaic = written(Path(KEPT.name, "mosaic.zarr"), image.reshape(len(CHANNELS), height, 2048))
    return lambda: detect(classifier, mosaic, {}, Path(KEPT.name, "out"))


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
