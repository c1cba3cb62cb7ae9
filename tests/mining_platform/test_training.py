import json
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from blake3 import blake3

from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.figures import figure_png
from mining_platform.models.classifier import CARD_FILE, WEIGHTS_FILE, deterministic_torch, load_model, logits, predict
from mining_platform.models.registry import MODELS, build_model
from mining_platform.patch_augmentation import turned
from mining_platform.patch_datasets import PatchDataset
from mining_platform.shard_reads import ShardedRows
from mining_platform.training import Trained, fit, save_model
from mining_platform.training_figures import curves_figure
from mining_platform.training_losses import LOSSES, class_weights, total_loss
from mining_platform.training_patches import SplitPatches, channel_statistics, hold_out
from mining_platform.training_runs import Epoch
from tests.mining_platform.patch_stores import write_pixels

RGB = ("B04", "B03", "B02")
TINY = replace(EXPERIMENTS["sim-cnn"], id="tiny", profile="rgb", epochs=6, patience=6, batch_size=8, seed=1)
FOREST_DN, TAILINGS_DN = 400, 2200


@cache
def folder_of_stores() -> tuple[tempfile.TemporaryDirectory[str], "count[int]"]:
    """A folder that goes when the process ends, and numbers for the stores in it."""
    return tempfile.TemporaryDirectory(prefix="stores"), count()


