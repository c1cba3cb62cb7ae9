"""Training for the classes of pixels, and of ensembles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mining_platform.models.classifier import load_model, predict
from mining_platform.models.ensembles import member_weights
from mining_platform.patch_datasets import PatchDataset
from mining_platform.stages.segmentations import classes_of, pixel_facts, segmented
from mining_platform.training import Trained, fit, save_model
from mining_platform.training_losses import LOSSES, class_weights, total_loss
from mining_platform.training_patches import SplitPatches, class_counts
from mining_platform.training_runs import Epoch
from mining_platform.training_validation import pixel_threshold_scores
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.test_training import RGB, TINY, folder_of_stores, pixels
from tests.mining_platform.test_training import patches as whole_patches

SEGMENTED = replace(TINY, id="pixels", model="unet", loss="cross-entropy", epochs=4, batch_size=4, learning_rate=3e-3)
PX, SQUARE_DN = 32, 1500


def labelled(n: int = 8, seed: int = 0) -> SplitPatches:
    """Bright squares of mining in dark forest; a strip below has no class, and is as bright as mining."""
    images, is_mining = pixels(n, seed, PX)
    labels = (images[:, 0] > SQUARE_DN).astype(np.uint8)
    images[:, :, -4:], labels[:, -4:] = 2200, 255
    folder, numbers = folder_of_stores()
    store = write_pixels(Path(folder.name) / str(next(numbers)), images, RGB, [f"{seed}_{row}" for row in range(n)], labels)
    return SplitPatches(PatchDataset([store], as_reflectance=False), np.arange(n), is_mining)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(SEGMENTED, labelled(seed=0), labelled(4, seed=1))


def test_bright_squares_are_outlined_and_pixels_without_class_count_for_nothing(trained: Trained, tmp_path: Path) -> None:
    save_model(trained, tmp_path, {})
    classifier, unseen = load_model(tmp_path), labelled(4, seed=2)
    assert classifier.class_names == ("other", "mining")
    rows = pd.DataFrame({"patch_id": [f"2_{row}" for row in range(4)], "cluster": list("aabb")})
    table, counts = segmented(classifier, unseen, rows)
    facts = pixel_facts(classifier, table, counts, seed=1)
    assert facts["pixels"] == 4 * (PX - 4) * PX
    assert table["mining_px"].sum() == facts["classes"]["mining"]["pixels"] > 0
    assert facts["classes"]["mining"]["iou"] > 0.5
    assert trained.train_counts["pixels_mining"] == class_counts(labelled(seed=0), "segmentation")[1]


def test_validation_is_scored_at_the_threshold_that_was_chosen_there(trained: Trained) -> None:
    val, scores = labelled(4, seed=1), trained.validation
    images, labels = next(val.labelled())
    called = predict(trained.classifier, images, RGB)[:, 1] >= trained.classifier.threshold
    assert scores["tp"] == (called & (labels == 1)).sum()
    assert scores["fp"] == (called & (labels == 0)).sum()


def test_the_mean_loss_is_over_pixels_with_a_class_each_times_the_weight_of_its_class() -> None:
    logits = torch.zeros((1, 3, 1, 4))
    target = torch.tensor([[[0, 1, 2, 255]]], dtype=torch.uint8)
    total, count = total_loss(LOSSES["cross-entropy"], logits, target, torch.tensor([1.0, 2.0, 3.0]))
    assert float(total) == pytest.approx(6 * np.log(3))
    assert count == 3


def test_the_loss_of_pixels_is_that_of_torch() -> None:
    logits, target = torch.randn((2, 3, 4, 4), generator=torch.Generator().manual_seed(1)), torch.arange(32).reshape(2, 4, 4) % 3
    total, _ = total_loss(LOSSES["cross-entropy"], logits, target.to(torch.uint8), torch.ones(3))
    assert float(total) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, target, reduction="sum")), rel=1e-6)


def test_three_classes_weigh_total_over_three_times_their_pixels_and_an_absent_one_is_left_alone() -> None:
    np.testing.assert_allclose(class_weights(np.array([6, 2, 0]), balanced=True), [8 / 18, 8 / 6, 1])


def test_the_pixel_threshold_has_the_greatest_f1_and_is_the_highest_of_equals() -> None:
    other, mining = np.array([5, 1, 0, 0, 0]), np.array([0, 0, 2, 0, 3])
    scores = pixel_threshold_scores(np.stack([other, mining]))
    assert (scores["threshold"], scores["f1"], scores["tp"], scores["fp"]) == (0.5, 1.0, 5, 0)
    assert pixel_threshold_scores(np.stack([other, other]))["threshold"] == 0.0


def test_a_pixel_at_the_threshold_is_mining_and_below_it_the_likeliest_other_class() -> None:
    probability = np.array([[0.3, 0.4, 0.3], [0.1, 0.39, 0.51], [0.35, 0.39, 0.26]], np.float32).T[None, :, None, :]
    assert classes_of(probability, 0.4).tolist() == [[[1, 2, 0]]]


def test_labels_without_mining_are_refused_with_a_remedy() -> None:
    train = labelled()
    clear = replace(train, items=train.items[::2], is_mining=train.is_mining[::2])  # every second patch has none
    with pytest.raises(ValueError, match=r"pixels, training split: 0 mining and \d+ other pixels"):
        fit(SEGMENTED, clear, labelled(4, seed=1))


def test_a_loss_of_another_task_than_the_models_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the loss bce is of classification, the model unet not. Use one of cross-entropy"):
        fit(replace(SEGMENTED, loss="bce"), labelled(), labelled(4, seed=1))


@pytest.mark.slow
def test_members_of_an_ensemble_are_trained_alone_with_seeds_of_their_own() -> None:
    row = replace(TINY, model="ensemble-6", epochs=1)
    sides = whole_patches(8, seed=0), whole_patches(8, seed=1)
    told: list[tuple[str, float]] = []
    made = fit(row, *sides, progress=lambda line, share: told.append((line, share)))
    assert [each.seed for each in made.runs] == [1, 2, 3, 4, 5, 6]
    alone = fit(replace(row, model="cnn-800k", seed=3), *sides).classifier.weights
    third = member_weights(made.classifier.weights, 2)
    assert {name: values.tobytes() for name, values in third.items()} == {name: each.tobytes() for name, each in alone.items()}
    assert told[-1] == (told[-1][0], 1.0)
    assert told[2][0].startswith("member 3 of 6, epoch 1:")
    assert isinstance(made.runs[0].history[0], Epoch)
    (images,) = sides[1].batches()
    called = predict(made.classifier, images, RGB) >= made.classifier.threshold
    assert (called & sides[1].is_mining).sum() == made.validation["tp"]
