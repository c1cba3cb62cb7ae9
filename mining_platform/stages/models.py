"""Stages of the group `models`: training on a release, and the only reading of its test split."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd

from mining_platform import (
    evaluation_figures,
    figures,
    profiles,
    range_figures,
    segmentation_pictures,
    training,
    training_figures,
)
from mining_platform.artifacts import Artifact, Ref
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS, caveat
from mining_platform.evaluations.baseline_scores import (
    ALWAYS_NO,
    NAMES,
    baseline_facts,
    baseline_scorers,
    baseline_thresholds,
    scored,
)
from mining_platform.evaluations.kinds import NO_RANGE_REASON, told_apart
from mining_platform.evaluations.patch_scores import evaluate, range_table
from mining_platform.experiment_trials import Trial, drawn, shortened, trial_in, trial_note, trial_settings
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.models.base_weights import base_weights
from mining_platform.models.classifier import Classifier, load_model, module_of, predict
from mining_platform.patch_datasets import PatchDataset
from mining_platform.pipeline import Platform, key_parts
from mining_platform.splits.blocks import block_of
from mining_platform.splits.neighbours import neighbours_of, told_neighbours
from mining_platform.stages import segmentations
from mining_platform.stages.datasets import of_stage
from mining_platform.stages.files import EVALUATION_FILE, MANIFEST_FILE, PREDICTIONS_FILE, PREVIEW_FILE, RANGES_FILE
from mining_platform.store import durable
from mining_platform.training_checkpoints import CHECKPOINTS
from mining_platform.training_losses import LOSSES
from mining_platform.training_patches import SplitPatches, hold_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)


def train_model(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`weights.safetensors`, its card and the curves of the training; the test split is not read.

    Of unfinished work only the checkpoints are kept, from which a killed training goes on.
    """
    row, dataset = experiment_of(key)
    for left in out.iterdir():
        if left.name != CHECKPOINTS:
            durable.remove(left)
    row, manifest = shortened(row, platform.trial), drawn(manifest_of(inputs, key), platform.trial)
    train, val = training_patches(row, dataset, manifest, open_patches(row, inputs))
    trained = training.fit(row, train, val, progress=_teller(key), checkpoints=out / CHECKPOINTS)
    simulated = is_simulated(inputs)
    told = told_of(key, dataset, inputs, manifest, train, val) | trial_settings(platform.trial) | {"simulated": simulated}
    told["limits"] += [f"It is a {platform.trial.words}. It shows that the line runs, no more."] if platform.trial else []
    training.save_model(trained, out, told)
    unit, title = LOSSES[row.loss].unit, f"Training of {row.id}, {key_parts(key)[1]}{trial_note(platform.trial)}"
    figure = training_figures.curves_figure(trained.runs, unit=unit, title=title, simulated=simulated)
    (out / PREVIEW_FILE).write_bytes(figures.figure_png(figure))
    durable.remove(out / CHECKPOINTS)
    return {
        "train": dict(trained.train_counts),
        "epochs": sum(len(each.history) for each in trained.runs),
        "best_epochs": ", ".join(str(each.best_epoch) for each in trained.runs),
        "threshold": trained.classifier.threshold,
        "validation": dict(trained.validation),
        "device": trained.device,
        **({"base": dict(trained.classifier.settings["base"])} if trained.classifier.base else {}),
        **trial_settings(platform.trial),
    }


def _teller(key: str) -> training.Progress:
    """What writes a line an epoch into the log."""
    return lambda line, _share: _log.info("%s: %s", key, line)


def told_of(
    key: str,
    dataset: Dataset,
    inputs: Mapping[Ref, Artifact],
    manifest: gpd.GeoDataFrame,
    train: SplitPatches,
    val: SplitPatches,
) -> dict[str, Any]:
    """What the card tells of the data: digests, the split, where and when the training patches lie."""
    years, ids = dataset.years_of(int(key_parts(key)[1])), [train.dataset.patch_id(item) for item in train.items.tolist()]
    bbox = manifest[manifest["patch_id"].isin(ids)].to_crs(4326).total_bounds
    return {
        "inputs": {str(ref): artifact.digest for ref, artifact in sorted(inputs.items())},
        "split": {"method": dataset.split.method, "train_patches": len(train.items), "validation_patches": len(val.items)},
        "limits": [f"Its labels: {caveat(dataset).removeprefix(' · ')}."] if caveat(dataset) else [],
        "extent": {
            "bbox": [round(float(edge), 6) for edge in bbox],
            "start": f"{years[0]}-01-01T00:00:00Z",
            "end": f"{years[-1]}-12-31T23:59:59Z",
        },
    }


