"""What the command `evaluate` leaves in a folder: facts, tables and figures."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from mining_platform import evaluation_figures, range_figures
from mining_platform.consoles import CommandError
from mining_platform.evaluations.patch_scores import range_table
from mining_platform.figures import figure_png
from mining_platform.segmentation_figures import class_table
from mining_platform.spreadsheets import FormulaError, write_csv
from mining_platform.store import durable

FACTS_FILE, RANGES_FILE, GROUPS_FILE, COMPARISON_FILE = "evaluation.json", "by_range.csv", "by_group.csv", "comparison.json"
CLASSES_FILE = "by_class.csv"  # of segmentation


def write_evaluation(
    out: Path, table: pd.DataFrame, facts: dict[str, Any], compared: dict[str, Any] | None, name: str
) -> list[str]:
    """Facts, tables and figures into a folder, which is made if its parent is there; each file whole. Their paths.

    `facts` are those of patch_scores.evaluate with `simulated`; `name` is what figures call the model.
    """
    files = {FACTS_FILE: _json_bytes(facts), **_tables(facts), **_figures(table, facts, name)}
    if compared is not None:
        files[COMPARISON_FILE] = _json_bytes(compared)
    try:
        out.mkdir(exist_ok=True)
        for file_name, content in files.items():
            durable.write(out.absolute() / file_name, content)
    except FileNotFoundError:
        raise CommandError(f"There is no folder {out.absolute().parent} to make {out.name} in.") from None
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None
    return [str(out / file_name) for file_name in files]


def _json_bytes(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _tables(facts: dict[str, Any]) -> dict[str, bytes]:
    tables: dict[str, pd.DataFrame] = {}
    if "recall_by_range" in facts:
        tables[RANGES_FILE] = range_table(facts)
    if "by_group" in facts:
        tables[GROUPS_FILE] = pd.json_normalize([{"group": name, **row} for name, row in facts["by_group"].items()], sep="_")
    if "pixels" in facts:
        tables[CLASSES_FILE] = class_table(facts["pixels"])
    return {file_name: _csv_bytes(each, file_name) for file_name, each in tables.items()}


def _csv_bytes(table: pd.DataFrame, name: str) -> bytes:
    content = io.BytesIO()
    try:
        write_csv(table, content, name)
    except FormulaError as error:
        raise CommandError(str(error)) from None
    return content.getvalue()


def _figures(table: pd.DataFrame, facts: dict[str, Any], name: str) -> dict[str, bytes]:
    from mining_platform.segmentation_pictures import score_pictures
    from mining_platform.stages.segmentations import iou_figure

    curves, simulated = {name: table}, facts["simulated"]
    drawn = {
        "precision_recall.png": evaluation_figures.precision_recall_figure(
            curves, facts, title=f"Precision and recall: {name}", simulated=simulated
        ),
        "roc.png": evaluation_figures.roc_figure(curves, facts, title=f"ROC: {name}", simulated=simulated),
        "calibration.png": evaluation_figures.calibration_figure(facts, title=f"Calibration: {name}", simulated=simulated),
    }
    if "recall_by_range" in facts:
        drawn["by_range.png"] = range_figures.recall_figure(facts, title=f"By mining share: {name}", simulated=simulated)
    if "by_group" in facts:
        drawn["by_group.png"] = range_figures.group_figure(
            facts, facts["by_group"], title=f"By group: {name}", simulated=simulated
        )
    pictures = {file_name: figure_png(figure) for file_name, figure in drawn.items()}
    if "pixels" in facts:
        iou = iou_figure(facts["pixels"], title=f"Intersection over union: {name}", simulated=simulated)
        pictures |= {"iou.png": figure_png(iou), **score_pictures(facts["pixels"], name, simulated=simulated)}
    return pictures
