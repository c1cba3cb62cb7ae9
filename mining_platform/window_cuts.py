"""Windows cut from a mosaic, the layers beside it and a label, in batches that whoever works on parts can be handed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mining_platform.computing import Compute
from mining_platform.labels.mapbiomas import read_classes
from mining_platform.labels.recipes import NO_LABEL, label_of
from mining_platform.labels.recipes import recipe as recipe_of
from mining_platform.mosaic_arrays import read_clear_count
from mining_platform.stacks import open_stack, read_stack, read_voids

BATCH_BYTES = 2**24
"""Of a batch's images: few enough to be held several times over, and a batch takes much longer than to open the stack."""
Result = TypeVar("Result")
Bounds = NDArray[np.float64]
"""(n, 4) minx, miny, maxx, maxy in metres of the grid's CRS."""


@dataclass(frozen=True)
class Cut:
    """What windows are cut from, by the paths of it, and how."""

    mosaic: Path
    layers: Mapping[str, Path]
    label: Path | None
    """None where no pixel has a label."""
    channels: tuple[str, ...]
    recipe: str
    px: int


def clear_figures(cut: Cut, bounds: Bounds) -> list[tuple[float, int, float]]:
    """Of each window: share of pixels without a clear observation or without data in a layer; least and median clear days."""
    stack, found = open_stack(cut.mosaic, cut.layers, cut.channels), []
    for window in bounds:
        clear = read_clear_count(stack.mosaic, window)
        masked = float(((clear == 0) | read_voids(stack, window)).mean())
        found.append((masked, int(clear.min()), float(np.median(clear))))
    return found


def cut_images(cut: Cut, bounds: Bounds) -> NDArray[np.uint16]:
    """Images (n, band, y, x) of windows."""
    stack = open_stack(cut.mosaic, cut.layers, cut.channels)
    return np.stack([read_stack(stack, window) for window in bounds])


def cut_labels(cut: Cut, bounds: Bounds) -> NDArray[np.uint8]:
    """Labels (n, y, x) of windows by the recipe; NO_LABEL everywhere where there is no raster of classes."""
    if cut.label is None:
        return np.full((len(bounds), cut.px, cut.px), NO_LABEL, np.uint8)
    row = recipe_of(cut.recipe)
    return np.stack([label_of(read_classes(cut.label, window.tolist()), row) for window in bounds])


def in_batches(
    compute: Compute, function: Callable[[Cut, Bounds], Sequence[Result] | NDArray], cut: Cut, bounds: Bounds, *, what: str
) -> Iterator[Result]:
    """What a function makes of each window, in order, a batch of windows at a time; raises as it does."""
    size = max(1, BATCH_BYTES // (len(cut.channels) * cut.px * cut.px * 2))
    batches = (bounds[first : first + size] for first in range(0, len(bounds), size))
    with closing(compute.results(partial(function, cut), batches, what=what)) as made:
        for batch in made:
            yield from batch
