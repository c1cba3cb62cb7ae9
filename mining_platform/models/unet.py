"""The baseline for segmentation: a U-Net."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mining_platform.models.blueprints import Blueprint

if TYPE_CHECKING:
    from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256, 512)  # feature maps of each level; half of the paper's, as is usual for small datasets
SMALL_WIDTHS = (8, 16, 32, 64, 128)
LATTICE_PX = 2 ** (len(WIDTHS) - 1)  # sides inside the network are multiples of it


def unet(widths: Sequence[int], blueprint: Blueprint) -> "nn.Module":
    """Untrained segmenter: (n, channels, y, x) float32 normalised -> (n, classes, y, x) logits of each pixel's class.

    Ronneberger, Fischer & Brox 2015, U-Net, doi:10.1007/978-3-319-24574-4_28, with padded convolutions and batch
    normalisation. Sides that are no multiple of 16 are padded with 0, which is the mean of a channel and what stands for
    nodata, and cut off again.
    """
    import torch
    from torch import nn

    class UNet(nn.Module):
        """Down by maxima, up by transposed convolutions, with a bridge on each level."""

        def __init__(self) -> None:
            super().__init__()
            inputs = (blueprint.channels, *widths[:-1])
            self.down = nn.ModuleList(_double(i, o) for i, o in zip(inputs, widths, strict=True))
            levels = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
            self.up = nn.ModuleList(nn.ConvTranspose2d(deep, flat, kernel_size=2, stride=2) for deep, flat in levels)
            self.joined = nn.ModuleList(_double(2 * flat, flat) for _, flat in levels)
            self.head = nn.Conv2d(widths[0], blueprint.classes, kernel_size=1)

        def forward(self, image: "Tensor") -> "Tensor":
            """(n, channels, y, x) -> (n, classes, y, x) logits."""
            height, width = image.shape[2:]
            maps = nn.functional.pad(image, (0, -width % LATTICE_PX, 0, -height % LATTICE_PX))
            bridges = []
            for level in self.down[:-1]:
                bridges.append(level(maps))
                maps = nn.functional.max_pool2d(bridges[-1], 2)
            maps = self.down[-1](maps)  # (n, 512, y/16, x/16)
            for up, joined in zip(self.up, self.joined, strict=True):
                maps = joined(torch.cat([bridges.pop(), up(maps)], dim=1))
            return self.head(maps)[:, :, :height, :width]

    return UNet()


def _double(inputs: int, outputs: int) -> "nn.Module":
    from torch import nn

    def one(channels: int) -> tuple[nn.Module, ...]:
        convolution = nn.Conv2d(channels, outputs, kernel_size=3, padding=1, bias=False)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU()

    return nn.Sequential(*one(inputs), *one(outputs))
