"""The command `predict`: where a trained model finds mining in anyone's mosaic, raster or patches, without an installation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mining_platform.consoles import CommandError, console, print_rows, progress_bar
from mining_platform.imports.channels import wanted_channels
from mining_platform.imports.layouts import LAYOUTS
from mining_platform.models.base_weights import WEIGHTS_HELP
from mining_platform.stacks import LAYERS
from mining_platform.store.durable import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from mining_platform.models.classifier import Classifier
    from mining_platform.prediction_inputs import PatchReading


def predict(  # noqa: PLR0913 - the options of a command
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: weights.safetensors and model.json.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="A MOSAIC.zarr, a GeoTIFF of all channels, or folders of patches."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write maps and polygons, or tables of predictions, in.")],
    layers: Annotated[
        list[str] | None,
        typer.Option(help=f"Layer beside the mosaic, as radar=PATH.zarr; of {', '.join(LAYERS.values())}. Repeat it."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Least score of a detection, 0 to 1; default the model's own.")] = None,
    layout: Annotated[str, typer.Option(help=f"Of folders that are no patch stores: one of {', '.join(LAYOUTS)}.")] = "",
    channels: Annotated[str, typer.Option(help="Of files: a profile, or band ids in their order; - leaves a band out.")] = "",
    scale: Annotated[float | None, typer.Option(help="Reflectance = scale x value + offset; default told by the values.")] = None,
    offset: Annotated[float, typer.Option(help="See --scale.")] = 0.0,
    pixel_m: Annotated[float | None, typer.Option(help="Ground size of a pixel in metres, for files without a place.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of the patches, where the files do not tell it.")] = None,
    table: Annotated[Path | None, typer.Option(help="Table with patch_id: its patches count, and what it knows is kept.")] = None,
    splits: Annotated[Path | None, typer.Option(help="Table with patch_id and split, as `split` writes it.")] = None,
    split: Annotated[str, typer.Option(help="Score the patches of this split alone, such as test.")] = "",
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Score with a trained model: a map and polygons of a mosaic or GeoTIFF, a table of predictions of patches.

    `evaluate` takes the table as it is. A model refuses, by name, channels, units and sizes that it was not trained on.
    """
    from mining_platform.models.base_weights import base_weights
    from mining_platform.models.classifier import load_model
    from mining_platform.prediction_inputs import PatchReading, kind_of

    beside = _layers(layers or ())
    if out.exists() and not out.is_dir():
        raise CommandError(f"{out} is a file. Name a folder to write into.")
    if layout and layout not in LAYOUTS:
        raise CommandError(f"There is no layout {layout!r}. Use one of {', '.join(LAYOUTS)}.")
    reading = PatchReading(layout, wanted_channels(channels), scale, offset, pixel_m, year, table, splits, split)
    try:
        classifier = load_model(model, base_weights(weights))
        with progress_bar(disable=as_json) as bar:
            task = bar.add_task(f"{classifier.architecture}: scored", total=None)
            job = Job(classifier, inputs, beside, reading, out, threshold, lambda done: bar.update(task, completed=done))
            facts = JOBS[kind_of(inputs, reading)](job)
    except (ValueError, KeyError, ModuleNotFoundError) as error:
        raise CommandError(str(error.args[0])) from None
    if as_json:
        console.print_json(data={**facts, "out": str(out)})
        return
    _print(facts, out)


@dataclass(frozen=True)
class Job:
    """What is to be scored, by which model, and where the result goes."""

    classifier: "Classifier"
    inputs: Sequence[Path]
    layers: Mapping[str, Path]
    reading: "PatchReading"
    out: Path
    threshold: float | None
    progress: Callable[[int], None]


def _of_mosaic(job: Job) -> dict[str, Any]:
    from mining_platform.detections import detect

    (mosaic,) = job.inputs
    return detect(job.classifier, mosaic, job.layers, job.out, threshold=job.threshold, progress=job.progress)


def _of_geotiff(job: Job) -> dict[str, Any]:
    """By way of a mosaic that is gone afterwards; it has the file's name, for messages."""
    from mining_platform.detections import detect
    from mining_platform.image_mosaics import mosaic_of_geotiff

    (geotiff,), reading = job.inputs, job.reading
    near = next(folder for folder in (job.out, *job.out.absolute().parents) if folder.is_dir())
    with TemporaryDirectory(dir=near, prefix=TEMPORARY_PREFIX) as folder:
        mosaic = Path(folder, geotiff.name)
        told = mosaic_of_geotiff(geotiff, mosaic, channels=reading.channels, scale=reading.scale, offset=reading.offset)
        facts = detect(job.classifier, mosaic, job.layers, job.out, threshold=job.threshold, progress=job.progress)
    return {**facts, "unit": told["unit"]}


def _of_patches(job: Job) -> dict[str, Any]:
    from mining_platform.chosen_patches import open_stores
    from mining_platform.patch_predictions import predict_patches
    from mining_platform.prediction_inputs import opened_patches

    with opened_patches(job.inputs, job.reading) as (stores, rows):
        dataset = open_stores(stores, job.classifier.channels)
        return predict_patches(job.classifier, dataset, rows, job.out, threshold=job.threshold, progress=job.progress)


JOBS: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "mosaic": _of_mosaic,
    "geotiff": _of_geotiff,
    "patches": _of_patches,
}
"""How each kind of input is scored."""


def _print(facts: Mapping[str, Any], out: Path) -> None:
    if "cell_m" in facts:
        names = ("windows", "cells", "cells_above", "detections", "threshold", "simulated")
        told = {**{name: facts[name] for name in names}, "hectares": f"{facts['area_m2'] / 1e4:.2f}"}
        where = f"Cells of {facts['cell_m']} m. Written to {out}."
    else:
        told = {name: facts[name] for name in ("patches", "mining", "unlabelled", "called_mining", "threshold", "simulated")}
        where = f"Written to {out}: predictions.csv, predictions.parquet. `mining-platform evaluate` scores them."
    print_rows([told], as_json=False)
    console.print(escape(where))


def _layers(texts: Sequence[str]) -> dict[str, Path]:
    """`radar=PATH.zarr` each -> name -> path."""
    parted = [text.partition("=") for text in texts]
    for text, (name, _, path) in zip(texts, parted, strict=True):
        if name not in LAYERS.values() or not path:
            raise CommandError(f"{text!r} names no layer. Write it as radar=PATH.zarr; layers are {', '.join(LAYERS.values())}.")
    found = {name: Path(path) for name, _, path in parted}
    if len(found) < len(parted):
        raise CommandError("A layer is named twice. Name each once.")
    return found
