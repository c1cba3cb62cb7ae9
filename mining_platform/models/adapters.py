"""Models of which a part alone is trained: what training changes of them, and the whole from that part and its base weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mining_platform.models.sam_weights import BaseWeights


def trained_weights(module: "nn.Module") -> "dict[str, Tensor]":
    """What training changes of a module by name: all of its state, or where some parameters are frozen the others."""
    state = module.state_dict()
    trainable = {name for name, values in module.named_parameters() if values.requires_grad}
    frozen = sum(1 for _ in module.parameters()) > len(trainable)
    return {name: values for name, values in state.items() if not frozen or name in trainable}


def fill(module: "nn.Module", weights: "Mapping[str, Tensor]", settings: Mapping[str, Any], base: "BaseWeights | None") -> None:
    """Give a built module its whole state, or its trained part and the rest of its base, which `settings` tell.

    ValueError where the base is missing or another one; RuntimeError where names or shapes are others than the module's.
    """
    if weights.keys() == trained_weights(module).keys() < module.state_dict().keys():
        from mining_platform.models.sam_weights import checked_base, load_base

        load_base(module, checked_base(settings, base))
        weights = {**module.state_dict(), **weights}
    module.load_state_dict(dict(weights))
