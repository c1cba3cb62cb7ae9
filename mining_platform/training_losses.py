"""Losses are rows: what is summed over patches, or over pixels, each times the weight of its class.

A new loss is one function and one row of `LOSSES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.recipes import NO_LABEL
from mining_platform.models.registry import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """How far logits are from classes."""

    id: str
    task: Task
    unit: str
    """What a mean loss is the mean of, as figures call it."""
    of_each: "Callable[[Tensor, Tensor], Tensor]"
    """Logits as `ModelRow.task` has them, classes int64 of each patch or pixel -> its loss."""


def _binary_cross_entropy(logits: "Tensor", classes: "Tensor") -> "Tensor":
    import torch

    return torch.nn.functional.binary_cross_entropy_with_logits(logits, classes.to(logits.dtype), reduction="none")


def _cross_entropy(logits: "Tensor", classes: "Tensor") -> "Tensor":
    """Written out, because torch's own has no deterministic form for pixels on a GPU."""
    import torch

    chosen = torch.nn.functional.one_hot(classes, logits.shape[1]).movedim(-1, 1)
    return -(logits.log_softmax(1) * chosen).sum(1)


LOSSES: dict[str, Loss] = {
    row.id: row
    for row in (
        Loss("bce", "classification", "patch", _binary_cross_entropy),
        Loss("cross-entropy", "segmentation", "pixel", _cross_entropy),
    )
}


def total_loss(loss: Loss, logits: "Tensor", target: "Tensor", weights: "Tensor") -> "tuple[Tensor, Tensor]":
    """Sum of the losses times the weights (classes,) of their classes, and how many were summed.

    `target` holds a class for each patch, (n,), or pixel, (n, y, x); NO_LABEL ones are left out.
    """
    counted = target != NO_LABEL
    classes = target.long().where(counted, 0)
    each = loss.of_each(logits, classes)
    return (each * weights.to(each.dtype)[classes] * counted).sum(), counted.sum()


def class_weights(counts: NDArray[np.int64], *, balanced: bool) -> NDArray[np.float32]:
    """(classes,) float32 from patches or pixels of each class: total / (classes * count), or 1; also 1 for an empty class."""
    even = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return np.where(balanced & (counts > 0), even, 1.0).astype(np.float32)
