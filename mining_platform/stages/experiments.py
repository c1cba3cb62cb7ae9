"""Stage of the yearly summary of experiments."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mining_platform.artifacts import Artifact, Ref
from mining_platform.experiment_figures import CLASSES_FIGURE, SCORES_FIGURE
from mining_platform.experiment_pages import summary_files
from mining_platform.experiment_summaries import Evaluated, Summary, summarised
from mining_platform.graph import active_experiments, experiments_of_year
from mining_platform.pipeline import Platform, key_parts
from mining_platform.stages.files import PREDICTIONS_FILE, PREVIEW_FILE

SHOWN = ("experiment", "patches", "positives", "f1", "f1_low", "f1_high", "pr_auc", "precision", "recall")
"""Columns of the table in the web UI."""


def summarise_experiments(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`summary.html`, its tables and figures, of the evaluations of a year that are published."""
    summary = summary_of(platform, key, inputs.values())
    files = summary_files(summary)
    preview = next((files[name] for name in (SCORES_FIGURE, CLASSES_FIGURE) if name in files), None)
    for name, content in {**files, **({PREVIEW_FILE: preview} if preview else {})}.items():
        (out / name).write_bytes(content)
    return {
        "evaluated": len(summary.made),
        "not_made": [row["experiment"] for row in summary.experiments if row not in summary.made],
        "trials": sorted({row["trial"] for row in summary.made if row["trial"]}),
        "pairs": len(summary.comparisons),
        "scores": [{name: row[name] for name in SHOWN} for row in summary.made if row["f1"] is not None],
    }


def summary_of(platform: Platform, year: str, evaluations: Iterable[Artifact]) -> Summary:
    """The summary of a year, of these published evaluations."""
    found = {key_parts(each.ref.partition)[0]: _evaluated(each) for each in evaluations}
    return summarised(int(year), experiments_of_year(active_experiments(platform.regions), year), found)


def _evaluated(artifact: Artifact) -> Evaluated:
    return Evaluated(artifact.facts, pd.read_parquet(artifact.path / PREDICTIONS_FILE), artifact.digest)
