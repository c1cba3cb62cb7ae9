"""Adapters of Segment Anything through the training loop, on random weights built from a configuration."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.models.base_weights import WeightsError, base_weights, weights_identity
from mining_platform.models.classifier import CARD_FILE, WEIGHTS_FILE, load_model, predict
from mining_platform.models.tiny_sam import write_tiny_sam
from mining_platform.patch_conventions import CLOUD
from mining_platform.patch_datasets import PatchDataset
from mining_platform.regions import RegionError
from mining_platform.stages.segmentations import prompted_facts, segmented
from mining_platform.training import Trained, fit, save_model
from mining_platform.training_patches import SplitPatches, class_counts
from mining_platform.training_prompts import PROMPTS
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.test_training import RGB, TINY, folder_of_stores, pixels

PX, N, SQUARE_DN = 16, 8, 1500
NAMES_BYTES = 100_000  # of a checkpoint, in which small weights have long names
SAM = replace(
    TINY,
    id="adapters",
    model="sam-lora-decoder",
    loss="cross-entropy",
    weights="random:1",
    prompts="label-boxes",
    epochs=12,
    patience=12,
    batch_size=4,
    learning_rate=3e-3,
    schedule="constant",
    augmentation="none",
)


def labelled(n: int = N, seed: int = 0, strip: int = CLOUD) -> SplitPatches:
    """Bright squares of mining in dark forest; a strip below is `strip`, and as bright as mining."""
    images, is_mining = pixels(n, seed, PX)
    labels = (images[:, 0] > SQUARE_DN).astype(np.uint8)
    images[:, :, -4:], labels[:, -4:] = 2200, strip
    folder, numbers = folder_of_stores()
    store = write_pixels(Path(folder.name) / str(next(numbers)), images, RGB, [f"{seed}_{row}" for row in range(n)], labels)
    return SplitPatches(PatchDataset([store], as_reflectance=False), np.arange(n), is_mining)


def sides(strip: int = CLOUD) -> tuple[SplitPatches, SplitPatches]:
    return labelled(seed=0, strip=strip), labelled(4, seed=1, strip=strip)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(SAM, *sides())


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapters")
    save_model(trained, path, {})
    return path


def weights_of(trained: Trained) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in trained.classifier.weights.items()}


def is_adapter(name: str) -> bool:
    return name == "to_rgb.weight" or "lora_" in name or name.startswith("sam.mask_decoder.")


def test_training_lowers_the_loss_of_adapters_that_begin_from_named_weights(trained: Trained) -> None:
    (only,) = trained.runs
    assert only.history[-1].train_loss < 0.8 * only.history[0].train_loss


def test_the_file_holds_what_was_trained_alone_and_the_checksums_of_its_base(folder: Path) -> None:
    with safe_open(folder / WEIGHTS_FILE, framework="numpy") as file:
        names = set(file.keys())
    assert all(is_adapter(name) for name in names)
    assert {"to_rgb.weight", "sam.mask_decoder.iou_token.weight"} < names
    assert sum("lora_" in name for name in names) == 4  # two factors in each of two layers
    card = json.loads((folder / CARD_FILE).read_text())
    base = base_weights("random:1")
    assert base is not None
    assert card["settings"]["base"]["blake3"] == base.checksums
    assert card["settings"]["base"]["source"] == "random-weights-1-not-sams"


def test_every_weight_of_the_decoder_that_training_reached_has_changed(trained: Trained) -> None:
    from safetensors.numpy import load_file

    base = base_weights("random:1")
    assert base is not None
    before = load_file(base.folder / "model.safetensors")
    changed = [
        name
        for name, values in trained.classifier.weights.items()
        if name.startswith("sam.mask_decoder.") and not np.array_equal(values, before[name.removeprefix("sam.")])
    ]
    assert len(changed) > 20


def test_a_model_of_adapters_scores_with_its_base_alone(trained: Trained, folder: Path) -> None:
    images = next(labelled(4, seed=2).batches())
    scores = predict(load_model(folder, base_weights("random:1")), images, RGB)
    np.testing.assert_array_equal(scores, predict(trained.classifier, images, RGB))
    with pytest.raises(ValueError, match=r"holds what was trained alone, not its base weights random-weights-1-not-sams"):
        predict(load_model(folder), images, RGB)
    with pytest.raises(ValueError, match=r"random-weights-2-not-sams is not what the model was trained from: model\.safetensors"):
        load_model(folder, base_weights("random:2"))


def test_clouds_count_for_as_little_as_pixels_without_a_class() -> None:
    row = replace(SAM, epochs=1)
    assert weights_of(fit(row, *sides(strip=CLOUD))) == weights_of(fit(row, *sides(strip=255)))
    assert class_counts(replace(labelled(), classes=2), "segmentation").sum() == N * PX * (PX - 4)


def test_a_stopped_training_ends_with_the_bytes_of_one_that_was_not_and_keeps_adapters_alone(
    trained: Trained, tmp_path: Path
) -> None:
    def stop(line: str, _share: float) -> None:
        if line.startswith("epoch 2:"):
            raise KeyboardInterrupt

    row = replace(SAM, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        fit(row, *sides(), progress=stop, checkpoints=tmp_path)
    (checkpoint,) = tmp_path.iterdir()
    kept = sum(values.nbytes for values in trained.classifier.weights.values())
    assert checkpoint.stat().st_size < 4 * kept + NAMES_BYTES  # the weights, the best ones, and two moments of each
    told: list[str] = []
    resumed = fit(row, *sides(), progress=lambda line, _: told.append(line), checkpoints=tmp_path)
    assert told[0].startswith("epoch 3:")
    assert weights_of(resumed) == weights_of(fit(row, *sides()))


def test_half_of_the_patches_are_asked_about_with_boxes_around_their_mines() -> None:
    labels = torch.zeros((200, 8, 8), dtype=torch.uint8)
    labels[:, 2:5, 1:4] = 1
    torch.manual_seed(0)
    boxes = PROMPTS["label-boxes"](labels)
    assert boxes is not None
    assert {tuple(box) for box in boxes[:, 0].tolist()} == {(1.0, 2.0, 4.0, 5.0), (0.0, 0.0, 8.0, 8.0)}
    assert 70 < (boxes[:, 0, 2] == 8).sum() < 130
    assert PROMPTS["none"](labels) is None


def test_labels_of_the_test_reach_the_model_only_where_it_is_pointed_at_mines(trained: Trained) -> None:
    rows = pd.DataFrame({"patch_id": [f"2_{row}" for row in range(4)], "cluster": list("aabb")})
    called = {}
    for pointed_at in (False, True):
        as_is, moved = labelled(4, seed=2), labelled(4, seed=2)
        tables = [segmented(trained.classifier, as_is, rows, pointed_at=pointed_at)[1]]
        moved_labels = write_pixels_with_mines_in_a_corner(moved)
        tables.append(segmented(trained.classifier, moved_labels, rows, pointed_at=pointed_at)[1])
        called[pointed_at] = [counts[:, :, 1].sum((1,)).tolist() for counts in tables]
    assert called[False][0] == called[False][1]
    assert called[True][0] != called[True][1]


def write_pixels_with_mines_in_a_corner(side: SplitPatches) -> SplitPatches:
    """The same images, whose labels have mining elsewhere; the strip below stays without class."""
    images, labels = next(side.labelled())
    labels = np.where(labels == CLOUD, CLOUD, 0).astype(np.uint8)
    labels[:, :3, :3] = 1
    folder, numbers = folder_of_stores()
    ids = [side.dataset.patch_id(item) for item in side.items.tolist()]
    store = write_pixels(Path(folder.name) / str(next(numbers)), images, RGB, ids, labels)
    return SplitPatches(PatchDataset([store], as_reflectance=False), side.items, side.is_mining)


def test_scores_with_prompts_of_the_labels_stand_apart_and_say_so(trained: Trained) -> None:
    rows = pd.DataFrame({"patch_id": [f"2_{row}" for row in range(4)], "cluster": list("aabb")})
    facts = prompted_facts(trained.classifier, labelled(4, seed=2), rows, seed=1)
    assert facts["prompts"].startswith("none: each patch is asked about as a whole")
    assert facts["pointed_at"]["prompts"].startswith("boxes around the test labels' mines")
    assert set(facts["pointed_at"]["classes"]) == {"other", "mining"}


@pytest.mark.parametrize("row", [row for row in EXPERIMENTS.values() if row.model.startswith("sam-")], ids=lambda row: row.id)
def test_every_row_of_sam_names_weights_and_prompts(row: Experiment) -> None:
    assert row.weights
    assert row.prompts == "label-boxes"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": ""}, "sam-lora-decoder starts from weights of Segment Anything. Name a folder"),
        ({"weights": "/no/such/folder"}, r"There is no folder /no/such/folder with base weights\. Download"),
        ({"model": "unet"}, "Model unet is trained from scratch. Leave out the weights random:1"),
    ],
)
def test_weights_that_are_not_there_or_not_due_are_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit(replace(SAM, **change), *sides())


def test_a_folder_is_known_by_its_bytes_and_a_name_without_reading_anything(tmp_path: Path) -> None:
    write_tiny_sam(tmp_path / "mine", seed=3)
    found = weights_identity(str(tmp_path / "mine"))
    base = base_weights(str(tmp_path / "mine"))
    assert base is not None
    assert found == {"name": "mine", "blake3": dict(base.checksums)}
    write_tiny_sam(tmp_path / "mine", seed=4)
    assert weights_identity(str(tmp_path / "mine")) != found
    commit = f"facebook/sam-vit-base@{'0' * 40}"
    assert weights_identity(commit) == {"name": commit}
    code = (
        "import sys; from mining_platform.models.base_weights import weights_identity\n"
        "weights_identity('random:7'); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "False"


def test_weights_by_a_variable_that_is_not_set_are_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINING_PLATFORM_SAM", raising=False)
    with pytest.raises(RegionError, match="uses the variable MINING_PLATFORM_SAM, which is not set"):
        weights_identity("${MINING_PLATFORM_SAM}")


def test_a_folder_that_holds_no_sam_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no \*\.safetensors"):
        base_weights(str(tmp_path))
