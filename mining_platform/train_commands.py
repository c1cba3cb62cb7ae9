"""The command `train`: a model from anyone's patch stores, without an installation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mining_platform.consoles import CommandError, console, progress_bar
from mining_platform.models.base_weights import WEIGHTS_HELP
from mining_platform.models.registry import MODELS
from mining_platform.patch_augmentation import AUGMENTATIONS
from mining_platform.training_devices import DEVICES

if TYPE_CHECKING:
    import pandas as pd

    from mining_platform.experiments import Experiment
    from mining_platform.patch_datasets import PatchDataset
    from mining_platform.training import Trained
    from mining_platform.training_patches import SplitPatches

SCHEDULES, WEIGHTINGS = ("constant", "cosine"), ("balanced", "none")
CURVES_FILE = "curves.png"


def train(  # noqa: PLR0913 - the options of a command
    stores: Annotated[list[Path], typer.Argument(metavar="PATCH_FOLDER...", help="Folders that hold a patches.zarr.")],
    model: Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")],
    splits: Annotated[Path, typer.Option(help="Table with patch_id and split (train, val, test), as `split` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder to make for the model; a training that was cut off there goes on.")],
    table: Annotated[Path | None, typer.Option(help="Table with is_mining, where the splits do not tell it: a manifest.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = 160,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a lower validation loss before it stops.")] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Patches in a batch.")] = 16,
    rate: Annotated[float, typer.Option(help="Learning rate of Adam in the first epoch.")] = 3e-4,
    schedule: Annotated[str, typer.Option(help=f"Of the rate: one of {', '.join(SCHEDULES)}.")] = "constant",
    weighting: Annotated[str, typer.Option(help="balanced: the rarer class weighs more; or none.")] = "balanced",
    augmentation: Annotated[str, typer.Option(help=f"One of {', '.join(AUGMENTATIONS)}.")] = "document",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same model, on a processor.")] = 7,
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "",
    device: Annotated[str, typer.Option(help=f"One of {', '.join(DEVICES)}; auto takes a GPU if there is one.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches.")] = 0,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark the model as trained on simulated data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Train on the patches whose split is train, choose epoch and threshold on val; no other patch is read.

    The model's task says what is learned: whether a patch holds mining, by is_mining of the tables or else its label, or the
    class of each pixel, by its label.
    """
    from mining_platform.store import durable
    from mining_platform.training import fit
    from mining_platform.training_checkpoints import CHECKPOINTS

    _check(model, out, {"schedule": (schedule, SCHEDULES), "weighting": (weighting, WEIGHTINGS), "device": (device, DEVICES)})
    _check_choice("augmentation", augmentation, tuple(AUGMENTATIONS))
    experiment = _experiment(model, (epochs, patience, batch), rate, schedule, weighting, augmentation, seed, weights)
    try:
        sides = split_sides(stores, splits, table, by_patch=MODELS[model].task == "classification")
        with progress_bar(disable=as_json) as bar:
            task = bar.add_task(f"train {model}", total=1.0)
            trained = fit(
                experiment,
                *sides,
                workers=workers,
                progress=lambda line, share: bar.update(task, description=line[-58:], completed=share),
                checkpoints=out / CHECKPOINTS,
                device=device,  # type: ignore[arg-type]  # checked above
            )
    except (ValueError, KeyError, ModuleNotFoundError) as error:
        raise CommandError(str(error.args[0])) from None
    simulated = simulated or any(_says_simulated(store) for store in stores)
    _write(trained, out, simulated=simulated)
    durable.remove(out / CHECKPOINTS)
    _print(trained, out, as_json=as_json)


def split_sides(
    stores: Sequence[Path], splits: Path, known: Path | None = None, *, by_patch: bool = True
) -> "tuple[SplitPatches, SplitPatches]":
    """Patches of the stores whose split in the table is train, and val, in order of their ids.

    `known` is a table that tells what the splits do not. With `by_patch` every patch has to have a class. TableError and
    ValueError where a table lacks a column, repeats a patch or has no patch of a split; KeyError where a patch is in no store.
    """
    from mining_platform.chosen_patches import open_stores, patch_rows

    table = patch_rows(splits, known, required=("patch_id", "split"))
    dataset = open_stores(stores)
    return tuple(_side(dataset, table, split, known or splits, by_patch=by_patch) for split in ("train", "val"))  # type: ignore[return-value]  # two


