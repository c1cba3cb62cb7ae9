"""Several classifiers of one architecture, trained with different seeds, that score as their mean."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mining_platform.models.blueprints import Blueprint

if TYPE_CHECKING:
    from torch import Tensor, nn

MEMBERS = 6  # as in Amazon Mining Watch, 2026: github.com/earthrise-media/mining-detector, README


def averaged(build: "Callable[[Blueprint], nn.Module]", members: int, blueprint: Blueprint) -> "nn.Module":
    """Untrained ensemble: (n, channels, px, px) float32 normalised -> (n,) logits of the mean probability of its members.

    Members are drawn one after the other from torch's generator and are named `members.0`, `members.1`, ...
    """
    from torch import nn

    class Averaged(nn.Module):
        """Mean of probabilities, not of logits: a member that is very sure does not outvote the others."""

        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(build(blueprint) for _ in range(members))

        def forward(self, image: "Tensor") -> "Tensor":
            """(n, channels, y, x) -> (n,) logits."""
            import torch

            each = torch.stack([member(image) for member in self.members])  # (members, n)
            yes, no = (nn.functional.logsigmoid(sign * each).logsumexp(0) - math.log(members) for sign in (1, -1))
            return yes - no

    return Averaged()


def joined_weights(members: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Weights of an ensemble from those of its members, in their order: `features.0.weight` -> `members.2.features.0.weight`.

    ValueError when the members' tensors differ in name, shape or type.
    """
    forms = [{name: (values.shape, values.dtype) for name, values in weights.items()} for weights in members]
    for number, form in enumerate(forms):
        if wrong := sorted(name for name in form.keys() | forms[0].keys() if form.get(name) != forms[0].get(name)):
            raise ValueError(f"Members 0 and {number} differ in {', '.join(wrong[:3])}. Train all members as one architecture.")
    return {f"{_prefix(number)}{name}": values for number, weights in enumerate(members) for name, values in weights.items()}


def member_weights(weights: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """Weights of one member of an ensemble, by the names they have in its own architecture; ValueError where there is none."""
    prefix = _prefix(number)
    found = {name.removeprefix(prefix): values for name, values in weights.items() if name.startswith(prefix)}
    if not found:
        raise ValueError(f"The ensemble has no member {number}. Members are counted from 0.")
    return found


def _prefix(number: int) -> str:
    return f"members.{number}."
