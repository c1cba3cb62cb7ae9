"""Train a model for patches or their pixels: the runs, the best epochs, the threshold and the card.

Equal experiment and equal patches give equal weights, bit by bit, on one processor type.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from blake3 import blake3

from mining_platform.experiments import Experiment
from mining_platform.models.base_weights import base_weights
from mining_platform.models.classifier import Classifier, module_of, write_classifier
from mining_platform.models.ensembles import joined_weights
from mining_platform.models.registry import model
from mining_platform.training_devices import Device, device_of, reproducible
from mining_platform.training_losses import LOSSES, class_weights
from mining_platform.training_patches import SplitPatches, channel_statistics, check_patches, class_counts, content_digest
from mining_platform.training_runs import Epoch, Run, Setting, run
from mining_platform.training_validation import Validated, validated

Progress = Callable[[str, float], None]
"""Called with a line and the share of the epochs done."""


@dataclass(frozen=True)
class Trained:
    """A model and how it came to be."""

    experiment: Experiment
    classifier: Classifier
    runs: tuple[Run, ...]
    """One a member of an ensemble, in order; else one."""
    train_counts: Mapping[str, int]
    validation: Mapping[str, Any]
    """Counts and scores at the threshold on the validation patches: optimistic, for the threshold was chosen there."""
    device: str


def fit(
    experiment: Experiment,
    train: SplitPatches,
    val: SplitPatches,
    *,
    workers: int = 0,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
    device: Device = "auto",
) -> Trained:
    """Train on `train`, choose epochs and threshold on `val`; images are read a batch at a time, by `workers` if there are any.

    Members of an ensemble are trained one after the other, with the seeds from the experiment's on; the threshold is chosen for
    their mean. `progress` is told a line and the share done after each epoch. A killed training goes on where the files in
    `checkpoints` left it, and ends with the same bytes; neither that nor the number of workers changes a result. Raises
    ValueError when channels, sizes or classes do not fit, or a split lacks mining or anything else, ArrayError for damaged
    stores.
    """
    row, loss = model(experiment.model), LOSSES[experiment.loss]
    _check_weights(experiment)
    train, val = (replace(patches, classes=row.most_classes) for patches in (train, val))
    check_patches(experiment, train, val)
    counts = class_counts(train, loss.task)
    setting = Setting(
        train=train,
        val=val,
        normalisation=channel_statistics(train.batches(), train.channels),
        loss=loss,
        class_weights=class_weights(counts, balanced=experiment.weighting == "balanced"),
        device=device_of(device),
        workers=workers,
        told="",
        **_start(experiment, train.channels),
    )
    if checkpoints is not None:
        setting = replace(setting, told=_told(experiment, setting))
    runs = tuple(_runs(experiment, setting, progress, checkpoints))
    classifier, seen = _joined(experiment, setting, runs)
    named = {"patches": len(train.is_mining), "mining": int(train.is_mining.sum())}
    if loss.task == "segmentation":
        named |= {f"pixels_{name}": number for name, number in zip(train.label_names, counts.tolist(), strict=True)}
    return Trained(experiment, classifier, runs, named, seen.scores, setting.device.type)


def _check_weights(experiment: Experiment) -> None:
    """ValueError where a pretrained model has no base weights, or another one has some."""
    if model(experiment.model).pretrained and not experiment.weights:
        raise ValueError(f"Model {experiment.model} starts from weights of Segment Anything. Name a folder or hub id of some.")
    if experiment.weights and not model(experiment.model).pretrained:
        raise ValueError(f"Model {experiment.model} is trained from scratch. Leave out the weights {experiment.weights}.")


def _start(experiment: Experiment, channels: tuple[str, ...]) -> dict[str, Any]:
    """The base of a pretrained model and its settings, as `Setting` has them; any channels become SAM's three colours."""
    base = base_weights(experiment.weights)
    if base is None:
        return {}
    from mining_platform.models.sam_weights import sam_settings

    return {"base": base, "settings": sam_settings(base, channels, input_as="projection")}


def save_model(trained: Trained, out: Path, card: Mapping[str, Any]) -> None:
    """Write the model and its card into the folder `out`; equal training gives equal bytes.

    `card` adds what the caller knows, such as data digests and the simulated mark: JSON, under keys of its own.
    """
    own = {
        "experiment": asdict(trained.experiment) | {"weights": _weights_name(trained)},
        "training": {**trained.train_counts, "device": trained.device},
        "validation": dict(trained.validation),
        "runs": [
            {
                "seed": each.seed,
                "device": each.device,
                "best_epoch": each.best_epoch,
                "history": [asdict(epoch) for epoch in each.history],
            }
            for each in trained.runs
        ],
    }
    if repeated := sorted(set(own) & set(card)):
        raise ValueError(f"The model card repeats {', '.join(repeated)}; training writes these itself. Rename them.")
    write_classifier(trained.classifier, out, {**own, **card})


def _weights_name(trained: Trained) -> str:
    """As the experiment has it, but of a folder its name alone: where it lies is the affair of one machine."""
    name, base = trained.experiment.weights, trained.classifier.base
    return name if base is None or base.revision or not Path(name).is_dir() else base.source


def _runs(experiment: Experiment, setting: Setting, progress: Progress | None, checkpoints: Path | None) -> list[Run]:
    row = model(experiment.model)
    made = []
    for member in range(row.members):
        each = replace(experiment, model=row.member or row.id, seed=experiment.seed + member)
        path = checkpoints / f"member-{member}.safetensors" if checkpoints else None
        made.append(run(each, setting, path, _teller(progress, experiment, member, row.members)))
    return made


def _teller(progress: Progress | None, experiment: Experiment, member: int, members: int) -> Callable[[Epoch], None]:
    """What turns an epoch into a line and the share of all epochs."""
    of = f"member {member + 1} of {members}, " if members > 1 else ""

    def tell(epoch: Epoch) -> None:
        if progress:
            f1 = "undefined" if epoch.val_f1 is None else f"{epoch.val_f1:.3f}"
            losses = f"training loss {epoch.train_loss:.3f}, validation loss {epoch.val_loss:.3f}, F1 {f1}"
            progress(f"{of}epoch {epoch.epoch}: {losses}", (member + epoch.epoch / experiment.epochs) / members)

    return tell


def _joined(experiment: Experiment, setting: Setting, runs: tuple[Run, ...]) -> tuple[Classifier, Validated]:
    """The classifier of the runs' best epochs, and how it does on validation."""
    names = setting.train.label_names if setting.loss.task == "segmentation" else ("mining",)
    weights = joined_weights([each.weights for each in runs]) if len(runs) > 1 else runs[0].weights
    made = Classifier(
        experiment.model,
        setting.train.px,
        setting.normalisation,
        0.5,
        weights,
        names,
        settings=setting.settings,
        pixel_m=setting.train.pixel_m,
        base=setting.base,
    )
    if len(runs) == 1:
        seen = runs[0].validated
    else:
        with reproducible(experiment.seed, setting.device):
            module = module_of(made).to(setting.device)
            seen = validated(module, setting.loss, setting.val, setting.normalisation, setting.class_weights)
    return replace(made, threshold=seen.threshold), seen


def _told(experiment: Experiment, setting: Setting) -> str:
    """Digest of what decides the results: the experiment, the patches of both sides, the device."""
    base = dict(setting.base.checksums) if setting.base else None
    told = [asdict(experiment), base, content_digest(setting.train), content_digest(setting.val), setting.device.type]
    return blake3(json.dumps(told, sort_keys=True).encode()).hexdigest()