def evaluate_model(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`predictions.parquet`, `evaluation.json`, `recall_by_range.csv` and figures on the test split, beside the baselines.

    Neighbours, for intervals over clusters, are those of `splits.neighbours`. Where no patch has a range, because no region has
    a map, scores are told apart by kind of place, and there is no table of ranges. A small trial, of the model or of this, is
    told.
    """
    row, dataset = experiment_of(key)
    made, base = inputs[Ref("model", key)], base_weights(row.weights)
    classifier, trial = load_model(made.path, base), trial_in(made.facts) or platform.trial
    manifest, stored = drawn(with_neighbours(inputs, key), platform.trial), open_patches(row, inputs)
    if len(classifier.class_names) > 1:
        return evaluate_pixels(key, classifier, manifest, stored, is_simulated(inputs), trial, out)
    train, val = training_patches(row, dataset, manifest, stored)
    baselines = baseline_scorers(train)
    thresholds = baseline_thresholds(baselines, val)
    test = manifest[(manifest["split"] == "test") & ~manifest["dropped"]]
    patches = split_patches(stored, test)
    module, told = module_of(classifier), patches.quantities
    scorers = {"score": lambda images: predict(classifier, images, patches.channels, stored=told, module=module)}
    scorers |= {f"score_{name}": scorer for name, scorer in baselines.items()}
    predictions = patches_to_score(test).assign(**scored(scorers, patches))
    predictions.to_parquet(out / PREDICTIONS_FILE, index=False)
    facts = evaluate(told_apart(predictions), classifier.threshold, seed=row.seed)
    facts["cluster_by"] = told_neighbours(dataset.split)
    facts["baselines"] = baseline_facts(predictions, classifier.threshold, thresholds, seed=row.seed)
    facts["undefined"] |= {} if "recall_by_range" in facts else {"recall_by_range": NO_RANGE_REASON}
    facts |= trial_settings(trial)
    (out / EVALUATION_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n")
    if "recall_by_range" in facts:
        range_table(facts).to_csv(out / RANGES_FILE, index=False, lineterminator="\n")
    name = f"{row.id}, {key_parts(key)[1]}{caveat(dataset)}{trial_note(trial)}"
    write_figures(out, predictions, facts, name, is_simulated(inputs))
    return facts


def evaluate_pixels(
    key: str,
    classifier: Classifier,
    manifest: gpd.GeoDataFrame,
    stored: PatchDataset,
    simulated: bool,
    trial: Trial | None,
    out: Path,
) -> dict[str, Any]:
    """`predictions.parquet`, `evaluation.json` and figures of segmentation on the test split, whose labels are pixels."""
    row, dataset = experiment_of(key)
    test = manifest[(manifest["split"] == "test") & ~manifest["dropped"]]
    patches, rows = split_patches(stored, test), patches_to_score(test)
    table, confusions = segmentations.segmented(classifier, patches, rows)
    table.to_parquet(out / PREDICTIONS_FILE, index=False)
    facts = segmentations.pixel_facts(classifier, table, confusions, seed=row.seed) | trial_settings(trial)
    facts |= segmentations.prompted_facts(classifier, patches, rows, seed=row.seed)
    facts["cluster_by"] = told_neighbours(dataset.split)
    (out / EVALUATION_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n")
    title = f"Intersection over union: {row.id}, {key_parts(key)[1]}{caveat(dataset)}{trial_note(trial)}"
    figure = segmentations.iou_figure(facts, title=title, simulated=simulated)
    (out / PREVIEW_FILE).write_bytes(figures.figure_png(figure))
    name, cut = title.partition(": ")[2], classifier.threshold
    pictures = segmentation_pictures.score_pictures(facts, name, simulated=simulated)
    pictures |= segmentation_pictures.patch_pictures(classifier, patches, confusions, name, threshold=cut, simulated=simulated)
    for file_name, content in pictures.items():
        (out / file_name).write_bytes(content)
    return facts


def with_neighbours(inputs: Mapping[Ref, Artifact], key: str) -> gpd.GeoDataFrame:
    """The release's patch table and, as the column `cluster`, which of all its patches are neighbours."""
    manifest, dataset = manifest_of(inputs, key), experiment_of(key)[1]
    return manifest.assign(cluster=neighbours_of(manifest, dataset.split))


def patches_to_score(test: pd.DataFrame) -> pd.DataFrame:
    """What is known of the test patches, `in_order`."""
    columns = ["patch_id", "window_id", "region", "range", "share", "is_mining", "negative", "cluster"]
    return pd.DataFrame(in_order(test)[columns].reset_index(drop=True))


def write_figures(out: Path, predictions: pd.DataFrame, facts: Mapping[str, Any], name: str, simulated: bool) -> None:
    """Recall by mining range or kind of place (the preview), curves beside the baselines, calibration, scores and regions."""
    shown = [baseline for baseline in facts["baselines"] if baseline != ALWAYS_NO]
    tables = {"model": predictions} | {NAMES[each]: predictions.assign(score=predictions[f"score_{each}"]) for each in shown}
    drawn = {
        PREVIEW_FILE: first_figure(facts, name, simulated),
        "precision_recall.png": evaluation_figures.precision_recall_figure(
            tables, facts, title=f"Precision and recall: {name}", simulated=simulated
        ),
        "roc.png": evaluation_figures.roc_figure(tables, facts, title=f"ROC: {name}", simulated=simulated),
        "calibration.png": evaluation_figures.calibration_figure(facts, title=f"Calibration: {name}", simulated=simulated),
        "scores.png": evaluation_figures.score_figure(
            predictions, facts["threshold"], title=f"Scores: {name}", simulated=simulated
        ),
        "regions.png": range_figures.group_figure(
            facts, facts["by_region"], title=f"Recall by region: {name}", simulated=simulated
        ),
    }
    for file_name, figure in drawn.items():
        (out / file_name).write_bytes(figures.figure_png(figure))


def first_figure(facts: Mapping[str, Any], name: str, simulated: bool) -> "Figure":
    """Recall by mining range, or where there is none, by kind of place."""
    if "recall_by_range" in facts:
        return range_figures.recall_figure(facts, title=f"Recall by mining share: {name}", simulated=simulated)
    return range_figures.kinds_figure(facts, title=f"Share called mining by kind of place: {name}", simulated=simulated)


def experiment_of(key: str) -> tuple[Experiment, Dataset]:
    """The experiment of a partition key, and its dataset."""
    row = EXPERIMENTS[key_parts(key)[0]]
    return row, DATASETS[row.dataset]


def manifest_of(inputs: Mapping[Ref, Artifact], key: str) -> gpd.GeoDataFrame:
    """The release's patch table."""
    return gpd.read_parquet(of_stage(inputs, "manifest")[key_parts(key)[1]].path / MANIFEST_FILE)


def is_simulated(inputs: Mapping[Ref, Artifact]) -> bool:
    """Whether anything the stage rests on is simulated."""
    return any(bool(artifact.facts.get("simulated")) for artifact in inputs.values())


def open_patches(row: Experiment, inputs: Mapping[Ref, Artifact]) -> PatchDataset:
    """The patches of all regions and years of the release with the experiment's channels, as digital numbers."""
    stores = [artifact.path for artifact in of_stage(inputs, "patches").values()]
    return PatchDataset(stores, channels=profiles.PROFILES[row.profile].channels, as_reflectance=False)


def training_patches(
    row: Experiment, dataset: Dataset, manifest: gpd.GeoDataFrame, stored: PatchDataset
) -> tuple[SplitPatches, SplitPatches]:
    """Training and validation patches; without a validation split, whole blocks of the training split are held out."""
    usable = manifest[~manifest["dropped"]]
    train, val = usable[usable["split"] == "train"], usable[usable["split"] == "val"]
    if "val" not in dataset.split.fractions:
        blocks = block_of(train["window_id"], dataset.split.block_m).tolist()
        held = hold_out(blocks, train["is_mining"].to_numpy(bool), share=row.validation_share, seed=row.seed)
        train, val = train[~held], train[held]
    return split_patches(stored, train), split_patches(stored, val)


def split_patches(stored: PatchDataset, rows: pd.DataFrame) -> SplitPatches:
    """The patches of manifest rows, `in_order`."""
    ordered = in_order(rows)
    return SplitPatches(stored, stored.items_of(ordered["patch_id"].tolist()), ordered["is_mining"].to_numpy(bool))


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Manifest rows in the order in which patches are trained on and scored: by region and patch id."""
    return rows.sort_values(["region", "patch_id"])
