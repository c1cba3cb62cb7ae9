import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mining_platform.models.classifier import (
    CARD_FILE,
    WEIGHTS_FILE,
    Classifier,
    Normalisation,
    deterministic_torch,
    load_model,
    normalised,
    predict,
    write_classifier,
)
from mining_platform.models.registry import MODELS, build_model

RGB = ("B04", "B03", "B02")


def classifier(px: int = 16, seed: int = 0) -> Classifier:
    with deterministic_torch(seed):
        module = build_model("small-cnn", 3, px)
    weights = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    return Classifier("small-cnn", px, Normalisation(RGB, (0.1, 0.1, 0.1), (0.05, 0.05, 0.05)), 0.4, weights)


def images(n: int = 3, px: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4000, (n, 3, px, px), dtype=np.uint16)


@pytest.mark.parametrize("model_id", list(MODELS))
@pytest.mark.parametrize(("channels", "px"), [(3, 16), (12, 48), (12, 128), (13, 128)])
def test_a_model_gives_one_logit_a_patch(model_id: str, channels: int, px: int) -> None:
    module = build_model(model_id, channels, px)
    assert module(torch.zeros(2, channels, px, px)).shape == (2,)


def test_the_small_cnn_has_few_parameters() -> None:
    module = build_model("small-cnn", 12, 128)
    assert 10_000 < sum(values.numel() for values in module.parameters()) < 100_000


def test_the_small_cnn_sees_a_mine_of_a_few_pixels() -> None:
    with deterministic_torch(0):
        module = build_model("small-cnn", 3, 128).eval()
        empty = torch.zeros(1, 3, 128, 128)
        mine = empty.clone()
        mine[..., 60:63, 60:63] = 3.0
        averaged = (module.features(mine) - module.features(empty)).abs().mean((2, 3)).max()
        highest = (module.features(mine).amax((2, 3)) - module.features(empty).amax((2, 3))).abs().max()
    assert highest > 10 * averaged


def test_too_small_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="small-cnn needs at least 1 channel and 16 x 16 pixels; got 12 channels, 8 px"):
        build_model("small-cnn", 12, 8)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"Unknown model 'nope'; known: small-cnn.*registry\.py"):
        build_model("nope", 3, 48)


def test_importing_models_and_training_does_not_import_torch() -> None:
    code = "import sys, mining_platform.training, mining_platform.evaluation_figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_normalised_reflectance_is_distance_from_the_mean_in_standard_deviations() -> None:
    dn = np.array([[[[1000, 2000]], [[1500, 0]]]], dtype=np.uint16)
    values = normalised(dn, Normalisation(("B04", "B03"), (0.1, 0.1), (0.05, 0.1))).numpy()
    np.testing.assert_allclose(values, [[[[0, 2]], [[0.5, 0]]]], atol=1e-6)  # nodata takes the mean


def test_scores_are_probabilities_one_a_patch() -> None:
    scores = predict(classifier(), images(5), RGB)
    assert scores.shape == (5,)
    assert scores.dtype == np.float64
    assert ((scores > 0) & (scores < 1)).all()


def test_no_patches_give_no_scores() -> None:
    assert predict(classifier(), images(0), RGB).shape == (0,)


def test_a_patch_scores_the_same_beside_any_others() -> None:
    together = predict(classifier(), images(70), RGB)
    alone = predict(classifier(), images(70)[[66]], RGB)
    np.testing.assert_allclose(alone, together[[66]], atol=1e-6)


def test_channels_in_another_order_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="trained on the channels B04, B03, B02, the images hold B02, B03, B04"):
        predict(classifier(), images(), ("B02", "B03", "B04"))


def test_patches_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"patches of shape \(n, 3, 16, 16\); got \(3, 3, 48, 48\)"):
        predict(classifier(), images(px=48), RGB)


def test_reflectance_in_place_of_dn_is_refused() -> None:
    with pytest.raises(ValueError, match="uint16 DN, the images are float32"):
        predict(classifier(), images().astype(np.float32), RGB)


def test_scoring_leaves_torch_as_it_was() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state().tolist()
    predict(classifier(), images(), RGB)
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state().tolist()
    assert before == after


def test_a_model_read_back_scores_the_same(tmp_path: Path) -> None:
    write_classifier(classifier(), tmp_path, {"simulated": True})
    read = load_model(tmp_path)
    assert (read.channels, read.px, read.threshold) == (RGB, 16, 0.4)
    np.testing.assert_array_equal(predict(read, images(), RGB), predict(classifier(), images(), RGB))


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        write_classifier(classifier(), folder, {"seed": 7, "data": {"patches": "abc"}})
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert set(first) == {WEIGHTS_FILE, CARD_FILE}
    assert first == second


def test_the_card_tells_channels_units_scale_and_threshold(tmp_path: Path) -> None:
    write_classifier(classifier(), tmp_path, {"simulated": True})
    card = json.loads((tmp_path / CARD_FILE).read_text())
    red = {"id": "B04", "role": "red", "unit": "reflectance", "scale": 1e-4, "nodata": 0, "mean": 0.1, "std": 0.05}
    assert red.items() <= card["channels"][0].items()
    assert (card["px"], card["threshold"], card["architecture"], card["simulated"]) == (16, 0.4, "small-cnn", True)


def test_a_card_that_repeats_a_field_of_the_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="card repeats threshold"):
        write_classifier(classifier(), tmp_path, {"threshold": 0.9})
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_is_not_json_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_classifier(classifier(), tmp_path, {"f1": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_card_of_another_model_is_refused(tmp_path: Path) -> None:
    write_classifier(classifier(), tmp_path, {})
    card = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps({**card, "threshold": 0.9}))
    with pytest.raises(ValueError, match=r"disagree on threshold"):
        load_model(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"not a model", b"\xff" * 64])
def test_damaged_weights_are_refused(tmp_path: Path, damage: bytes) -> None:
    write_classifier(classifier(), tmp_path, {})
    (tmp_path / WEIGHTS_FILE).write_bytes(damage)
    with pytest.raises(ValueError, match="No readable model in"):
        load_model(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No readable model in"):
        load_model(tmp_path)


def test_another_threshold_is_another_file(tmp_path: Path) -> None:
    write_classifier(classifier(), tmp_path, {})
    before = (tmp_path / WEIGHTS_FILE).read_bytes()
    write_classifier(replace(classifier(), threshold=0.41), tmp_path, {})
    assert (tmp_path / WEIGHTS_FILE).read_bytes() != before
