"""Scores of the windows of a tile: one by one in batches, or with the layers shared that windows which overlap have in common.

A window's score is that of the same pixels cut out and scored alone, to the rounding of float32, however it is computed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mining_platform.models.classifier import SCORING_BATCH, Classifier, deterministic_torch, predict, probabilities

if TYPE_CHECKING:
    from torch import Tensor, nn

    Layer = Callable[[Tensor], Tensor]

SHARED = ("small-cnn",)
"""Architectures whose first layers each halve the map, so that windows whose corners lie on their lattice can share them."""
LATTICE_PX = 8
"""Corners of windows that share layers are multiples of it: three layers halve the map."""
BATCH_BYTES = 2**25  # of uint16 images cut out at once

Corners = NDArray[np.int64]
"""(m, 2) row and column of the upper left pixel of windows in a tile."""


def can_share(classifier: Classifier, step_px: int) -> bool:
    """Whether windows at multiples of `step_px` can share layers."""
    return classifier.architecture in SHARED and classifier.px % LATTICE_PX == 0 and step_px % LATTICE_PX == 0


def scores_one_by_one(
    classifier: Classifier, module: "nn.Module", tile: NDArray[np.uint16], corners: Corners
) -> NDArray[np.floating]:
    """The windows at `corners` of a tile (band, y, x) uint16 DN -> (m,) probability of mining, or (m, px, px) of each pixel.

    `module` is `classifier.module_of` the classifier; a window is all that the model sees. Memory holds a batch.
    """
    px, bands = classifier.px, len(tile)
    views = sliding_window_view(tile, (px, px), axis=(1, 2))
    size = max(1, min(SCORING_BATCH, BATCH_BYTES // (bands * px * px * 2)))
    parts = []
    for start in range(0, len(corners), size):
        rows, columns = corners[start : start + size].T
        images = np.ascontiguousarray(views[:, rows, columns].swapaxes(0, 1))
        parts.append(_mining(classifier, predict(classifier, images, classifier.channels, module=module)))
    return np.concatenate(parts)


def _mining(classifier: Classifier, scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """The class mining of (n, classes, y, x); (n,) as they are."""
    return scores if scores.ndim == 1 else scores[:, classifier.class_names.index("mining")]


def scores_with_shared_layers(
    classifier: Classifier, module: "nn.Module", tile: NDArray[np.uint16], corners: Corners
) -> NDArray[np.floating]:
    """As `scores_one_by_one`, for models that `can_share`, each layer that halves the map computed once for the whole tile.

    Only a window's first row and column of such a layer differ from the tile's: there the window alone ends, and zeros are
    padded. They are computed for each window by itself and put in their place, so nothing is approximated. Maps lie channels
    last, as the convolutions want them and as cutting out windows is cheapest; batch normalisation is part of the convolutions.
    """
    import torch

    from mining_platform.normalised_tiles import normalised_tile

    with deterministic_torch(seed=0), torch.inference_mode():
        image = normalised_tile(tile, classifier.normalisation)
        parts = dict(module.named_children())
        *halving, last = (_one_convolution(block) for block in parts["features"].children())
        logits = _shared_logits(image, torch.from_numpy(corners), classifier.px, (halving, last, parts["head"]))
    return probabilities(logits.numpy().astype(np.float64))


def _one_convolution(block: "nn.Module") -> "Layer":
    """A block of convolution, batch normalisation and ReLU, the first two in one."""
    from torch import nn
    from torch.nn.functional import relu_
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    convolution, normalisation, _ = block.children()
    assert isinstance(convolution, nn.Conv2d)  # as `cnn.small_cnn` builds them
    assert isinstance(normalisation, nn.BatchNorm2d)
    folded = fuse_conv_bn_eval(convolution, normalisation)
    return lambda maps: relu_(folded(maps))


def _shared_logits(image: "Tensor", corners: "Tensor", px: int, layers: "tuple[list[Layer], Layer, Layer]") -> "Tensor":
    """(1, band, y, x) normalised and (m, 2) corners -> (m,) logits."""
    import torch

    halving, last, head = layers
    maps, size = image, px
    top, left = _cut(maps, corners, (1, size)), _cut(maps, corners, (size, 1))
    for layer in halving:
        rows, columns = _cut(maps, corners, (2, size)), _cut(maps, corners, (size, 2))
        rows[:, :, :, :1], columns[:, :, :1, :] = left[:, :, :2], top[:, :, :, :2]
        rows[:, :, :1], columns[:, :, :, :1] = top, left
        maps, top, left = layer(maps), layer(rows), layer(columns)  # strips of two become strips of one
        corners, size = corners // 2, size // 2
    parts = []
    for start in range(0, len(corners), SCORING_BATCH):
        batch = slice(start, start + SCORING_BATCH)
        whole = _cut(maps, corners[batch], (size, size))
        whole[:, :, :1], whole[:, :, :, :1] = top[batch], left[batch]
        last_maps = last(whole)
        parts.append(torch.cat([last_maps.mean((2, 3)), last_maps.amax((2, 3))], dim=1))
    return head(torch.cat(parts)).squeeze(1)


def _cut(maps: "Tensor", corners: "Tensor", shape: tuple[int, int]) -> "Tensor":
    """(1, c, y, x) and (m, 2) corners -> (m, c, *shape), a copy; both channels last."""
    views = maps[0].permute(1, 2, 0).unfold(0, shape[0], 1).unfold(1, shape[1], 1)  # (y', x', c, *shape), nothing copied
    return views.permute(0, 1, 3, 4, 2)[corners[:, 0], corners[:, 1]].permute(0, 3, 1, 2)
