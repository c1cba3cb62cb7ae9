"""The command `evaluate`: honest scores of anyone's table of predictions, without an installation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mining_platform.consoles import CommandError
from mining_platform.evaluation_prints import print_evaluation
from mining_platform.evaluations.prediction_files import (
    PredictionColumns,
    has_ids,
    pixel_confusions,
    read_predictions,
    says_simulated,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SAME_DATA = "same-data"
"""What --threshold says to choose the threshold on the very patches that are scored."""
NO_THRESHOLD = (
    "No threshold was given, so only scores that need none are told. Choose one on other patches with --validation, or name it "
    f"with --threshold; --threshold {SAME_DATA} chooses it on these very patches, which flatters all scores at it."
)
OPTIMISTIC = (
    "The threshold was chosen on the same patches that are scored: precision, recall and F1 are better than on new patches, and "
    "their intervals do not tell by how much."
)


def evaluate(  # noqa: PLR0913 - the options of a command
    predictions: Annotated[Path, typer.Argument(help="Table with a row a patch: .csv, .tsv, .parquet or .geojson.")],
    label: Annotated[str, typer.Option(help="Column of the class: 1, true, yes or mining; 0, false or no.")],
    score: Annotated[str, typer.Option(help="Column of the score; higher means rather mining.")],
    by: Annotated[str, typer.Option(help="Column to tell scores apart by: mining ranges such as 010_020, or anything.")] = "",
    identifier: Annotated[str, typer.Option("--id", help="Column of unique ids. Default patch_id, window_id, id.")] = "",
    cluster: Annotated[
        str, typer.Option(help="Column that says which patches are neighbours, for intervals over clusters.")
    ] = "",
    positive: Annotated[str, typer.Option(help="Value of the class that means mining, where it is another one.")] = "",
    threshold: Annotated[str, typer.Option(help=f"Scores at or above it mean mining: a number, or {SAME_DATA}.")] = "",
    validation: Annotated[Path | None, typer.Option(help="Table of other patches to choose the threshold on.")] = None,
    prevalence: Annotated[float | None, typer.Option(help="Share of mining patches in the landscape, 0 to 1.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Another model's table of the same patches.")] = None,
    compare_threshold: Annotated[str, typer.Option(help="The other model's threshold.")] = "",
    compare_validation: Annotated[Path | None, typer.Option(help="The other model's table to choose its threshold on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json, tables and figures.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Mark figures and facts as made of simulated data.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same intervals.")] = 7,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Resamples of the bootstrap.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Score a table of predictions: precision, recall, F1, PR-AUC, ROC, calibration, each with its interval and counts.

    Intervals are 95 % bootstraps by patch, and by cluster where --cluster names one. With --compare: differences of two models
    on the same patches. A table of segmentation, as `predict` writes it, has IoU, precision and recall of pixels by class too.
    """
    from mining_platform.evaluation_outputs import write_evaluation
    from mining_platform.evaluations.patch_scores import evaluate as evaluated

    columns = PredictionColumns(label, score, identifier, by, cluster, positive)
    if (compare_threshold or compare_validation) and compare is None:
        raise CommandError("--compare-threshold and --compare-validation are of another model. Name its table with --compare.")
    table = read_predictions(predictions, columns)
    cut, notes = _threshold(table, predictions, columns, threshold, validation)
    if cut is None and prevalence is not None:
        raise CommandError("--prevalence tells the precision at a threshold. Name one with --threshold or --validation.")
    try:
        facts = evaluated(table, cut, seed=seed, resamples=resamples, prevalence=prevalence)
    except ValueError as error:
        raise CommandError(f"{predictions}: {error}") from None
    compared = None
    if compare is not None:
        other = (compare, compare_threshold, compare_validation)
        compared, more = _comparison((predictions, table, cut), other, columns, seed=seed, resamples=resamples)
        notes += more
    facts |= {"notes": notes, "simulated": simulated or says_simulated(predictions)}
    if (counted := pixel_confusions(predictions)) is not None:
        facts["pixels"] = _pixel_facts(counted, table, seed=seed, resamples=resamples)
    written = write_evaluation(out, table, facts, compared, predictions.stem) if out else []
    print_evaluation(facts, compared, written, as_json=as_json)


