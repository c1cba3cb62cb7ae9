"""One run of training: epoch after epoch of one network, until validation gets no better, from where a kill left it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.experiments import Experiment
from mining_platform.models.adapters import trained_weights
from mining_platform.models.classifier import Normalisation
from mining_platform.models.registry import build_model
from mining_platform.training_batches import Batches, training_epochs
from mining_platform.training_checkpoints import read_checkpoint, write_checkpoint
from mining_platform.training_devices import gradient_scaler, lower_precision, reproducible, told_device
from mining_platform.training_losses import Loss, total_loss
from mining_platform.training_patches import SplitPatches
from mining_platform.training_prompts import PROMPTS
from mining_platform.training_validation import Validated, validated

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mining_platform.models.sam_weights import BaseWeights

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Epoch:
    """One pass over the data; losses are means a patch or pixel, class weights applied."""

    epoch: int
    """From 1."""
    train_loss: float
    val_loss: float
    val_f1: float | None
    """Greatest F1 that a threshold reaches on validation."""
    learning_rate: float


@dataclass(frozen=True)
class Run:
    """What came of one network."""

    seed: int
    history: tuple[Epoch, ...]
    best_epoch: int
    """Epoch with the least validation loss, the first one on a tie; `weights` are its."""
    weights: Weights
    validated: Validated
    """After that epoch."""
    device: str
    """Where it was trained, `training_devices.told_device`."""


@dataclass(frozen=True)
class Setting:
    """What the runs of an experiment share."""

    train: SplitPatches
    val: SplitPatches
    normalisation: Normalisation
    loss: Loss
    class_weights: NDArray[np.float32]
    device: "torch.device"
    workers: int
    told: str
    """Digest of all that decides the results, by which checkpoints are known."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of a pretrained model, see `sam_weights.sam_settings`."""
    base: "BaseWeights | None" = None
    """What it starts from."""


def run(experiment: Experiment, setting: Setting, checkpoint: Path | None, tell: Callable[[Epoch], None]) -> Run:
    """Train the experiment's model, which is no ensemble; `tell` hears of each epoch.

    After each epoch `checkpoint` is written, and read first if it is there: a run that was killed at any moment ends with the
    bytes of one that was not. ValueError when the loss is not finite.
    """
    told = f"{setting.told}:{experiment.seed}"
    with reproducible(experiment.seed, setting.device):
        learner = _learner(experiment, setting)
        standing = _restored(learner, read_checkpoint(checkpoint, told) if checkpoint else None)
        history, best = standing if standing else ([], None)
        epochs = training_epochs(
            setting.train, setting.normalisation, experiment, workers=setting.workers, first=len(history) + 1
        )
        while not _is_over(history, best, experiment):
            epoch, seen = _epoch(learner, next(epochs), setting, number=len(history) + 1)
            _check_finite(epoch, experiment)
            history.append(epoch)
            if best is None or epoch.val_loss < history[best.epoch - 1].val_loss:
                best = _Best(epoch.epoch, _weights(learner.module), seen)
            if checkpoint:
                write_checkpoint(checkpoint, told, _state(learner, history, best))
            tell(epoch)
    if best is None:
        raise ValueError(f"Experiment {experiment.id} has {experiment.epochs} epochs; at least one is needed.")
    device = told_device(setting.device)
    return Run(experiment.seed, tuple(history), best.epoch, best.weights, best.validated, device)


@dataclass
class Learner:
    """A network in training, and what trains it."""

    module: "nn.Module"
    optimiser: "torch.optim.Optimizer"
    schedule: "torch.optim.lr_scheduler.LRScheduler"
    scaler: "torch.amp.GradScaler"
    device: "torch.device"
    prompts: "Callable[[Tensor], Tensor | None]" = PROMPTS["none"]
    """What the module is told of where mines are, by the labels of a batch."""

    def parts(self) -> dict[str, Any]:
        """What has a state beside the module, by name."""
        return {name: getattr(self, name) for name in ("optimiser", "schedule", "scaler")}


@dataclass(frozen=True)
class _Best:
    epoch: int
    weights: Weights
    validated: Validated


def _is_over(history: list[Epoch], best: _Best | None, experiment: Experiment) -> bool:
    waited = len(history) - best.epoch if best else 0
    return len(history) >= experiment.epochs or waited >= experiment.patience


