"""Read an exported package with torchgeo's own classes, in torchgeo's environment, and print what came out as JSON.

Arguments: glob of images, glob of masks (GeoTIFFs), pixels a side of a patch.
"""

import json
import sys
from pathlib import Path

import torch

LIBRARY = torch.library.Library("torchvision", "DEF")
for OPERATOR in ("nms", "qnms"):  # torchvision's own library needs CUDA; torchgeo wants no more of it than these names
    LIBRARY.define(f"{OPERATOR}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch.utils.data import DataLoader  # noqa: E402 - after the names above
from torchgeo.datasets import RasterDataset, stack_samples  # noqa: E402
from torchgeo.samplers import GridGeoSampler  # noqa: E402


class Images(RasterDataset):
    """GeoTIFFs of one year."""

    filename_glob = "*.tif"


class Masks(Images):
    """Masks on the same ground."""

    is_image = False


def main(images: str, masks: str, px: int) -> None:
    """Join images and masks by their ground, and sum the pixels of every patch."""
    image, mask = (kind(paths=sorted(map(str, Path().glob(glob)))) for kind, glob in ((Images, images), (Masks, masks)))
    sampler = GridGeoSampler(image & mask, size=px, stride=px)
    found: dict[str, list[float]] = {}
    batches = DataLoader(image & mask, sampler=sampler, collate_fn=stack_samples)
    for query, batch in zip(sampler, batches, strict=True):
        pixels, labels = batch["image"][0], batch["mask"][0]
        found[corner(query)] = [float(pixels.double().sum()), int((labels == 1).sum()), *pixels.shape]
    print(json.dumps({"files": [len(image), len(mask)], "patches": found}))  # noqa: T201


def corner(query: tuple[slice, slice, slice]) -> str:
    """Easting and northing of the lower left corner in whole metres."""
    x, y, _ = query
    return f"{round(x.start)},{round(y.start)}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
