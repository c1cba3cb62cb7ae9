"""The baselines on the patches that the model is scored on: fitted on training, thresholds from validation, compared on test."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import bands
from mining_platform.evaluations.baselines import (
    NEVER,
    always_no,
    band_means,
    collected_means,
    fit_band_means,
    ndvi_baseline,
)
from mining_platform.evaluations.comparisons import compare
from mining_platform.evaluations.counts import threshold_scores
from mining_platform.evaluations.curves import best_threshold
from mining_platform.training_patches import SplitPatches

ALWAYS_NO, NDVI, BAND_MEANS = "always_no", "ndvi", "band_means"
NAMES: Mapping[str, str] = {ALWAYS_NO: "always no", NDVI: "bare pixels (NDVI)", BAND_MEANS: "band means (logistic)"}
"""What figures call them."""
Scorer = Callable[[NDArray[np.uint16]], NDArray[np.float64]]
"""Images (n, band, y, x) uint16 DN -> (n,) scores."""


def baseline_scorers(train: SplitPatches) -> dict[str, Scorer]:
    """Scorer of each baseline by its name; that of NDVI only where red and near infrared are among the channels."""
    channels = train.channels
    regression = fit_band_means(collected_means(train.batches(), channels), train.is_mining)
    scorers: dict[str, Scorer] = {
        ALWAYS_NO: lambda images: always_no(len(images)),
        BAND_MEANS: lambda images: regression.score(band_means(images, channels)),
    }
    if {"red", "nir"} <= {bands.band(channel).role for channel in channels}:
        scorers[NDVI] = lambda images: ndvi_baseline(images, channels)
    return dict(sorted(scorers.items()))


def scored(scorers: Mapping[str, Scorer], patches: SplitPatches) -> dict[str, NDArray[np.float64]]:
    """Scores (n,) of each scorer, in the order of the patches, which are read once and a batch at a time."""
    parts = [{name: scorer(images) for name, scorer in scorers.items()} for images in patches.batches()]
    return {name: np.concatenate([np.empty(0), *(part[name] for part in parts)]) for name in scorers}


def baseline_thresholds(scorers: Mapping[str, Scorer], val: SplitPatches) -> dict[str, float]:
    """Threshold of each baseline, of greatest F1 on validation like the model's; NEVER for the one that never alarms."""
    scores = scored(scorers, val)
    return {name: NEVER if name == ALWAYS_NO else best_threshold(val.is_mining, scores[name]) for name in scorers}


def baseline_facts(
    predictions: pd.DataFrame, threshold: float, thresholds: Mapping[str, float], *, seed: int, resamples: int = 1000
) -> dict[str, dict[str, Any]]:
    """Scores of each baseline, and `model_less_baseline`: the model's scores less the baseline's with paired intervals.

    `predictions` has the model's `score` and a column `score_<baseline>` for each of the thresholds.
    """
    return {
        name: _facts(predictions, predictions.assign(score=predictions[f"score_{name}"]), (threshold, own), seed, resamples)
        for name, own in thresholds.items()
    }


def _facts(
    model: pd.DataFrame, baseline: pd.DataFrame, thresholds: tuple[float, float], seed: int, resamples: int
) -> dict[str, Any]:
    is_mining, scores = baseline["is_mining"].to_numpy(bool), baseline["score"].to_numpy(float)
    compared = compare(model, baseline, thresholds, seed=seed, resamples=resamples)
    return {**threshold_scores(is_mining, scores, thresholds[1]), "model_less_baseline": compared["scores"]}
