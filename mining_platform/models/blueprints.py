"""What a model is built for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Blueprint:
    """Sizes of a model's input and output, and what its architecture has to be told beyond them."""

    channels: int
    px: int
    """Pixels a side of the patches."""
    classes: int = 1
    """1: one logit a patch, of mining; more: that many logits a pixel."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able; empty for models that are trained from scratch."""
