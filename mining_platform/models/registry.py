"""Models are rows: an id, what it is, and the function that builds it untrained.

A new architecture is one file beside this one and one row of `MODELS`. Nothing here imports torch before a model is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mining_platform.models.cnn import small_cnn

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelRow:
    """One architecture of patch classifiers."""

    id: str
    description: str
    min_px: int
    """Least side of a patch in pixels."""
    build: Callable[[int, int], "nn.Module"]
    """(channels, px) -> module that maps (n, channels, px, px) float32 to (n,) logits, weights drawn from torch's generator."""


MODELS: dict[str, ModelRow] = {
    row.id: row
    for row in (
        ModelRow(
            "small-cnn",
            "Four 3 x 3 convolutions, global average and maximum pooling, one logit",
            min_px=16,
            build=small_cnn,
        ),
    )
}


def model(model_id: str) -> ModelRow:
    """The row of a model; KeyError with the known ids and the remedy otherwise."""
    try:
        return MODELS[model_id]
    except KeyError:
        raise KeyError(
            f"Unknown model {model_id!r}; known: {', '.join(MODELS)}. Add a row in mining_platform/models/registry.py."
        ) from None


def build_model(model_id: str, channels: int, px: int) -> "nn.Module":
    """An untrained model for patches of `px` x `px` pixels; ValueError when they are too small for it."""
    row = model(model_id)
    if channels < 1 or px < row.min_px:
        raise ValueError(
            f"Model {model_id} needs at least 1 channel and {row.min_px} x {row.min_px} pixels; got {channels} channels, {px} px."
        )
    return row.build(channels, px)