def _pixel_facts(
    counted: "tuple[NDArray[np.int64], tuple[str, ...]]", table: "pd.DataFrame", *, seed: int, resamples: int
) -> dict[str, Any]:
    """IoU, precision and recall by class, of a table that counts pixels."""
    from mining_platform.evaluations.pixel_scores import segmentation_scores

    counts, names = counted
    clusters = table["cluster"].tolist() if "cluster" in table else None
    ids = table["patch_id"].tolist()
    return segmentation_scores(counts, dict(enumerate(names)), patch_ids=ids, clusters=clusters, seed=seed, resamples=resamples)


def _threshold(
    table: "pd.DataFrame", path: Path, columns: PredictionColumns, asked: str, validation: Path | None
) -> tuple[float | None, list[str]]:
    """The threshold, None for none, and what has to be said of it."""
    from mining_platform.evaluations.curves import best_threshold

    if asked and validation is not None:
        raise CommandError("--threshold names a threshold and --validation chooses one. Use one of them.")
    if asked not in ("", SAME_DATA):
        return _number(asked), []
    if not asked and validation is None:
        return None, [NO_THRESHOLD]
    source, rows = (path, table) if validation is None else (validation, _validation_rows(table, validation, columns, path))
    if not rows["is_mining"].any():
        raise CommandError(
            f"{source} holds no patch with mining, so no threshold can be chosen on it. Name one with --threshold."
        )
    chosen = best_threshold(rows["is_mining"].to_numpy(bool), rows["score"].to_numpy(float))
    if validation is None:
        return chosen, [OPTIMISTIC]
    return chosen, [f"The threshold has the greatest F1 on the {len(rows)} patches of {validation.name}."]


def _validation_rows(table: "pd.DataFrame", validation: Path, columns: PredictionColumns, path: Path) -> "pd.DataFrame":
    """The table that the threshold is chosen on; CommandError where it shares patches with the scored one."""
    plain = PredictionColumns(columns.label, columns.score, columns.identifier, "", "", columns.positive)
    rows = read_predictions(validation, plain)
    if validation.resolve() == path.resolve():
        raise CommandError(f"{validation} is the table that is scored. Use --threshold {SAME_DATA} to say so.")
    shared = sorted(set(rows["patch_id"]) & set(table["patch_id"])) if has_ids(path, plain) and has_ids(validation, plain) else []
    if shared:
        raise CommandError(
            f"{len(shared)} patches of {validation} are scored as well, such as {shared[:3]}. Choose the threshold on others."
        )
    return rows


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN alone differs from itself
        raise CommandError(f"{text!r} is no threshold. Write a number such as 0.5, or {SAME_DATA}.")
    return value


def _comparison(
    first: tuple[Path, "pd.DataFrame", float | None],
    second: tuple[Path, str, Path | None],
    columns: PredictionColumns,
    *,
    seed: int,
    resamples: int,
) -> tuple[dict[str, Any], list[str]]:
    from mining_platform.evaluations.comparisons import compare

    (path, table, cut), (other_path, asked, validation) = first, second
    if without := [each for each in (path, other_path) if not has_ids(each, columns)]:
        raise CommandError(f"{without[0]} has no column of ids, by which two tables are joined. Name it with --id.")
    plain = PredictionColumns(columns.label, columns.score, columns.identifier, "", "", columns.positive)
    other = read_predictions(other_path, plain)
    other_cut, told = _threshold(other, other_path, columns, asked, validation)
    notes = [f"{other_path.name}: {note}" for note in told]
    if cut is None or other_cut is None:
        notes = ["The two models are compared by PR-AUC and ROC-AUC alone: one of them has no threshold (--compare-threshold)."]
    try:
        facts = compare(table, other, (cut, other_cut), seed=seed, resamples=resamples)
    except ValueError as error:
        raise CommandError(f"{path} and {other_path}: {error}") from None
    return {"first": path.name, "second": other_path.name, **facts}, notes