def _side(dataset: "PatchDataset", table: "pd.DataFrame", split: str, path: Path, *, by_patch: bool) -> "SplitPatches":
    """Classes are those of the table, else those of the label's pixels."""
    import numpy as np
    import pandas as pd

    from mining_platform.chosen_patches import pixel_classes, rows_of_split, told_classes
    from mining_platform.training_patches import SplitPatches

    rows = rows_of_split(table, split, path, "Training needs train and val.")
    items, classes = dataset.items_of(rows["patch_id"].tolist()), told_classes(rows, path)
    if classes.isna().any():
        blank = SplitPatches(dataset, items, np.zeros(len(items), bool))
        by_pixels = pd.concat([pixel_classes(labels) for _, labels in blank.labelled()], ignore_index=True)
        classes = classes.fillna(by_pixels)
    if by_patch and (unknown := rows.loc[classes.isna(), "patch_id"].tolist()):
        raise CommandError(
            f"{len(unknown)} patches of the split {split} have no class, such as {unknown[:3]}: neither is_mining nor a pixel "
            "of the label tells. Name the table that does by --table."
        )
    return SplitPatches(dataset, items, classes.fillna(False).to_numpy(bool))


def _check(model: str, out: Path, choices: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    from mining_platform.training_checkpoints import CHECKPOINTS

    _check_choice("model", model, tuple(MODELS))
    for name, (value, known) in choices.items():
        _check_choice(name, value, known)
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.absolute().parent} to make {out.name} in.")
    if out.exists() and not (out.is_dir() and ((out / CHECKPOINTS).is_dir() or not any(out.iterdir()))):
        raise CommandError(f"{out} is there already and holds no unfinished training. Name another folder, or remove it.")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CommandError(f"--{name} {value!r} is none of {', '.join(known)}.")


def _experiment(  # noqa: PLR0913 - the options of a command
    model: str,
    numbers: tuple[int, int, int],
    rate: float,
    schedule: Any,
    weighting: Any,
    augmentation: Any,
    seed: int,
    weights: str,
) -> "Experiment":
    """The row that a training outside the graph stands for."""
    from mining_platform.experiments import Experiment
    from mining_platform.training_losses import LOSSES

    (loss,) = (row.id for row in LOSSES.values() if row.task == MODELS[model].task)
    epochs, patience, batch_size = numbers
    return Experiment(
        id=f"train-{model}",
        dataset="",
        model=model,
        profile="",
        loss=loss,  # type: ignore[arg-type]  # a row's id
        weighting=weighting,
        augmentation=augmentation,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=rate,
        schedule=schedule,
        weights=weights,
        prompts="label-boxes" if MODELS[model].prompted else "none",
        validation_share=0.0,
        seed=seed,
    )


def _says_simulated(store: Path) -> bool:
    from mining_platform.patches import read_attributes

    return bool(read_attributes(store).get("simulated"))


def _write(trained: "Trained", out: Path, *, simulated: bool) -> None:
    from mining_platform.figures import figure_png
    from mining_platform.training import save_model
    from mining_platform.training_figures import curves_figure
    from mining_platform.training_losses import LOSSES

    unit = LOSSES[trained.experiment.loss].unit
    figure = curves_figure(trained.runs, unit=unit, title=f"Training of {trained.classifier.architecture}", simulated=simulated)
    try:
        out.mkdir(exist_ok=True)
        save_model(trained, out, {"simulated": simulated})
        (out / CURVES_FILE).write_bytes(figure_png(figure))
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None


def _print(trained: "Trained", out: Path, *, as_json: bool) -> None:
    facts = {
        "model": trained.classifier.architecture,
        "train": dict(trained.train_counts),
        "epochs": [len(each.history) for each in trained.runs],
        "best_epochs": [each.best_epoch for each in trained.runs],
        "threshold": trained.classifier.threshold,
        "validation": dict(trained.validation),
        "device": trained.device,
        "out": str(out),
    }
    if as_json:
        console.print_json(data=facts)
        return
    kept = ", ".join(f"{each.best_epoch} of {len(each.history)}" for each in trained.runs)
    positives, f1 = trained.validation["positives"], trained.validation["f1"]
    units = "pixels" if "pixels" in trained.validation else "patches"
    console.print(f"{trained.classifier.architecture} on {trained.device}: kept epoch {kept}.")
    console.print(
        f"Validation F1 {'undefined' if f1 is None else f'{f1:.3f}'} on {positives} {units} with mining, threshold "
        f"{trained.classifier.threshold:.3f} chosen there, so optimistic. Score it on patches of the split test."
    )
    console.print(f"Written to {escape(str(out))}.")
