"""Two published classifiers of mining: three blocks of three convolutions, then three dense layers to one logit."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mining_platform.models.blueprints import Blueprint

if TYPE_CHECKING:
    from torch import nn

CONVOLUTIONS = 3  # in each block
DENSE = (64, 64, 32)  # units, each layer followed by dropout
DROPOUT = 0.3
ASGM_WIDTHS, ASGM_POOLS = (32, 32, 32), (2, 2, 3)
AMW_WIDTHS, AMW_POOLS = (32, 64, 128), (2, 2, 2)


def asgm_cnn(blueprint: Blueprint) -> "nn.Module":
    """Untrained classifier of Dissing and Kalo: (n, channels, px, px) float32 -> (n,) logits of mining.

    SPEC.md, section 3: 116,577 parameters for 12 channels of 48 px. The same layers as `CNN2024` of Amazon Mining Watch
    (github.com/earthrise-media/mining-detector, core/model_library.py), which ran until 2025.
    """
    return _stacked(blueprint, ASGM_WIDTHS, ASGM_POOLS, normalise=False)


def cnn_800k(blueprint: Blueprint) -> "nn.Module":
    """Untrained classifier of Amazon Mining Watch since 2025: (n, channels, px, px) float32 -> (n,) logits of mining.

    `CNN800k` of github.com/earthrise-media/mining-detector, core/model_library.py: batch normalisation after each
    activation, 786,241 parameters for 13 channels of 48 px.
    """
    return _stacked(blueprint, AMW_WIDTHS, AMW_POOLS, normalise=True)


def _stacked(blueprint: Blueprint, widths: tuple[int, ...], pools: tuple[int, ...], *, normalise: bool) -> "nn.Module":
    """Convolutions keep the size, each pool divides it and drops what is left over."""
    from torch import nn

    layers: list[nn.Module] = []
    inputs, px = blueprint.channels, blueprint.px
    for width, pool in zip(widths, pools, strict=True):
        layers += [*_block(inputs, width, normalise=normalise), nn.MaxPool2d(pool)]
        inputs, px = width, px // pool
    return nn.Sequential(*layers, nn.Flatten(), *_dense(inputs * px * px), nn.Flatten(0))


def _block(inputs: int, width: int, *, normalise: bool) -> "Iterator[nn.Module]":
    from torch import nn

    for number in range(CONVOLUTIONS):
        yield nn.Conv2d(width if number else inputs, width, kernel_size=3, padding=1)
        yield nn.ReLU()
        if normalise:
            yield nn.BatchNorm2d(width)


def _dense(inputs: int) -> "Iterator[nn.Module]":
    from torch import nn

    for units, following in zip((inputs, *DENSE), DENSE, strict=False):
        yield nn.Linear(units, following)
        yield nn.ReLU()
        yield nn.Dropout(DROPOUT)
    yield nn.Linear(DENSE[-1], 1)
