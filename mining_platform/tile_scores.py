"""Scores of the windows of a stack, tile by tile: here, or by workers a row of tiles at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mining_platform.chunks import Block
from mining_platform.models.classifier import Classifier, load_model, module_of
from mining_platform.stack_tiles import Tile, TileRow, WindowLattice, tiles
from mining_platform.stacks import Stack, open_stack
from mining_platform.window_scores import can_share, scores_one_by_one, scores_with_shared_layers

SEGMENTED_WINDOWS = 8  # whose pixels' scores are held at once

Scored = tuple[Tile, NDArray[np.floating], NDArray[np.int64]]
"""A tile, scores of windows in it, and the numbers (m,) of these windows."""


@dataclass(frozen=True)
class Scoring:
    """What workers score, by the paths of it."""

    model: Path
    """Folder of a published version, which never changes: a worker loads it once."""
    mosaic: Path
    layers: Mapping[str, Path]
    lattice: WindowLattice


def scored_tiles(
    classifier: Classifier,
    stack: Stack,
    lattice: WindowLattice,
    computed: frozenset[Block],
    *,
    share: bool = True,
    only: TileRow | None = None,
) -> Iterator[Scored]:
    """Tiles, the scores of their windows that have data, in order, and the numbers (m,) of these windows in the tile.

    A tile of pixel scores comes in parts of SEGMENTED_WINDOWS.

    `share` False scores every window by itself, which is the plain form of the same. `only` takes one row of tiles.
    """
    module = module_of(classifier)
    score = scores_with_shared_layers if share and can_share(classifier, lattice.step_px) else scores_one_by_one
    for tile in tiles(stack, lattice, computed, only):
        views = sliding_window_view(tile.has_data, (lattice.px, lattice.px))
        wanted = np.flatnonzero([views[row, column].any() for row, column in tile.corners])
        size = SEGMENTED_WINDOWS if len(classifier.class_names) > 1 else max(1, len(wanted))
        for start in range(0, len(wanted), size):
            chosen = wanted[start : start + size]
            yield tile, score(classifier, module, tile.image, tile.corners[chosen]), chosen


_AT_ONCE = Lock()
"""Torch's settings are those of a whole process."""


def scored_row(scoring: Scoring, row: tuple[TileRow, frozenset[Block]]) -> list[Scored]:
    """As `scored_tiles` of one of the `stack_tiles.tile_rows`, the tiles without their images."""
    place, computed = row
    with _AT_ONCE:
        classifier = _loaded(scoring.model)
        stack = open_stack(scoring.mosaic, scoring.layers, classifier.channels)
        made = scored_tiles(classifier, stack, scoring.lattice, computed, only=place)
        return [(replace(tile, image=tile.image[:0]), scores, chosen) for tile, scores, chosen in made]


@lru_cache(maxsize=1)
def _loaded(model: Path) -> Classifier:
    return load_model(model)
