"""Stages of the group `models`: training on a release, and the only reading of its test split."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from mining_platform import evaluation, evaluation_figures, figures, profiles, training
from mining_platform.artifacts import Artifact, Ref
from mining_platform.datasets import DATASETS, Dataset, caveat
from mining_platform.evaluation import ndvi_baseline
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.models.classifier import Classifier, load_model, predict
from mining_platform.patch_datasets import PatchDataset
from mining_platform.pipeline import Platform, key_parts
from mining_platform.splits.blocks import block_of
from mining_platform.stages.datasets import of_stage
from mining_platform.stages.files import EVALUATION_FILE, MANIFEST_FILE, PREDICTIONS_FILE, PREVIEW_FILE
from mining_platform.training_patches import SplitPatches, hold_out


def train_model(_platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`model.safetensors`, its card and the training curve; the test split is not read."""
    row, dataset = experiment_of(key)
    train, val = training_patches(row, dataset, manifest_of(inputs, key), open_patches(row, inputs))
    trained = training.fit(row, train, val)
    simulated = is_simulated(inputs)
    digests = {str(ref): artifact.digest for ref, artifact in sorted(inputs.items())}
    training.save_model(trained, out, {"inputs": digests, "simulated": simulated})
    figure = evaluation_figures.history_figure(
        trained.history, trained.best_epoch, title=f"Training of {row.id}, {key_parts(key)[1]}", simulated=simulated
    )
    (out / PREVIEW_FILE).write_bytes(figures.figure_png(figure))
    return {
        "train": dict(trained.train_counts),
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "threshold": trained.classifier.threshold,
        "validation": dict(trained.validation),
    }


def evaluate_model(_platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`predictions.parquet`, `evaluation.json` and figures on the test split, beside the NDVI baseline."""
    row, dataset = experiment_of(key)
    classifier = load_model(inputs[Ref("model", key)].path)
    manifest = manifest_of(inputs, key)
    test = manifest[(manifest["split"] == "test") & ~manifest["dropped"]]
    stored = open_patches(row, inputs)
    columns = ["patch_id", "window_id", "region", "range", "share", "is_mining"]
    predictions = in_order(test)[columns].reset_index(drop=True)
    predictions = predictions.assign(**split_scores(classifier, split_patches(stored, test)))
    predictions.to_parquet(out / PREDICTIONS_FILE, index=False)
    facts = evaluation.evaluate(predictions, classifier.threshold, seed=row.seed)
    _, val = training_patches(row, dataset, manifest, stored)
    facts["ndvi_baseline"] = ndvi_scores(predictions, val)
    (out / EVALUATION_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_figures(out, predictions, facts, f"{row.id}, {key_parts(key)[1]}{caveat(dataset)}", is_simulated(inputs))
    return facts


def split_scores(classifier: Classifier, rows: SplitPatches) -> dict[str, np.ndarray]:
    """Scores of the model and of the NDVI baseline, in the order of the patches, which are read a batch at a time."""
    parts = [(predict(classifier, images, rows.channels), ndvi_baseline(images, rows.channels)) for images in rows.batches()]
    model, ndvi = (np.concatenate([np.empty(0), *scores]) for scores in (zip(*parts, strict=True) if parts else ((), ())))
    return {"score": model, "score_ndvi": ndvi}


def ndvi_scores(predictions: pd.DataFrame, val: SplitPatches) -> dict[str, Any]:
    """Scores of the share of pixels without vegetation, its threshold chosen on validation like the model's."""
    val_scores = np.concatenate([ndvi_baseline(images, val.channels) for images in val.batches()])
    threshold = evaluation.best_threshold(val.is_mining, val_scores)
    return evaluation.threshold_scores(
        predictions["is_mining"].to_numpy(bool), predictions["score_ndvi"].to_numpy(float), threshold
    )


def write_figures(out: Path, predictions: pd.DataFrame, facts: Mapping[str, Any], name: str, simulated: bool) -> None:
    """Recall per mining range (also the preview), precision and recall, and the scores."""
    recall = evaluation_figures.recall_figure(facts, title=f"Recall by mining share: {name}", simulated=simulated)
    tables = {"model": predictions, "bare pixels (NDVI)": predictions.assign(score=predictions["score_ndvi"])}
    curves = evaluation_figures.precision_recall_figure(tables, facts, title=f"Precision and recall: {name}", simulated=simulated)
    scores = evaluation_figures.score_figure(predictions, facts["threshold"], title=f"Scores: {name}", simulated=simulated)
    for file_name, figure in ((PREVIEW_FILE, recall), ("precision_recall.png", curves), ("scores.png", scores)):
        (out / file_name).write_bytes(figures.figure_png(figure))


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
    """The patches of all regions with the experiment's channels, as digital numbers."""
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
