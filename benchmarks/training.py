"""How fast training is: patches a second and seconds an epoch of three models, on the processor and on a GPU if there is one.

`python -m benchmarks.training` in the root of the project. An epoch is one of `training`: patches read from a store, shuffled,
changed as the third document says, normalised, a step of Adam a batch; validation is not in it. Pixels are noise: how fast a step
is does not depend on them. Figures of a processor are of two threads, which training always has.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.models.classifier import Normalisation
from mining_platform.models.registry import MODELS, build_model
from mining_platform.patch_datasets import PatchDataset
from mining_platform.profiles import PROFILES
from mining_platform.training_batches import training_epochs
from mining_platform.training_devices import device_of, gradient_scaler, reproducible, told_device
from mining_platform.training_losses import LOSSES
from mining_platform.training_patches import SplitPatches
from mining_platform.training_runs import Learner, train_epoch
from tests.mining_platform.patch_stores import write_pixels

CHANNELS = PROFILES["s2-12"].channels
NORMALISATION = Normalisation(CHANNELS, (0.2,) * len(CHANNELS), (0.1,) * len(CHANNELS))
BATCH = 16
MOST_WORKERS = 8  # processes that prepare batches for a GPU; the processor needs its cores for the steps
HEADINGS = ("model", "patches", "device", "patches/s", "s an epoch")


@dataclass(frozen=True)
class Case:
    """A model and the patches of an epoch of it."""

    model: str
    px: int
    on_cpu: int
    on_gpu: int


CASES = (Case("asgm-cnn", 48, 512, 8_192), Case("asgm-cnn", 256, 32, 512), Case("unet", 128, 32, 1_024))
QUICK = (Case("asgm-cnn", 48, 32, 32), Case("unet", 128, 16, 16))


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    case: Case
    patches: int
    device: str
    seconds: float
    """Of an epoch."""

    def cells(self) -> tuple[str, ...]:
        """As HEADINGS."""
        told = f"{self.patches} of {len(CHANNELS)} x {self.case.px}²"
        return self.case.model, told, self.device, f"{self.patches / self.seconds:,.0f}", f"{self.seconds:.2f}"


def measure(quick: bool = False) -> list[Measured]:
    """The second of two epochs of each case, on each device."""
    devices = ["cpu"] if device_of("auto").type == "cpu" else ["cpu", "cuda"]
    return [_measured(case, device) for case in (QUICK if quick else CASES) for device in devices]


def _measured(case: Case, device: str) -> Measured:
    count = case.on_cpu if device == "cpu" else case.on_gpu
    with TemporaryDirectory() as folder:
        patches = _patches(Path(folder), case, count)
        *_, seconds = _epochs(case.model, patches, device)
    return Measured(case, count, told_device(device_of(device)), seconds)  # type: ignore[arg-type]  # one of DEVICES


def _patches(folder: Path, case: Case, count: int) -> SplitPatches:
    """Noise with a class by pixel and by patch."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 4000, (count, len(CHANNELS), case.px, case.px), dtype=np.uint16)
    labels = rng.integers(0, 2, (count, case.px, case.px), dtype=np.uint8)
    store = write_pixels(folder / "store", images, CHANNELS, [str(row) for row in range(count)], labels)
    return SplitPatches(PatchDataset([store], as_reflectance=False), np.arange(count), np.arange(count) % 2 == 1)


def _row(model: str) -> Experiment:
    loss = "bce" if MODELS[model].task == "classification" else "cross-entropy"
    return replace(EXPERIMENTS["asgm-2"], model=model, loss=loss, profile="s2-12", batch_size=BATCH, epochs=2)


def _epochs(model: str, patches: SplitPatches, where: str) -> Iterator[float]:
    """Seconds of each epoch."""
    import torch

    row, device = _row(model), device_of(where)  # type: ignore[arg-type]  # one of DEVICES
    workers = 0 if device.type == "cpu" else min(MOST_WORKERS, os.cpu_count() or 1)
    with reproducible(row.seed, device):
        module = build_model(model, len(CHANNELS), patches.px).to(device)
        optimiser = torch.optim.Adam(module.parameters())
        schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
        learner = Learner(module, optimiser, schedule, gradient_scaler(device), device)
        for batches in training_epochs(patches, NORMALISATION, row, workers=workers):
            started = time.perf_counter()
            train_epoch(learner, batches, LOSSES[row.loss], np.ones(2, np.float32))
            yield time.perf_counter() - started


def table(rows: list[Measured]) -> str:
    """Aligned columns, a line a row."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def main() -> None:
    """Print the table."""
    print(table(measure()))


if __name__ == "__main__":
    main()
