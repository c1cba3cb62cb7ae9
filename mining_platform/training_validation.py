"""How good a model is on validation patches: mean loss, the threshold of greatest F1, and the scores at it.

Scores of a threshold chosen on the same patches are optimistic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.evaluations.counts import ratio, threshold_scores
from mining_platform.evaluations.curves import best_threshold
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.models.classifier import Normalisation, logits, probabilities
from mining_platform.training_losses import Loss, total_loss
from mining_platform.training_patches import SplitPatches

if TYPE_CHECKING:
    from torch import nn

MINING = 1  # position of the class in the logits of segmentation, and its value in labels
PROBABILITY_BINS = 1000  # pixels are too many to sort: their threshold is a multiple of 1 / bins


@dataclass(frozen=True)
class Validated:
    """A model on validation patches."""

    loss: float
    """Mean a patch, or pixel with a class, times class weights."""
    threshold: float
    scores: Mapping[str, Any]
    """counts.threshold_scores, or of segmentation the counts of pixels and what follows from them."""


def validated(
    module: "nn.Module", loss: Loss, val: SplitPatches, normalisation: Normalisation, weights: NDArray[np.float32]
) -> Validated:
    """Scores the patches a batch at a time; the module is left in evaluation mode."""
    import torch

    if loss.task == "segmentation":
        return _validated_pixels(module, loss, val, normalisation, weights)
    logit = np.concatenate([logits(module, images, normalisation) for images in val.batches()])
    target = torch.from_numpy(val.is_mining.astype(np.uint8))
    total, count = total_loss(loss, torch.from_numpy(logit), target, torch.from_numpy(weights))
    if not np.isfinite(logit).all():
        return Validated(float("nan"), float("nan"), {})
    scores = probabilities(logit)
    threshold = best_threshold(val.is_mining, scores)
    return Validated(float(total / count), threshold, threshold_scores(val.is_mining, scores, threshold))


def _validated_pixels(
    module: "nn.Module", loss: Loss, val: SplitPatches, normalisation: Normalisation, weights: NDArray[np.float32]
) -> Validated:
    import torch

    total, count = 0.0, 0
    pixels = np.zeros((2, PROBABILITY_BINS + 1), np.int64)  # without and with mining, by probability of mining
    for images, labels in val.labelled():
        logit = logits(module, images, normalisation)
        part, counted = total_loss(loss, torch.from_numpy(logit).double(), torch.from_numpy(labels), torch.from_numpy(weights))
        total, count = total + float(part), count + int(counted)
        if not np.isfinite(logit).all():
            return Validated(float("nan"), float("nan"), {})
        pixels += _histograms(probabilities(logit)[:, MINING], labels)
    scores = pixel_threshold_scores(pixels)
    return Validated(total / max(count, 1), scores["threshold"], scores)


def _histograms(probability: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(2, PROBABILITY_BINS + 1) pixels without and with mining by the multiple of 1 / bins below their probability."""
    bins = (probability.astype(np.float64) * PROBABILITY_BINS).astype(np.int64)
    sides = ((labels != MINING) & (labels != NO_LABEL), labels == MINING)
    return np.stack([np.bincount(bins[side], minlength=PROBABILITY_BINS + 1) for side in sides])


def pixel_threshold_scores(pixels: NDArray[np.int64]) -> dict[str, Any]:
    """Counts and scores at the threshold of greatest F1, the highest of equals.

    `pixels`: (2, bins + 1) without and with mining, by their probability times bins, rounded down.
    """
    alarms, hits = (side[::-1].cumsum()[::-1] for side in pixels)  # at or above each bin
    mining = int(pixels[1].sum())
    f1 = 2 * hits / np.maximum(hits + alarms + mining, 1)
    best = len(f1) - 1 - int(f1[::-1].argmax())
    tp, fp = int(hits[best]), int(alarms[best])
    return {
        "pixels": int(pixels.sum()),
        "positives": mining,
        "threshold": best / (pixels.shape[1] - 1),
        "tp": tp,
        "fp": fp,
        "fn": mining - tp,
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, mining),
        "f1": ratio(2 * tp, tp + fp + mining),
    }
