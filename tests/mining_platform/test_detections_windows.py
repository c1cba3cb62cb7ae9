"""Tiles and windows: shared layers change no score, chunks are decoded once, and kinds of models that differ."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mining_platform import stack_tiles
from mining_platform.detections import checked_stack
from mining_platform.models.classifier import Classifier, module_of
from mining_platform.stack_tiles import computed_in_all, half_overlapping, tiles
from mining_platform.stacks import Stack
from mining_platform.tile_scores import scored_tiles
from mining_platform.window_scores import can_share, scores_one_by_one, scores_with_shared_layers
from tests.mining_platform.scored_mosaics import drawn_classifier, grid, write_mosaic


def noise(height: int, width: int) -> np.ndarray:
    image = np.random.default_rng(0).integers(1, 4000, (3, height, width)).astype(np.uint16)
    image[:, height // 3 : height // 2, : width // 4] = 0
    return image


@pytest.mark.parametrize(("px", "step"), [(16, 8), (48, 24), (128, 64), (64, 8)])
def test_windows_that_share_layers_score_as_each_by_itself(px: int, step: int) -> None:
    classifier = drawn_classifier(px=px)
    tile = noise(px + 2 * step, px + 3 * step)
    corners = np.array([(row, column) for row in range(0, 3 * step, step) for column in range(0, 4 * step, step)])
    alone = scores_one_by_one(classifier, module_of(classifier), tile, corners)
    shared = scores_with_shared_layers(classifier, module_of(classifier), tile, corners)
    assert alone.std() > 1e-3
    np.testing.assert_allclose(shared, alone, atol=1e-6)


def test_only_windows_on_the_lattice_of_their_layers_share_them() -> None:
    assert can_share(drawn_classifier(px=48), 24)
    assert not can_share(drawn_classifier(px=40), 20)
    assert not can_share(drawn_classifier("cnn-800k", 48), 24)


def every_score(classifier: Classifier, stack: Stack, *, share: bool) -> dict[tuple[int, int], float]:
    lattice = half_overlapping(stack.mosaic.geobox, classifier.px)
    computed = frozenset({(0, 0), (0, 1), (1, 0), (1, 1)})
    found = {}
    for tile, scores, chosen in scored_tiles(classifier, stack, lattice, computed, share=share):
        places = tile.corners[chosen] // lattice.step_px + (tile.row, tile.column)
        found |= dict(zip(map(tuple, places.tolist()), scores.tolist(), strict=True))
    return found


@pytest.mark.parametrize("px", [40, 48])
def test_every_window_of_a_mosaic_scores_as_cut_out_alone(tmp_path: Path, px: int) -> None:
    image = noise(600, 530)
    classifier = drawn_classifier(px=px)
    stack = checked_stack(classifier, write_mosaic(tmp_path / "mosaic.zarr", image), {})
    found = every_score(classifier, stack, share=True)
    padded = np.pad(image, ((0, 0), (0, px), (0, px)))
    corners = np.array(sorted(found)) * (px // 2)
    alone = scores_one_by_one(classifier, module_of(classifier), padded, corners)
    np.testing.assert_allclose([found[place] for place in sorted(found)], alone, atol=1e-6)
    assert alone.std() > 1e-3
    plain = every_score(classifier, stack, share=False)
    assert plain.keys() == found.keys()
    np.testing.assert_allclose([plain[place] for place in sorted(found)], alone, atol=1e-6)


def test_classifiers_with_dense_layers_score_too(tmp_path: Path) -> None:
    classifier = drawn_classifier("cnn-800k", 24)
    stack = checked_stack(classifier, write_mosaic(tmp_path / "mosaic.zarr", noise(60, 60)), {})
    lattice = half_overlapping(stack.mosaic.geobox, 24)
    ((_, scores, _),) = scored_tiles(classifier, stack, lattice, frozenset({(0, 0)}))
    assert scores.shape == (16,)


@pytest.mark.parametrize(
    ("size", "px", "windows"), [((48, 48), 48, (1, 1)), ((10, 72), 48, (1, 2)), ((73, 96), 48, (3, 3)), ((512, 1), 128, (7, 1))]
)
def test_windows_at_half_overlap_cover_a_grid_and_no_more(size: tuple[int, int], px: int, windows: tuple[int, int]) -> None:
    lattice = half_overlapping(grid(*size), px)
    assert (lattice.rows, lattice.columns) == windows


@pytest.mark.parametrize("px", [48, 1100])
def test_each_chunk_is_decoded_once_and_each_window_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, px: int) -> None:
    image = noise(1700, 1300)
    stack = checked_stack(drawn_classifier(), path := write_mosaic(tmp_path / "mosaic.zarr", image), {})
    lattice, decoded, read = half_overlapping(stack.mosaic.geobox, px), Counter(), stack_tiles._read_chunk
    monkeypatch.setattr(stack_tiles, "_read_chunk", lambda stack, block: decoded.update([block]) or read(stack, block))
    padded = np.pad(image, ((0, 0), (0, px), (0, px)))
    seen: Counter[tuple[int, int]] = Counter()
    for tile in tiles(stack, lattice, computed_in_all(path, [])):
        top, left = tile.row * lattice.step_px, tile.column * lattice.step_px
        height, width = tile.has_data.shape
        np.testing.assert_array_equal(tile.image, padded[:, top : top + height, left : left + width])
        np.testing.assert_array_equal(tile.has_data, tile.image[0] > 0)
        seen.update(map(tuple, (tile.corners + np.array([top, left])).tolist()))
    assert seen == Counter((i * (px // 2), j * (px // 2)) for i in range(lattice.rows) for j in range(lattice.columns))
    assert set(decoded.values()) == {1}
    assert len(decoded) == 12


def test_only_the_chunks_where_strips_meet_are_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_tiles, "STRIP_CHUNKS", 2)
    stack = checked_stack(drawn_classifier(), path := write_mosaic(tmp_path / "mosaic.zarr", noise(600, 1600)), {})
    decoded, read = Counter(), stack_tiles._read_chunk
    monkeypatch.setattr(stack_tiles, "_read_chunk", lambda stack, block: decoded.update([block]) or read(stack, block))
    assert len(list(tiles(stack, half_overlapping(stack.mosaic.geobox, 48), computed_in_all(path, [])))) == 8
    assert {block for block, times in decoded.items() if times == 2} == {(0, 2), (1, 2)}
    assert set(decoded.values()) == {1, 2}


def test_a_tile_in_one_pass_has_the_numbers_of_patches_bit_by_bit() -> None:
    from mining_platform.models.classifier import normalised
    from mining_platform.normalised_tiles import normalised_tile

    tile = np.random.default_rng(0).integers(0, 4, (3, 40, 56), dtype=np.uint16) * 997  # a quarter is nodata
    norm = drawn_classifier().normalisation
    found, expected = normalised_tile(tile, norm), normalised(tile[None], norm)
    assert found.shape == expected.shape
    assert found.numpy().tobytes() == expected.numpy().tobytes()