def pixels(n: int = 24, seed: int = 0, px: int = 16, bands: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noisy forest; every second patch holds a bright square of 4 x 4 pixels."""
    random = np.random.default_rng(seed)
    images = random.normal(FOREST_DN, 80, (n, bands, px, px)).clip(1).astype(np.uint16)
    is_mining = np.arange(n) % 2 == 1
    for row in np.flatnonzero(is_mining):
        y, x = random.integers(0, px - 4, 2)
        images[row, :, y : y + 4, x : x + 4] = TAILINGS_DN
    return images, is_mining


def patches(n: int = 24, seed: int = 0, px: int = 16, channels: tuple[str, ...] = RGB, darker: int = 1) -> SplitPatches:
    """`pixels` in a store of their own."""
    images, is_mining = pixels(n, seed, px, len(channels))
    folder, numbers = folder_of_stores()
    ids = [f"{seed}_{row}" for row in range(n)]
    store = write_pixels(Path(folder.name) / str(next(numbers)), images // np.uint16(darker), channels, ids)
    return SplitPatches(PatchDataset([store], as_reflectance=False), np.arange(n), is_mining)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TINY, patches(seed=0), patches(seed=1))


def history(trained: Trained) -> tuple[Epoch, ...]:
    (only,) = trained.runs
    return only.history


def weights_digest(trained: Trained, folder: Path) -> str:
    folder.mkdir()
    save_model(trained, folder, {})
    return blake3((folder / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_bright_squares_in_forest_are_learned(trained: Trained) -> None:
    unseen = patches(seed=2)
    scores = predict(trained.classifier, *unseen.batches(), RGB)
    assert ((scores >= trained.classifier.threshold) == unseen.is_mining).all()


def test_equal_seeds_give_equal_bytes_and_other_seeds_others(trained: Trained, tmp_path: Path) -> None:
    again = fit(TINY, patches(seed=0), patches(seed=1))
    other = fit(replace(TINY, seed=2), patches(seed=0), patches(seed=1))
    digests = [weights_digest(each, tmp_path / str(row)) for row, each in enumerate((trained, again, other))]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_another_process_with_other_threads_gives_equal_bytes(trained: Trained, tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; torch.set_num_threads(1); torch.manual_seed(99)\n"
        "sys.path.insert(0, sys.argv[1]); import test_training as t\n"
        "print(t.weights_digest(t.fit(t.TINY, t.patches(seed=0), t.patches(seed=1)), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "other")]
    other = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert other == weights_digest(trained, tmp_path / "this")


def test_training_leaves_torch_as_it_was() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state().tolist()
    fit(replace(TINY, epochs=1), patches(seed=0), patches(seed=1))
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state().tolist()
    assert before == after


def test_the_kept_epoch_has_the_least_validation_loss(trained: Trained) -> None:
    least = min(history(trained), key=lambda epoch: epoch.val_loss)
    assert trained.runs[0].best_epoch == least.epoch
    val = patches(seed=1)
    probability = predict(trained.classifier, *val.batches(), RGB)
    logit = np.log(probability / (1 - probability))
    loss = np.logaddexp(0, logit) - logit * val.is_mining
    assert loss.mean() == pytest.approx(least.val_loss, rel=1e-5)


def test_training_stops_when_patience_ends() -> None:
    frozen = replace(TINY, learning_rate=1e-30, epochs=6, patience=2)
    epochs = history(fit(frozen, patches(seed=0), patches(seed=1)))
    best = min(epochs, key=lambda epoch: epoch.val_loss).epoch
    assert len(epochs) == min(best + 2, 6)


def test_the_rate_falls_along_a_cosine_or_stays() -> None:
    falling, constant = (
        history(fit(replace(TINY, schedule=schedule, epochs=4, learning_rate=1e-3), patches(seed=0), patches(seed=1)))
        for schedule in ("cosine", "constant")
    )
    assert [epoch.learning_rate for epoch in constant] == [1e-3] * 4
    assert [epoch.learning_rate for epoch in falling] == pytest.approx([5e-4 * (1 + np.cos(np.pi * at / 4)) for at in range(4)])


def test_each_epoch_is_reported() -> None:
    told: list[tuple[str, float]] = []
    fit(replace(TINY, epochs=2), patches(seed=0), patches(seed=1), progress=lambda line, share: told.append((line, share)))
    assert [share for _, share in told] == [0.5, 1.0]
    assert told[0][0].startswith("epoch 1: training loss")


def test_validation_patches_do_not_reach_the_normalisation() -> None:
    one = fit(replace(TINY, epochs=1), patches(seed=0), patches(seed=1)).classifier
    two = fit(replace(TINY, epochs=1), patches(seed=0), patches(seed=1, darker=2)).classifier
    assert one.normalisation == two.normalisation
    np.testing.assert_array_equal(one.weights["head.1.weight"], two.weights["head.1.weight"])


def test_saved_training_reads_back_with_its_card(trained: Trained, tmp_path: Path) -> None:
    save_model(trained, tmp_path, {"data": {"patches": "abc"}, "simulated": True})
    assert load_model(tmp_path).threshold == trained.classifier.threshold
    card = json.loads((tmp_path / CARD_FILE).read_text())
    assert card["experiment"]["seed"] == 1
    assert card["training"] == {"patches": 24, "mining": 12, "device": "cpu"}
    assert card["validation"]["f1"] == 1.0
    assert (card["runs"][0]["best_epoch"], card["simulated"]) == (trained.runs[0].best_epoch, True)


def test_a_card_may_not_repeat_what_training_writes(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="card repeats runs"):
        save_model(trained, tmp_path, {"runs": []})


def test_statistics_are_those_of_the_reflectance_without_nodata() -> None:
    dn = np.array([[[[1000, 3000]], [[0, 500]]], [[[1000, 3000]], [[0, 500]]]], dtype=np.uint16)
    statistics = channel_statistics([dn], ("B04", "B03"))
    assert statistics.mean == pytest.approx((0.2, 0.05))
    assert statistics.std == pytest.approx((0.1, 1e-4))  # a constant channel is divided by one DN, not by zero


def test_statistics_do_not_depend_on_the_order_of_patches_or_the_size_of_batches() -> None:
    images, _ = pixels(100)
    assert channel_statistics([images], RGB) == channel_statistics(iter([images[60:], images[:1], images[1:60]]), RGB)


def test_a_channel_of_nodata_is_refused() -> None:
    images, _ = pixels()
    images[:, 1] = 0
    with pytest.raises(ValueError, match="Channel B03 holds only nodata in all training patches"):
        channel_statistics([images], RGB)


def test_the_rarer_class_weighs_more() -> None:
    np.testing.assert_allclose(class_weights(np.array([3, 1]), balanced=True), [4 / 6, 2.0])
    np.testing.assert_allclose(class_weights(np.array([3, 1]), balanced=False), [1.0, 1.0])


def test_the_loss_of_a_batch_is_that_of_each_patch_times_the_weight_of_its_class() -> None:
    weights = torch.tensor([3.0, 1.0])
    total, count = total_loss(LOSSES["bce"], torch.zeros(2), torch.tensor([1, 0], dtype=torch.uint8), weights)
    assert float(total) == pytest.approx(4 * np.log(2))
    assert count == 2


def test_the_eight_symmetries_of_a_square_are_all_different() -> None:
    square = torch.arange(4.0).reshape(1, 1, 2, 2).repeat(8, 1, 1, 1)
    results = turned(square, torch.arange(8))
    assert torch.equal(results[0], square[0])
    assert len({tuple(result.flatten().tolist()) for result in results}) == 8


def test_pixels_stay_together_over_the_channels_when_turned() -> None:
    image = torch.rand(8, 1, 5, 5)
    results = turned(torch.cat([image, image + 1], dim=1), torch.arange(8))
    assert torch.equal(results[:, 1], results[:, 0] + 1)


def test_a_split_of_one_class_is_refused_with_a_remedy() -> None:
    train = patches(seed=0)
    empty = replace(train, is_mining=np.zeros(24, dtype=bool))
    with pytest.raises(
        ValueError, match=r"Experiment tiny, training split: 0 mining and 24 other.*Enlarge the quotas of dataset"
    ):
        fit(TINY, empty, patches(seed=1))


def test_an_empty_validation_split_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"validation split: 0 mining and 0 other patches.*datasets\.py"):
        fit(TINY, patches(seed=0), patches(0, seed=1))


def test_other_channels_than_the_experiment_names_are_refused() -> None:
    with pytest.raises(ValueError, match="training split: the profile rgb is B04, B03, B02; got B02, B03, B04"):
        fit(TINY, patches(seed=0, channels=("B02", "B03", "B04")), patches(seed=1))


def test_patches_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one size; got 16 px of 10 m and 24 px of 10 m"):
        fit(TINY, patches(seed=0), patches(seed=1, px=24))


def test_a_patch_in_training_and_validation_is_refused() -> None:
    with pytest.raises(ValueError, match="24 patches are in training and validation, first 0_0"):
        fit(TINY, patches(seed=0), patches(seed=0))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_training_that_diverges_is_refused() -> None:
    with pytest.raises(ValueError, match="tiny diverged in epoch 1"):
        fit(replace(TINY, learning_rate=1e30), patches(seed=0), patches(seed=1))


def test_items_and_classes_that_do_not_pair_are_refused() -> None:
    good = patches(4)
    with pytest.raises(ValueError, match=r"\(4,\) items and \(3,\) classes do not pair"):
        replace(good, is_mining=good.is_mining[:3])
    with pytest.raises(ValueError, match="must be uint16 DN"):
        replace(good, dataset=PatchDataset(good.dataset.stores))


def test_workers_change_no_byte_of_the_model(trained: Trained, tmp_path: Path) -> None:
    by_workers = fit(TINY, patches(seed=0), patches(seed=1), workers=2)
    assert weights_digest(by_workers, tmp_path / "workers") == weights_digest(trained, tmp_path / "none")


@pytest.mark.slow
def test_training_holds_a_batch_of_images_whatever_the_number_of_patches() -> None:
    peaks = []
    few, many = (patches(n, seed=0, px=32) for n in (64, 512))  # 393 kB and 3.1 MB of images
    fit(replace(TINY, epochs=1), few, patches(16, seed=1, px=32))  # what is imported and compiled is not counted
    for train in (few, many):
        tracemalloc.start()
        fit(replace(TINY, epochs=1), train, patches(16, seed=1, px=32))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 500_000  # images and their counts are seen by the measurement
    assert peaks[1] - peaks[0] < 300_000


def test_a_patch_of_the_validation_split_is_read_once_an_epoch_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    val, read, asked = patches(150, seed=1), ShardedRows.read, []

    def counted(array: ShardedRows, rows: np.ndarray) -> np.ndarray:
        if array.path.name == "image" and array.path.parent.parent == val.dataset.stores[0]:
            asked.append(len(rows))
        return read(array, rows)

    monkeypatch.setattr(ShardedRows, "read", counted)
    fit(replace(TINY, epochs=2), patches(seed=0), val)
    assert asked == [64, 64, 22] * 2


def test_held_out_blocks_are_whole_and_hold_both_classes() -> None:
    blocks = [f"block{row // 5}" for row in range(100)]
    is_mining = np.arange(100) % 2 == 1
    held = hold_out(blocks, is_mining, share=0.2, seed=3)
    assert all(len(set(held[start : start + 5])) == 1 for start in range(0, 100, 5))
    assert held[is_mining].mean() >= 0.2
    assert held[~is_mining].mean() >= 0.2
    assert held.sum() <= 30


def test_held_out_blocks_do_not_depend_on_the_order_of_patches() -> None:
    blocks = np.array([f"block{row // 5}" for row in range(100)])
    is_mining = np.arange(100) % 2 == 1
    order = np.random.default_rng(0).permutation(100)
    held = hold_out(list(blocks), is_mining, share=0.2, seed=3)
    np.testing.assert_array_equal(hold_out(list(blocks[order]), is_mining[order], share=0.2, seed=3), held[order])


def test_one_block_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="1 blocks are too few to hold out 20%"):
        hold_out(["a"] * 6, np.arange(6) % 2 == 1, share=0.2, seed=1)


@pytest.mark.slow
def test_training_of_every_shipped_experiment_starts() -> None:
    for row in EXPERIMENTS.values():
        small: Experiment = replace(row, profile="rgb", epochs=1)
        if MODELS[row.model].task == "classification" and MODELS[row.model].members == 1:  # others: test_training_pixels
            assert fit(small, patches(seed=0), patches(seed=1)).runs[0].best_epoch == 1


def test_the_curves_have_equal_bytes_for_equal_training(trained: Trained) -> None:
    pictures = [figure_png(curves_figure(trained.runs, unit="patch", title="Training", simulated=True)) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG")


def test_logits_do_not_need_patches() -> None:
    with deterministic_torch(0):
        module = build_model("small-cnn", 3, 16)
    images, _ = pixels()
    assert logits(module, images[:0], channel_statistics([images], RGB)).shape == (0,)
