"""Stages of the group `models`: training on a release, and the only reading of its test split."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from mining_platform import bands, evaluation, evaluation_figures, figures, patches, training
from mining_platform.artifacts import Artifact, Ref
from mining_platform.datasets import DATASETS, Dataset, caveat
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.models.classifier import load_model, predict
from mining_platform.pipeline import Platform, key_parts
from mining_platform.splits.blocks import block_of
from mining_platform.stages.datasets import of_stage
from mining_platform.stages.files import EVALUATION_FILE, MANIFEST_FILE, PREDICTIONS_FILE, PREVIEW_FILE
from mining_platform.training_patches import PatchArrays, hold_out


def train_model(_platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`model.safetensors`, its card and the training curve; the test split is not read."""
    row, dataset = experiment_of(key)
    train, val = training_patches(row, dataset, manifest_of(inputs, key), inputs)
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
    arrays = read_patches(row, dataset, test, inputs)
    columns = ["patch_id", "window_id", "region", "range", "share", "is_mining"]
    predictions = test.set_index("patch_id").loc[list(arrays.patch_ids)].reset_index()[columns]
    predictions = predictions.assign(
        score=predict(classifier, arrays.images, arrays.channels),
        score_ndvi=evaluation.ndvi_baseline(arrays.images, arrays.channels),
    )
    predictions.to_parquet(out / PREDICTIONS_FILE, index=False)
    facts = evaluation.evaluate(predictions, classifier.threshold, seed=row.seed)
    _, val = training_patches(row, dataset, manifest, inputs)
    facts["ndvi_baseline"] = ndvi_scores(predictions, val)
    (out / EVALUATION_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_figures(out, predictions, facts, f"{row.id}, {key_parts(key)[1]}{caveat(dataset)}", is_simulated(inputs))
    return facts


def ndvi_scores(predictions: pd.DataFrame, val: PatchArrays) -> dict[str, Any]:
    """Scores of the share of pixels without vegetation, its threshold chosen on validation like the model's."""
    threshold = evaluation.best_threshold(val.is_mining, evaluation.ndvi_baseline(val.images, val.channels))
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


def training_patches(
    row: Experiment, dataset: Dataset, manifest: gpd.GeoDataFrame, inputs: Mapping[Ref, Artifact]
) -> tuple[PatchArrays, PatchArrays]:
    """Training and validation patches; without a validation split, whole blocks of the training split are held out."""
    usable = manifest[~manifest["dropped"]]
    train, val = usable[usable["split"] == "train"], usable[usable["split"] == "val"]
    if "val" not in dataset.split.fractions:
        blocks = block_of(train["window_id"], dataset.split.block_m).tolist()
        held = hold_out(blocks, train["is_mining"].to_numpy(bool), share=row.validation_share, seed=row.seed)
        train, val = train[~held], train[held]
    return read_patches(row, dataset, train, inputs), read_patches(row, dataset, val, inputs)


def read_patches(row: Experiment, dataset: Dataset, rows: pd.DataFrame, inputs: Mapping[Ref, Artifact]) -> PatchArrays:
    """Patches of manifest rows with the experiment's channels, in order of region and patch id."""
    channels = bands.PROFILES[row.profile].channels
    ordered = rows.sort_values(["region", "patch_id"])
    stores = of_stage(inputs, "patches")
    parts = [
        patches.read_images(stores[str(region_id)].path, part["store_row"].to_numpy(), channels)
        for region_id, part in ordered.groupby("region", sort=True)
    ]
    images = np.concatenate(parts) if parts else np.zeros((0, len(channels), dataset.px, dataset.px), np.uint16)
    return PatchArrays(images, ordered["is_mining"].to_numpy(bool), tuple(ordered["patch_id"]), channels)
