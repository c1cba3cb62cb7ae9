"""Cloud probability against the s2cloudless package, on the same pixels, in CPU time of one thread.

Run with `python -m benchmarks.clouds`. The five real scenes of `s2-l1c-cloud-golden` are taken as they are, one by one:
tiling them would put equal pixels side by side, which favours a method that groups like pixels. Without them, simulated
scenes stand in.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import Row, enough, interleaved_cpu, print_table
from mining_platform.clouds.s2cloudless import cloud_probability, plain_cloud_probability
from mining_platform.clouds.s2cloudless_model import S2CLOUDLESS_BANDS, load_model

REALDATA = Path(os.environ.get("MINING_PLATFORM_REALDATA", Path(__file__).parents[2] / "shared" / "realdata"))
BANDS_OF_FILE = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
AIM = 10.0
NEVER_BELOW = 1.0
ROUNDS = 5
PEER = "s2cloudless"


def scenes() -> tuple[NDArray[np.float32], str]:
    """Scenes (scene, 10, y, x) of reflectance, and what they are."""
    path = REALDATA / "s2-l1c-cloud-golden" / "REFERENCE_SCENES.npy"
    if not path.is_file():
        return simulated_scenes(), "simulated scenes: real ones are absent, set MINING_PLATFORM_REALDATA"
    columns = [BANDS_OF_FILE.index(band) for band in S2CLOUDLESS_BANDS]
    return np.ascontiguousarray(np.moveaxis(np.load(path)[..., columns], -1, 1)), "5 real L1C scenes of 10,100 px"


def simulated_scenes() -> NDArray[np.float32]:
    """Scenes as large as the real ones, (5, 10, 101, 100): mixtures of forest, bare soil and cloud under smooth fields."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    forest = np.array([0.11, 0.08, 0.05, 0.08, 0.28, 0.30, 0.08, 0.002, 0.15, 0.07])
    soil = np.array([0.13, 0.12, 0.17, 0.19, 0.27, 0.29, 0.09, 0.002, 0.36, 0.30])
    cloud = np.array([0.55, 0.52, 0.53, 0.55, 0.60, 0.61, 0.25, 0.03, 0.40, 0.32])
    fields = gaussian_filter(rng.normal(size=(5, 2, 101, 100)), (0, 0, 6, 6)) * 12
    bare, cover = 1 / (1 + np.exp(-3 * fields[:, :1])), 1 / (1 + np.exp(-6 * fields[:, 1:] + 2))
    forest, soil, cloud = (spectrum[None, :, None, None] for spectrum in (forest, soil, cloud))
    clean = (1 - cover) * ((1 - bare) * forest + bare * soil) + cover * cloud
    return (clean * rng.normal(1, 0.02, clean.shape)).astype(np.float32)


def shuffled(images: NDArray[np.float32], seed: int = 1) -> NDArray[np.float32]:
    """The same values of each band, each band in an order of its own."""
    rng = np.random.default_rng(seed)
    bands = np.moveaxis(images, 1, 0)
    values = np.stack([rng.permutation(band.ravel()) for band in bands]).reshape(bands.shape)
    return np.ascontiguousarray(np.moveaxis(values, 0, 1))


def unlike(images: NDArray[np.float32], seed: int = 2) -> NDArray[np.float32]:
    """As many pixels whose bands are independent draws among the thresholds: most branches have a taker, our worst case."""
    rng = np.random.default_rng(seed)
    count, _, height, width = images.shape
    rows = load_model().thresholds.values
    values = np.stack([rng.choice(row[np.isfinite(row)], (count, height, width)) for row in rows], axis=1)
    return values.astype(np.float32)


def of_each(function: Callable[[NDArray], NDArray], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(scene, y, x) float32, as the package returns it."""
    return np.stack([function(image) for image in images]).astype(np.float32)


def compare(path: str, images: NDArray[np.float32], aim: float, rounds: int, note: str) -> list[Row]:
    """Rows of the grouped and the plain walk over (scene, 10, y, x); fails where one differs from the package in a bit."""
    from s2cloudless import S2PixelCloudDetector

    bands_last = np.ascontiguousarray(np.moveaxis(images, 1, -1))
    functions: dict[str, Callable[[], NDArray[np.float32]]] = {
        PEER: partial(S2PixelCloudDetector().get_cloud_probability_maps, bands_last, num_threads=1),
        "grouped": partial(of_each, cloud_probability, images),
        "plain": partial(of_each, plain_cloud_probability, images),
    }
    expected = functions[PEER]()
    for name in ("grouped", "plain"):
        if functions[name]().tobytes() != expected.tobytes():
            raise AssertionError(f"{path}, {name}: the probability differs from the package's")
    seconds = interleaved_cpu(functions, rounds)
    mpx = bands_last[..., 0].size / 1e6
    return [
        Row(f"{path}, {name}", PEER, seconds[PEER] / seconds[name], name_aim, f"{mpx / seconds[name]:.2f} Mpx/s; {note}")
        for name, name_aim in (("grouped", aim), ("plain", NEVER_BELOW))
    ]


def measure(quick: bool = False) -> list[Row]:
    """Ratios on the scenes, on shuffled and on unlike pixels; in the quick form one round, without the unlike ones."""
    images, note = scenes()
    rounds = 1 if quick else ROUNDS
    rows = [
        *compare("clouds, scenes", images, AIM, rounds, note),
        *compare("clouds, bands shuffled", shuffled(images), NEVER_BELOW, rounds, "the same values"),
    ]
    return rows if quick else [*rows, *compare("clouds, unlike pixels", unlike(images), NEVER_BELOW, rounds, "our worst case")]


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
