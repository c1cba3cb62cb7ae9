"""Stacks of channels: where each channel of a profile lies, and reading them together at a window.

A channel comes from the mosaic, from a layer beside it (`layers.py`), or, an index, from the mosaic's own bands. Which it is
follows from the channel's sensor, so a profile may mix any of them and a new channel needs no line here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, index_images, indices
from mining_platform.layers import Layer, open_layer, read_layer
from mining_platform.mosaic_arrays import Mosaic, open_mosaic, read_window

LAYERS: Mapping[str, str] = {"sentinel-1": "radar", "copernicus-dem": "elevation", "openstreetmap": "osm_context"}
"""Asset that holds the channels of a sensor; those of every other sensor are in the mosaic, or computed from it."""
INDEX = "index"
"""Sensor of channels that are computed from a mosaic's bands."""


@dataclass(frozen=True)
class Stack:
    """A mosaic and the layers beside it, open for reading some channels."""

    mosaic: Mosaic
    layers: Mapping[str, Layer]
    channels: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether any part is."""
        return self.mosaic.simulated or any(layer.simulated for layer in self.layers.values())


def layers_of(channels: Sequence[str]) -> tuple[str, ...]:
    """The layers beside the mosaic that channels need, in the order of LAYERS."""
    sensors = {bands.band(channel).sensor for channel in channels}
    return tuple(layer for sensor, layer in LAYERS.items() if sensor in sensors)


def channels_of_layer(layer: str, channels: Sequence[str]) -> tuple[str, ...]:
    """Those of the channels that a layer holds, in their order."""
    return tuple(channel for channel in channels if LAYERS.get(bands.band(channel).sensor) == layer)


def open_stack(mosaic: Path, layers: Mapping[str, Path], channels: Sequence[str]) -> Stack:
    """A stack of `mosaic.zarr` and, by name, `<layer>.zarr`; ValueError naming the channels that none of them has."""
    opened = Stack(open_mosaic(mosaic), {name: open_layer(path) for name, path in layers.items()}, tuple(channels))
    there = [*opened.mosaic.channels, *(each for layer in opened.layers.values() for each in layer.channels)]
    lacking = [each for each in channels if each not in there and not _is_computable(each, opened.mosaic.channels)]
    if lacking or not channels:
        problem = f"Channels {lacking} are not among {', '.join(there)}"
        remedy = "Ask for those, or name a profile that has them as 'profile' of the region's scenes."
        raise ValueError(f"{problem}, nor indices of them. {remedy}")
    return opened


def _is_computable(channel: str, available: Sequence[str]) -> bool:
    if bands.band(channel).sensor != INDEX:
        return False
    roles = {bands.band(each).role for each in available}
    return roles.issuperset(indices.roles_of(channel))


def read_stack(stack: Stack, bounds: Sequence[float]) -> NDArray[np.uint16]:
    """Numbers (band, y, x) of the stack's channels in bounds, each by `bands.stored_as`; raises as `read_window` of mosaics."""
    image, _ = read_window(stack.mosaic, bounds)
    found = dict(zip(stack.mosaic.channels, image, strict=True))
    for layer in stack.layers.values():
        found |= zip(layer.channels, read_layer(layer, bounds), strict=True)
    for channel in stack.channels:
        if channel not in found:
            values = {name: bands.as_values(name, found[name]) for name in stack.mosaic.channels}
            found[channel] = bands.as_stored(channel, index_images.index_of(channel, values))
    return np.stack([found[channel] for channel in stack.channels])


def read_voids(stack: Stack, bounds: Sequence[float]) -> NDArray[np.bool_]:
    """Where a channel of a layer has no data (y, x); no layer, no void."""
    height, width = _shape(stack, bounds)
    voids = np.zeros((height, width), bool)
    for layer in stack.layers.values():
        wanted = [position for position, channel in enumerate(layer.channels) if channel in stack.channels]
        voids |= (read_layer(layer, bounds)[wanted] == bands.S2_NODATA).any(axis=0)
    return voids


def _shape(stack: Stack, bounds: Sequence[float]) -> tuple[int, int]:
    minx, miny, maxx, maxy = bounds
    side = abs(stack.mosaic.geobox.resolution.x)
    return round((maxy - miny) / side), round((maxx - minx) / side)
