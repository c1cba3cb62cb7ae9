"""Mosaics written pixel by pixel, and a classifier whose scores can be worked out by hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mining_platform import bands, zarr_arrays
from mining_platform.chunks import CHUNK_PX, INNER_PX, Block, block_slices, checked_blocks, grid_attributes
from mining_platform.layers import create_axes, create_image
from mining_platform.models.classifier import Classifier, Normalisation, deterministic_torch, write_classifier
from mining_platform.models.registry import build_model
from tests.synthetic import EPSG, LEFT_M, TOP_M

RGB = ("B04", "B03", "B02")
MEAN, STD = 0.1, 0.05
GAIN = 2.0
"""Logit = GAIN x mean of the red channel's positive distances from MEAN, in STD, at every eighth pixel, - 1."""


def grid(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, LEFT_M, 0, -10, TOP_M), CRS(f"EPSG:{EPSG}"))


def write_mosaic(
    path: Path,
    image: NDArray[np.uint16],
    *,
    channels: Sequence[str] = RGB,
    blocks: Iterable[Block] | None = None,
    simulated: bool = False,
) -> Path:
    """A mosaic of an image (band, y, x), clear where its first channel is not 0; only some chunks, where they are named."""
    geobox = grid(*image.shape[1:])
    create_axes(path, geobox)
    pixels = create_image(path, geobox, channels, {"channels": list(channels)})
    counts = [
        zarr_arrays.create_array(
            path / name,
            shape=geobox.shape,
            dtype=np.uint16,
            chunks=(INNER_PX, INNER_PX),
            shards=(CHUNK_PX, CHUNK_PX),
            dimension_names=("y", "x"),
        )
        for name in ("clear_count", "observed_count")
    ]
    for block in checked_blocks(geobox, blocks):
        rows, columns = block_slices(geobox, block)
        part = image[:, rows, columns]
        zarr_arrays.write_box(pixels, (0, rows.start, columns.start), part)
        for count in counts:
            zarr_arrays.write_box(count, (rows.start, columns.start), (part[0] > 0).astype(np.uint16))
    described = {"channels": list(channels), "bands": [bands.described(each) for each in channels]}
    zarr_arrays.create_group(path, {**grid_attributes(geobox), **described, "simulated": simulated})
    return path


def write_layer_beside(path: Path, image: NDArray[np.uint16], channels: Sequence[str]) -> Path:
    """A layer of an image (band, y, x), on the grid of a mosaic of the same size."""
    geobox = grid(*image.shape[1:])
    create_axes(path, geobox)
    zarr_arrays.write_box(create_image(path, geobox, channels, {}), (0, 0, 0), image)
    described = {"channels": list(channels), "bands": [bands.described(each) for each in channels]}
    zarr_arrays.create_group(path, {**grid_attributes(geobox), **described, "simulated": False})
    return path


def drawn_classifier(architecture: str = "small-cnn", px: int = 48, channels: Sequence[str] = RGB) -> Classifier:
    """A model with weights drawn at random, batch statistics too; two classes where it scores pixels."""
    names = ("background", "mining") if architecture == "unet" else ("mining",)
    with deterministic_torch(seed=1):
        weights = {
            name: values.numpy().copy() for name, values in build_model(architecture, len(channels), px).state_dict().items()
        }
    rng = np.random.default_rng(1)
    for name, values in weights.items():
        if name.endswith(("running_mean", "running_var")):  # near those of the random weights' own outputs, so that no layer dies
            low, high = (-0.2, 0.2) if name.endswith("mean") else (0.05, 0.2)
            weights[name] = rng.uniform(low, high, values.shape).astype(np.float32)
    count = len(channels)
    norm = Normalisation(tuple(channels), (MEAN,) * count, (STD,) * count)
    return Classifier(architecture, px, norm, 0.5, weights, names)


def known_classifier(px: int = 48, channels: Sequence[str] = RGB, threshold: float = 0.5) -> Classifier:
    """The mean of one channel: each layer hands on the pixel in its middle, the head weighs the average by GAIN."""
    drawn = drawn_classifier("small-cnn", px, channels)
    weights = {name: np.zeros_like(values) for name, values in drawn.weights.items()}
    for number in range(4):
        weights[f"features.{number}.0.weight"][0, 0, 1, 1] = 1
        weights[f"features.{number}.1.weight"][:] = np.float32(np.sqrt(1 + 1e-5))
        weights[f"features.{number}.1.running_var"][:] = 1
    weights["head.1.weight"][0, 0], weights["head.1.bias"][:] = GAIN, -1
    return Classifier("small-cnn", px, drawn.normalisation, threshold, weights)


def known_score(red: float) -> float:
    """Of a window whose red reflectance is everywhere `red`."""
    return float(1 / (1 + np.exp(1 - GAIN * max((red - MEAN) / STD, 0))))


def write_model(folder: Path, classifier: Classifier) -> Path:
    folder.mkdir()
    write_classifier(classifier, folder, {})
    return folder
