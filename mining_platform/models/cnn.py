"""A small convolutional network that tells whether any part of a patch shows mining."""

from typing import TYPE_CHECKING

from mining_platform.models.blueprints import Blueprint

if TYPE_CHECKING:
    from torch import Tensor, nn

WIDTHS = (24, 32, 48, 64)  # feature maps after each convolution
DROPOUT = 0.2


def small_cnn(blueprint: Blueprint) -> "nn.Module":
    """Untrained classifier: (n, channels, px, px) float32 normalised -> (n,) logits of mining.

    Global average and global maximum are pooled side by side, so that a mine of a few pixels is not averaged away
    (concatenated pooling, as in Howard & Gugger 2020, fastai). Sums and `amax` are used instead of adaptive pooling,
    whose backward pass is not deterministic on every device. No layer depends on the patch size: one set of weights
    also slides over whole mosaics.
    """
    import torch
    from torch import nn

    class SmallCnn(nn.Module):
        """Strided convolutions with batch normalisation, then pooled features to one logit."""

        def __init__(self) -> None:
            super().__init__()
            inputs = (blueprint.channels, *WIDTHS[:-1])
            strides = (2, 2, 2, 1)
            self.features = nn.Sequential(*(_block(i, o, s) for i, o, s in zip(inputs, WIDTHS, strides, strict=True)))
            self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * WIDTHS[-1], 1))

        def forward(self, image: "Tensor") -> "Tensor":
            """(n, channels, y, x) -> (n,) logits."""
            maps = self.features(image)  # (n, 64, y/8, x/8)
            pooled = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)  # (n, 128)
            return self.head(pooled).squeeze(1)

    return SmallCnn()


def _block(inputs: int, outputs: int, stride: int) -> "nn.Module":
    from torch import nn

    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
