"""Train a patch classifier: the loop, the best epoch, the threshold and the card.

Equal experiment and equal patches give equal weights, bit by bit, on one processor type.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mining_platform.evaluation import best_threshold, threshold_scores
from mining_platform.experiments import Experiment
from mining_platform.models.classifier import (
    Classifier,
    Normalisation,
    deterministic_torch,
    logits,
    probabilities,
    write_classifier,
)
from mining_platform.models.registry import build_model
from mining_platform.training_batches import Batches, training_epochs
from mining_platform.training_patches import SplitPatches, channel_statistics, check_patches, class_weights

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Progress = Callable[[str, float], None]
"""Called with a line and the share of the epochs done."""


@dataclass(frozen=True)
class Epoch:
    """Mean loss a patch in one pass over the data; class weights apply to both."""

    epoch: int
    """From 1."""
    train_loss: float
    val_loss: float


@dataclass(frozen=True)
class Trained:
    """A classifier and how it came to be."""

    experiment: Experiment
    classifier: Classifier
    history: tuple[Epoch, ...]
    best_epoch: int
    """Epoch with the least validation loss, the first one on a tie; the classifier holds its weights."""
    train_counts: Mapping[str, int]
    validation: Mapping[str, Any]
    """Counts and scores at the threshold on the validation patches: optimistic, for the threshold was chosen there."""


def fit(
    experiment: Experiment, train: SplitPatches, val: SplitPatches, *, workers: int = 0, progress: Progress | None = None
) -> Trained:
    """Train on `train`, choose epoch and threshold on `val`; images are read a batch at a time, by `workers` if there are any.

    Patches weigh total / (2 * patches of their class) of the training split where the experiment balances classes; the
    threshold is the argmax of F1 on validation (evaluation.best_threshold). `progress` is told a line and the share done
    after each epoch. The number of workers changes no result. Raises ValueError when channels or sizes do not fit, or a split
    lacks mining or non-mining patches, and ArrayError for damaged stores.
    """
    check_patches(experiment, train, val)
    normalisation = channel_statistics(train.batches(), train.channels)
    with deterministic_torch(experiment.seed):
        module = build_model(experiment.model, len(train.channels), train.px)
        snapshots = _snapshots(module, experiment, train, val, normalisation, workers)
        history, best = _best_snapshot(snapshots, experiment, progress)
    threshold = best_threshold(val.is_mining, best.val_scores)
    classifier = Classifier(experiment.model, train.px, normalisation, threshold, best.weights)
    counts = {"patches": len(train.is_mining), "mining": int(train.is_mining.sum())}
    validation = threshold_scores(val.is_mining, best.val_scores, threshold)
    return Trained(experiment, classifier, history, best.epoch.epoch, counts, validation)


def save_model(trained: Trained, out: Path, card: Mapping[str, Any]) -> None:
    """Write the classifier and its card into the folder `out`; equal training gives equal bytes.

    `card` adds what the caller knows, such as data digests and the simulated mark: JSON, under keys of its own.
    """
    own = {
        "experiment": asdict(trained.experiment),
        "training": dict(trained.train_counts),
        "validation": dict(trained.validation),
        "history": [asdict(epoch) for epoch in trained.history],
        "best_epoch": trained.best_epoch,
    }
    if repeated := sorted(set(own) & set(card)):
        raise ValueError(f"The model card repeats {', '.join(repeated)}; training writes these itself. Rename them.")
    write_classifier(trained.classifier, out, {**own, **card})


@dataclass(frozen=True)
class _Snapshot:
    """The model after an epoch."""

    epoch: Epoch
    weights: Mapping[str, np.ndarray]
    val_scores: np.ndarray


def _best_snapshot(
    snapshots: Iterator[_Snapshot], experiment: Experiment, progress: Progress | None
) -> tuple[tuple[Epoch, ...], _Snapshot]:
    """History and the snapshot of the least validation loss; stops `patience` epochs after it."""
    best = next(snapshots)
    history = [best.epoch]
    _report(progress, best.epoch, experiment)
    for snapshot in snapshots:
        history.append(snapshot.epoch)
        _report(progress, snapshot.epoch, experiment)
        if snapshot.epoch.val_loss < best.epoch.val_loss:
            best = snapshot
        if snapshot.epoch.epoch - best.epoch.epoch >= experiment.patience:
            break
    return tuple(history), best


def _report(progress: Progress | None, epoch: Epoch, experiment: Experiment) -> None:
    if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.val_loss)):
        raise ValueError(f"Experiment {experiment.id} diverged in epoch {epoch.epoch}: the loss is not finite. Lower its rate.")
    if progress:
        line = f"epoch {epoch.epoch}: training loss {epoch.train_loss:.3f}, validation loss {epoch.val_loss:.3f}"
        progress(line, epoch.epoch / experiment.epochs)


def _snapshots(
    module: "nn.Module",
    experiment: Experiment,
    train: SplitPatches,
    val: SplitPatches,
    normalisation: Normalisation,
    workers: int,
) -> Iterator[_Snapshot]:
    """Train epoch by epoch; to be drawn inside `deterministic_torch`."""
    import torch

    weights = class_weights(train.is_mining, balanced=experiment.weighting == "balanced")
    optimiser = torch.optim.Adam(module.parameters(), lr=experiment.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=experiment.epochs)
    epochs = training_epochs(train, normalisation, experiment, workers=workers)
    for number, batches in enumerate(epochs, start=1):
        train_loss = train_epoch(module, optimiser, batches, weights)
        schedule.step()
        logit = np.concatenate([logits(module, images, normalisation) for images in val.batches()])
        epoch = Epoch(number, train_loss, weighted_loss(logit, val.is_mining, weights))
        state = {name: values.detach().numpy().copy() for name, values in module.state_dict().items()}
        yield _Snapshot(epoch, state, probabilities(logit))


def train_epoch(module: "nn.Module", optimiser: "Optimizer", batches: Batches, weights: np.ndarray) -> float:
    """One pass over the batches, a step of the optimiser each; the mean loss a patch, `weights` (2,) by class applied."""
    module.train()
    losses, count = 0.0, 0
    for images, is_mining in batches:
        losses += _step(module, optimiser, images, is_mining.numpy(), weights) * len(is_mining)
        count += len(is_mining)
    return losses / count


def _step(module: "nn.Module", optimiser: "Optimizer", images: "Tensor", is_mining: np.ndarray, weights: np.ndarray) -> float:
    """One step of the optimiser; the mean loss of the batch before it."""
    import torch

    target, weight = torch.from_numpy(is_mining.astype(np.float32)), torch.from_numpy(weights[is_mining.astype(int)])
    optimiser.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(module(images), target, weight=weight)
    loss.backward()
    optimiser.step()
    return loss.item()


def weighted_loss(logit: np.ndarray, is_mining: np.ndarray, weights: np.ndarray) -> float:
    """Mean binary cross-entropy of (n,) logits, each patch times the weight of its class."""
    return float(np.mean(weights[is_mining.astype(int)] * (np.logaddexp(0, logit) - logit * is_mining)))