def _learner(experiment: Experiment, setting: Setting) -> Learner:
    """Untrained, drawn from torch's generator, with the base weights of a pretrained model."""
    import torch

    train = setting.train
    classes = len(train.label_names) if setting.loss.task == "segmentation" else None
    module = build_model(experiment.model, len(train.channels), train.px, classes=classes, settings=setting.settings)
    if setting.base is not None:
        from mining_platform.models.sam_weights import load_base

        load_base(module, setting.base)
    module = module.to(setting.device)
    trainable = [values for values in module.parameters() if values.requires_grad]
    optimiser = torch.optim.Adam(trainable, lr=experiment.learning_rate)
    schedule: torch.optim.lr_scheduler.LRScheduler = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=experiment.epochs)
        if experiment.schedule == "cosine"
        else torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    )
    scaler, prompts = gradient_scaler(setting.device), PROMPTS[experiment.prompts]
    return Learner(module, optimiser, schedule, scaler, setting.device, prompts)


def _epoch(learner: Learner, batches: Batches, setting: Setting, *, number: int) -> tuple[Epoch, Validated]:
    rate = float(learner.optimiser.param_groups[0]["lr"])
    train_loss = train_epoch(learner, batches, setting.loss, setting.class_weights)
    learner.schedule.step()
    seen = validated(learner.module, setting.loss, setting.val, setting.normalisation, setting.class_weights)
    return Epoch(number, train_loss, seen.loss, seen.scores.get("f1"), rate), seen


def train_epoch(learner: Learner, batches: Batches, loss: Loss, class_weights: NDArray[np.float32]) -> float:
    """One pass over the batches, a step of the optimiser each; the mean loss a patch or pixel, class weights applied."""
    import torch

    learner.module.train()
    weights = torch.from_numpy(class_weights).to(learner.device)
    total, count = 0.0, 0
    for images, target in batches:
        part, counted = _step(learner, images, target, loss, weights)
        total, count = total + part, count + counted
    return total / max(count, 1)


def _step(learner: Learner, images: "Tensor", target: "Tensor", loss: Loss, weights: "Tensor") -> tuple[float, int]:
    """One step of the optimiser; the sum of the batch's losses before it, and how many were summed."""
    learner.optimiser.zero_grad()
    prompts = learner.prompts(target)
    asked = () if prompts is None else (prompts.to(learner.device),)
    with lower_precision(learner.device):
        logits = learner.module(images.to(learner.device), *asked)
    total, count = total_loss(loss, logits.float(), target.to(learner.device), weights)
    learner.scaler.scale(total / count.clamp(min=1)).backward()
    learner.scaler.step(learner.optimiser)
    learner.scaler.update()
    return total.item(), int(count)


def _check_finite(epoch: Epoch, experiment: Experiment) -> None:
    if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.val_loss)):
        raise ValueError(f"Experiment {experiment.id} diverged in epoch {epoch.epoch}: the loss is not finite. Lower its rate.")


def _weights(module: "nn.Module") -> Weights:
    return {name: values.detach().cpu().numpy().copy() for name, values in trained_weights(module).items()}


def _state(learner: Learner, history: list[Epoch], best: _Best) -> dict[str, Any]:
    import torch

    return {
        "module": trained_weights(learner.module),
        **{name: part.state_dict() for name, part in learner.parts().items()},
        "random": torch.get_rng_state(),
        "random_gpu": torch.cuda.get_rng_state_all() if learner.device.type == "cuda" else [],
        "history": [asdict(epoch) for epoch in history],
        "best": {
            "epoch": best.epoch,
            "weights": {name: torch.from_numpy(np.asarray(values)) for name, values in best.weights.items()},
            "validated": asdict(best.validated),
        },
    }


def _restored(learner: Learner, state: Mapping[str, Any] | None) -> tuple[list[Epoch], _Best] | None:
    """History and best epoch of a checkpoint, whose state the learner and torch's generators take on."""
    import torch

    if state is None:
        return None
    learner.module.load_state_dict({**learner.module.state_dict(), **state["module"]})
    for name, part in learner.parts().items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
    if state["random_gpu"]:
        torch.cuda.set_rng_state_all(state["random_gpu"])
    best = state["best"]
    weights = {name: values.numpy() for name, values in best["weights"].items()}
    return [Epoch(**row) for row in state["history"]], _Best(best["epoch"], weights, Validated(**best["validated"]))
