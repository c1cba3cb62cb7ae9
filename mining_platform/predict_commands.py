"""The command `predict`: where a trained model finds mining in anyone's mosaic, without an installation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform.consoles import CommandError, console, print_rows, progress_bar
from mining_platform.stacks import LAYERS


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: weights.safetensors and model.json.")],
    mosaic: Annotated[Path, typer.Argument(metavar="MOSAIC.zarr", help="Mosaic to score.")],
    out: Annotated[Path, typer.Option(help="Folder to write probability.tif, detections.parquet and detections.geojson in.")],
    layers: Annotated[
        list[str] | None,
        typer.Option(help=f"Layer beside the mosaic, as radar=PATH.zarr; of {', '.join(LAYERS.values())}. Repeat it."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Least score of a detection, 0 to 1; default the model's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Score a mosaic with a trained model: a map of the probability of mining, and polygons where it reaches the threshold."""
    from mining_platform.detections import detect
    from mining_platform.models.classifier import load_model

    beside = _layers(layers or ())
    if out.exists() and not out.is_dir():
        raise CommandError(f"{out} is a file. Name a folder to write into.")
    try:
        classifier = load_model(model)
        with progress_bar(disable=as_json) as bar:
            task = bar.add_task(f"{classifier.architecture}: windows scored", total=None)
            facts = detect(
                classifier, mosaic, beside, out, threshold=threshold, progress=lambda done: bar.update(task, completed=done)
            )
    except ValueError as error:
        raise CommandError(str(error)) from None
    if as_json:
        console.print_json(data={**facts, "out": str(out)})
        return
    names = ("windows", "cells", "cells_above", "detections", "threshold", "simulated")
    print_rows([{**{name: facts[name] for name in names}, "hectares": f"{facts['area_m2'] / 1e4:.2f}"}], as_json=False)
    console.print(f"Cells of {facts['cell_m']} m. Written to {escape(str(out))}.")


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
