import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mining_platform import bands
from mining_platform.models.classifier import (
    CARD_FILE,
    WEIGHTS_FILE,
    Classifier,
    Normalisation,
    deterministic_torch,
    load_model,
    module_of,
    normalised,
    predict,
    write_classifier,
)
from mining_platform.models.registry import build_model

RGB = ("B04", "B03", "B02")


def classifier(px: int = 16, seed: int = 0) -> Classifier:
    with deterministic_torch(seed):
        module = build_model("small-cnn", 3, px)
    weights = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    return Classifier("small-cnn", px, Normalisation(RGB, (0.1, 0.1, 0.1), (0.05, 0.05, 0.05)), 0.4, weights)


def images(n: int = 3, px: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4000, (n, 3, px, px), dtype=np.uint16)


def test_importing_models_does_not_import_torch() -> None:
    names = "mining_platform.models.classifier, mining_platform.models.sam_weights, mining_platform.models.prompts"
    code = f"import sys, {names}; sys.exit(not sys.modules.keys().isdisjoint(('torch', 'transformers', 'peft', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_normalised_reflectance_is_distance_from_the_mean_in_standard_deviations() -> None:
    dn = np.array([[[[1000, 2000]], [[1500, 0]]]], dtype=np.uint16)
    values = normalised(dn, Normalisation(("B04", "B03"), (0.1, 0.1), (0.05, 0.1))).numpy()
    np.testing.assert_allclose(values, [[[[0, 2]], [[0.5, 0]]]], atol=1e-6)  # nodata takes the mean


def test_values_of_any_unit_are_normalised_in_that_unit() -> None:
    channels, means, stds = ("S1-VV", "DEM", "NDVI", "L-red"), (-12.0, 300.0, 0.4, 0.1), (3.0, 50.0, 0.2, 0.05)
    numbers = [bands.as_stored(channel, np.array([mean + std])) for channel, mean, std in zip(channels, means, stds, strict=True)]
    images = np.array(numbers).reshape(1, 4, 1, 1)
    np.testing.assert_allclose(normalised(images, Normalisation(channels, means, stds)).numpy().ravel(), 1, atol=2e-3)


def test_binary_channels_stay_0_and_1_whatever_their_statistics() -> None:
    dn = np.array([[[[1, 2, 0]]]], dtype=np.uint16)  # absent, present, not known
    values = normalised(dn, Normalisation(("OSM-highway",), (0.2,), (0.4,))).numpy()
    np.testing.assert_array_equal(values, [[[[0, 1, 0]]]])


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


def test_channels_that_lack_or_are_too_many_are_named() -> None:
    with pytest.raises(ValueError, match=r"the images hold B04, B03, B08 \(without B02; with B08\)"):
        predict(classifier(), images(), ("B04", "B03", "B08"))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"unit": "display"}, "B03 has unit display, trained on reflectance"),
        ({"scale": 1e-3, "offset": -0.1}, r"B03 has scale 0\.001, trained on 0\.0001, offset -0\.1, trained on 0\.0"),
        ({"nodata": 65535}, "B03 has nodata 65535, trained on 0"),
    ],
)
def test_images_whose_numbers_mean_something_else_are_refused_by_channel(told: dict[str, object], message: str) -> None:
    stored = {channel: bands.described(channel) for channel in RGB}
    predict(classifier(), images(), RGB, stored=stored)
    with pytest.raises(ValueError, match=f"cannot read the images: {message}"):
        predict(classifier(), images(), RGB, stored={**stored, "B03": {**stored["B03"], **told}})


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


def test_a_module_built_once_scores_the_same() -> None:
    module = module_of(classifier())
    np.testing.assert_array_equal(predict(classifier(), images(), RGB, module=module), predict(classifier(), images(), RGB))


def segmenter(px: int = 40) -> Classifier:
    with deterministic_torch(3):
        module = build_model("unet", 3, px, classes=3)
    weights = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    names = ("background", "cloud", "mining")
    return Classifier("unet", px, Normalisation(RGB, (0.1, 0.1, 0.1), (0.05, 0.05, 0.05)), 0.5, weights, names)


def test_a_segmenter_gives_probabilities_of_each_class_by_pixel(tmp_path: Path) -> None:
    write_classifier(segmenter(), tmp_path, {})
    scores = predict(load_model(tmp_path), images(px=40), RGB)
    assert (scores.shape, scores.dtype) == ((3, 3, 40, 40), np.float32)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)
    assert predict(segmenter(), images(0, px=40), RGB).shape == (0, 3, 40, 40)


def test_a_model_of_the_first_format_still_scores(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    trained, unit = classifier(), {"unit": "reflectance", "scale": 1e-4, "nodata": 0, "mean": 0.1, "std": 0.05}
    contract = {
        "architecture": "small-cnn",
        "channels": [{"id": channel, "role": "any", "sensor": "sentinel-2", **unit} for channel in RGB],
        "px": 16,
        "pixel_m": 10,
        "threshold": 0.4,
        "output": "probability that the patch holds mining; at or above `threshold` means mining",
    }
    save_file(dict(trained.weights), tmp_path / WEIGHTS_FILE, metadata={"classifier": json.dumps(contract)})
    (tmp_path / CARD_FILE).write_text(json.dumps({**contract, "simulated": True}))
    read = load_model(tmp_path)
    assert (read.class_names, read.settings) == (("mining",), {})
    np.testing.assert_array_equal(predict(read, images(), RGB), predict(trained, images(), RGB))


def test_a_model_whose_channel_is_stored_otherwise_today_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classifier(classifier(), tmp_path, {})
    monkeypatch.setitem(bands.BANDS, "B03", replace(bands.BANDS["B03"], unit="percent", scale=0.01, offset=-0.5))
    with pytest.raises(
        ValueError, match=r"today's channels .*: B03 has unit percent, trained on reflectance, scale 0\.01, trained on"
    ):
        load_model(tmp_path)


def test_a_model_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr("mining_platform.models.classifier.FORMAT", 3)
        write_classifier(classifier(), tmp_path, {})
    with pytest.raises(ValueError, match="has the format 3, this version reads 1 to 2"):
        load_model(tmp_path)


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        write_classifier(classifier(), folder, {"seed": 7, "data": {"patches": "abc"}})
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert set(first) == {WEIGHTS_FILE, CARD_FILE, "README.md", "stac-model.json"}
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
