"""Baselines on stored patches: fitted on training, threshold from validation, compared on test."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mining_platform.evaluations.baseline_scores import baseline_facts, baseline_scorers, baseline_thresholds, scored
from mining_platform.evaluations.baselines import band_means, ndvi_baseline
from mining_platform.evaluations.curves import best_threshold
from mining_platform.patch_datasets import PatchDataset
from mining_platform.training_patches import SplitPatches
from tests.mining_platform.patch_stores import write_pixels

CHANNELS = ("B04", "B03", "B08")


def patches(folder: Path, seed: int, channels: tuple[str, ...] = CHANNELS, n: int = 60) -> SplitPatches:
    """Forest, and every third patch bare in part: red up, near infrared down."""
    random = np.random.default_rng(seed)
    images = np.stack([random.normal(level, 60, (n, 8, 8)) for level in (400, 500, 2800)], axis=1)
    is_mining = np.arange(n) % 3 == 0
    for row in np.flatnonzero(is_mining):
        images[row, 0, : random.integers(2, 6)] = 2200
    pixels = images.clip(1).astype(np.uint16)[:, : len(channels)]
    store = write_pixels(folder / f"{seed}", pixels, channels, [f"{seed}_{row}" for row in range(n)])
    return SplitPatches(PatchDataset([store], as_reflectance=False), np.arange(n), is_mining)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[SplitPatches, SplitPatches, SplitPatches]:
    """Training, validation and test."""
    return patches(tmp_path, 1), patches(tmp_path, 2), patches(tmp_path, 3)


def test_each_baseline_scores_the_stored_patches_in_their_order(sides: tuple[SplitPatches, ...]) -> None:
    train, _, test = sides
    scorers = baseline_scorers(train)
    scores = scored(scorers, test)
    images = np.concatenate(list(test.batches()))
    assert list(scores) == ["always_no", "band_means", "ndvi"]
    np.testing.assert_array_equal(scores["ndvi"], ndvi_baseline(images, CHANNELS))
    np.testing.assert_array_equal(scores["always_no"], np.zeros(60))
    assert scores["band_means"][test.is_mining].min() > scores["band_means"][~test.is_mining].max()
    assert band_means(images, CHANNELS).shape == (60, 3)


def test_thresholds_are_those_of_validation(sides: tuple[SplitPatches, ...]) -> None:
    train, val, _ = sides
    scorers = baseline_scorers(train)
    thresholds, scores = baseline_thresholds(scorers, val), scored(scorers, val)
    assert thresholds["always_no"] == 1.0
    for name in ("band_means", "ndvi"):
        assert thresholds[name] == best_threshold(val.is_mining, scores[name])


def test_a_model_is_compared_with_each_baseline_on_the_same_patches(sides: tuple[SplitPatches, ...]) -> None:
    train, val, test = sides
    scorers = baseline_scorers(train)
    columns = {f"score_{name}": scores for name, scores in scored(scorers, test).items()}
    ids = [f"3_{row}" for row in range(60)]
    perfect = pd.DataFrame({"patch_id": ids, "is_mining": test.is_mining, "score": test.is_mining * 1.0, **columns})
    facts = baseline_facts(perfect, 0.5, baseline_thresholds(scorers, val), seed=1)
    assert facts["always_no"]["recall"] == 0.0
    assert facts["always_no"]["pr_auc"] == pytest.approx(1 / 3)
    gain = facts["always_no"]["model_less_baseline"]
    assert (gain["recall"]["difference"], gain["recall"]["by_patch"]["low"]) == (1.0, 1.0)
    assert gain["pr_auc"]["difference"] == pytest.approx(2 / 3)
    assert facts["band_means"]["model_less_baseline"]["f1"]["difference"] == 1 - facts["band_means"]["f1"]


def test_without_near_infrared_there_is_no_ndvi_baseline(tmp_path: Path) -> None:
    assert list(baseline_scorers(patches(tmp_path, 1, CHANNELS[:2]))) == ["always_no", "band_means"]


def test_no_patches_have_no_scores(sides: tuple[SplitPatches, ...]) -> None:
    train, _, test = sides
    nothing = SplitPatches(test.dataset, np.array([], np.int64), np.array([], bool))
    assert {name: len(scores) for name, scores in scored(baseline_scorers(train), nothing).items()} == {
        "always_no": 0,
        "band_means": 0,
        "ndvi": 0,
    }
