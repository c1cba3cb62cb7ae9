"""The files of the summary of experiments: a page, tables and figures; equal summaries give equal bytes."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mining_platform.evaluations.bootstraps import FEW_CLUSTERS
from mining_platform.experiment_figures import ABLATION_FIGURE, CLASSES_FIGURE, SCORES_FIGURE, simulated_share, summary_figures
from mining_platform.experiment_summaries import Summary
from mining_platform.published_results import CITATION, WITHOUT_SCORES
from mining_platform.spreadsheets import write_csv

TEMPLATES = Path(__file__).parent / "templates"
PAGE_FILE = "summary.html"
TABLES = {
    "experiments": "summary.csv",
    "segmentations": "segmentation.csv",
    "documents": "documents.csv",
    "ablations": "ablations.csv",
    "comparisons": "comparisons.csv",
}
"""File of each table of a summary that has rows."""
SURE_OF_CHANCE = 20  # pairs of equally good models of which one leaves out 0, at 95 %


def summary_files(summary: Summary) -> dict[str, bytes]:
    """PAGE_FILE, TABLES and figures by file name."""
    tables = {name: getattr(summary, name) for name in TABLES}
    figures = summary_figures(summary)
    return {
        PAGE_FILE: summary_page(summary, figures).encode(),
        **{TABLES[name]: _csv(rows, TABLES[name]) for name, rows in tables.items() if rows},
        **figures,
    }


def _csv(rows: Sequence[Mapping[str, Any]], name: str) -> bytes:
    content = io.BytesIO()
    write_csv(pd.DataFrame(rows).astype(object), content, name)
    return content.getvalue()


def summary_page(summary: Summary, figures: Mapping[str, bytes]) -> str:
    """One self-contained page for phones and desks."""
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    made = summary.made
    pictures = {name: base64.b64encode(png).decode() for name, png in figures.items()}
    return environment.get_template("experiments.html").render(
        summary=summary,
        scored=[row for row in made if row["task"] == "classification"],
        segmented=[row for row in made if row["task"] == "segmentation"],
        not_made=[row["experiment"] for row in summary.experiments if row not in made],
        mark=simulated_share(made),
        trials=sorted({row["trial"] for row in made if row["trial"]}),
        scores_figure=pictures.get(SCORES_FIGURE),
        ablation_figure=pictures.get(ABLATION_FIGURE),
        classes_figure=pictures.get(CLASSES_FIGURE),
        matrices=matrices(summary),
        citation=CITATION,
        without_scores=WITHOUT_SCORES,
        few_clusters=FEW_CLUSTERS,
        of_chance=SURE_OF_CHANCE,
    )


def matrices(summary: Summary) -> list[dict[str, Any]]:
    """Experiments on the same test patches, each group as a matrix: a cell is the row's F1 less the column's, None elsewhere."""
    groups: list[list[str]] = []
    for pair in summary.comparisons:
        found = next((group for group in groups if pair["second"] in group), None)
        if found is None:
            groups.append([pair["second"], pair["first"]])
        elif pair["first"] not in found:
            found.append(pair["first"])
    pairs = {(row["first"], row["second"]): row for row in summary.comparisons}
    return [
        {
            "columns": names[:-1],
            "rows": [{"name": name, "cells": [pairs.get((name, other)) for other in names[:-1]]} for name in names[1:]],
            "patches": pairs[names[1], names[0]]["patches"],
            "positives": pairs[names[1], names[0]]["positives"],
            "clusters": pairs[names[1], names[0]]["clusters"],
        }
        for names in groups
    ]
