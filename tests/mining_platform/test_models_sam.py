"""Segment Anything, built tiny from a configuration: nothing is downloaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mining_platform.models.classifier import (
    Classifier,
    Normalisation,
    deterministic_torch,
    load_model,
    predict,
    write_classifier,
)
from mining_platform.models.registry import build_model
from mining_platform.models.sam_weights import BaseWeights, load_base, open_weights, sam_settings
from mining_platform.models.tiny_sam import SIDE_PX, write_tiny_sam
from mining_platform.sources.remote.network import HOSTS_VARIABLE, NetworkError

CHANNELS = ("B02", "B03", "B04", "B08", "DEM")
PX = 16
COMMIT = "70009d56dac23ebb3265377257158b1d6ed4c802"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights in the layout of transformers."""
    path = tmp_path_factory.mktemp("models") / "tiny-sam"
    write_tiny_sam(path, seed=1)
    return path


@pytest.fixture(scope="module")
def base(folder: Path) -> BaseWeights:
    return open_weights(str(folder))


def built(model_id: str, base: BaseWeights, *, input_as: Any = "projection", seed: int = 0) -> nn.Module:
    with deterministic_torch(seed):
        module = build_model(model_id, len(CHANNELS), PX, settings=sam_settings(base, CHANNELS, input_as=input_as))
        load_base(module, base)
    return module


def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    """Four normalised patches with a bright square each, and where it is."""
    images, is_mining = torch.full((4, len(CHANNELS), PX, PX), -1.0), torch.zeros((4, PX, PX), dtype=torch.long)
    for number in range(4):
        place = slice(number, number + 8), slice(2 * number, 2 * number + 8)
        images[number, :, *place], is_mining[number, *place] = 1.0, 1
    return images, is_mining


def trained(module: nn.Module, steps: int) -> list[float]:
    """Losses of some steps; boxes of whole patches."""
    images, is_mining = scenes()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    with deterministic_torch(0):
        torch.set_num_threads(1)
        for _ in range(steps):
            loss = nn.functional.cross_entropy(module(images), is_mining)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return losses


def bytes_of(module: nn.Module) -> dict[str, bytes]:
    return {name: values.detach().numpy().tobytes() for name, values in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, bytes]) -> set[str]:
    after = bytes_of(module)
    assert after.keys() == before.keys()
    return {name for name in after if after[name] != before[name]}


def test_lora_training_lowers_the_loss_and_changes_adapters_and_projection_alone(base: BaseWeights) -> None:
    module = built("sam-lora", base)
    before = bytes_of(module)
    losses = trained(module, steps=12)
    assert losses[-1] < 0.9 * losses[0]
    moved = changed(module, before)
    adapters = {name for name in before if "lora_" in name}
    assert len(adapters) == 4  # two factors in each of two layers
    assert moved == {*adapters, "to_rgb.weight"}


def test_decoder_training_lowers_the_loss_and_leaves_the_encoder_as_it_was(base: BaseWeights) -> None:
    module = built("sam-decoder", base, input_as="rgb")
    before = bytes_of(module)
    losses = trained(module, steps=12)
    assert losses[-1] < 0.9 * losses[0]
    moved = changed(module, before)
    assert moved
    assert [name for name in moved if not name.startswith("sam.mask_decoder.")] == []


def test_equal_training_gives_equal_bytes(base: BaseWeights) -> None:
    first, second = built("sam-lora", base), built("sam-lora", base)
    assert trained(first, steps=3) == trained(second, steps=3)
    assert bytes_of(first) == bytes_of(second)


def test_lora_begins_as_no_change_of_the_base(base: BaseWeights) -> None:
    images, _ = scenes()
    with torch.inference_mode():
        torch.testing.assert_close(built("sam-lora", base)(images), built("sam-decoder", base, seed=5)(images), atol=0, rtol=0)


def test_every_weight_of_the_base_arrives(base: BaseWeights, folder: Path) -> None:
    from safetensors.numpy import load_file

    held = built("sam-lora", base).state_dict()
    for name, values in load_file(folder / "model.safetensors").items():
        own = name.replace(".qkv.", ".qkv.base_layer.")
        np.testing.assert_array_equal(held[f"sam.{own}"].numpy(), values)


def test_other_and_mining_are_the_logistic_function_of_one_mask(base: BaseWeights) -> None:
    images, _ = scenes()
    with torch.inference_mode():
        logits = built("sam-decoder", base)(images)
    assert logits.shape == (4, 2, PX, PX)
    torch.testing.assert_close(logits.softmax(1)[:, 1], logits[:, 1].sigmoid())


def test_without_prompts_the_whole_patch_is_asked_about(base: BaseWeights) -> None:
    module, (images, _) = built("sam-decoder", base), scenes()
    whole = torch.tensor([[[0.0, 0.0, PX, PX]]]).expand(4, 1, 4)
    with torch.inference_mode():
        torch.testing.assert_close(module(images), module(images, whole), atol=0, rtol=0)
        corner = module(images, torch.tensor([[[0.0, 0.0, 4.0, 4.0]]]).expand(4, 1, 4))
    assert not torch.allclose(module(images), corner)


def test_several_prompts_give_the_union_of_their_masks(base: BaseWeights) -> None:
    module, (images, _) = built("sam-decoder", base), scenes()
    one, other = torch.tensor([[[0.0, 0, 4, 4]]]).expand(4, 1, 4), torch.tensor([[[8.0, 8, 16, 16]]]).expand(4, 1, 4)
    with torch.inference_mode():
        both = module(images, torch.cat([one, other], dim=1))
        assert (both[:, 1] >= torch.maximum(module(images, one)[:, 1], module(images, other)[:, 1]) - 1e-5).all()
        repeated = module(images, torch.cat([one, one], dim=1))
        torch.testing.assert_close(repeated, module(images, one), atol=1e-5, rtol=1e-5)


def test_points_are_prompts_too(base: BaseWeights) -> None:
    module, (images, _) = built("sam-decoder", base), scenes()
    with torch.inference_mode():
        here = module(images, torch.tensor([[[4.0, 4.0]]]).expand(4, 1, 2))
        there = module(images, torch.tensor([[[12.0, 12.0]]]).expand(4, 1, 2))
    assert here.shape == (4, 2, PX, PX)
    assert not torch.allclose(here, there)


def test_the_projection_begins_as_red_green_and_blue(base: BaseWeights) -> None:
    images, _ = scenes()
    images[:, 3:] = 7.0
    for input_as in ("projection", "rgb"):
        rgb = built("sam-decoder", base, input_as=input_as).get_submodule("to_rgb")(images)
        torch.testing.assert_close(rgb, images[:, [2, 1, 0]])


def test_channels_without_colours_are_projected_but_not_chosen(base: BaseWeights) -> None:
    radar = ("S1-VV", "S1-VH")
    settings = sam_settings(base, radar, input_as="projection")
    assert settings["rgb"] is None
    assert build_model("sam-decoder", 2, PX, settings=settings)(torch.zeros(1, 2, PX, PX)).shape == (1, 2, PX, PX)
    with pytest.raises(KeyError, match="has the role 'red'"):
        sam_settings(base, radar, input_as="rgb")


def test_a_stored_sam_scores_without_its_base(base: BaseWeights, tmp_path: Path) -> None:
    module = built("sam-lora", base)
    weights = {name: values.detach().numpy().copy() for name, values in module.state_dict().items()}
    statistics = Normalisation(CHANNELS, (0.1, 0.1, 0.1, 0.3, 200.0), (0.05, 0.05, 0.05, 0.1, 50.0))
    settings = sam_settings(base, CHANNELS, input_as="projection")
    classifier = Classifier("sam-lora", PX, statistics, 0.5, weights, ("other", "mining"), settings)
    write_classifier(classifier, tmp_path, {})
    images = np.random.default_rng(0).integers(1, 9000, (2, 5, PX, PX), dtype=np.uint16)
    boxes = np.array([[[0, 0, 8, 8]], [[4, 4, 16, 16]]], np.float32)
    scores = predict(load_model(tmp_path), images, CHANNELS, prompts=boxes)
    assert scores.shape == (2, 2, PX, PX)
    np.testing.assert_array_equal(scores, predict(classifier, images, CHANNELS, prompts=boxes))
    assert not np.array_equal(scores, predict(classifier, images, CHANNELS))


def test_the_card_names_the_base_and_the_checksums_of_its_files(base: BaseWeights, folder: Path) -> None:
    from blake3 import blake3

    settings = json.loads(json.dumps(sam_settings(base, CHANNELS, input_as="rgb")))
    assert settings["base"]["source"] == "tiny-sam"  # no path of this machine
    assert settings["base"]["blake3"] == {
        name: blake3((folder / name).read_bytes()).hexdigest() for name in ("config.json", "model.safetensors")
    }
    assert settings["config"]["vision_config"]["image_size"] == SIDE_PX


def test_sam_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sam-lora needs settings that name its base weights \(sam_settings\)"):
        build_model("sam-lora", 3, PX)


def test_sam_knows_mining_and_other_alone(base: BaseWeights) -> None:
    with pytest.raises(ValueError, match="sam-lora segments into at most 2 classes; got 3"):
        build_model("sam-lora", 5, PX, classes=3, settings=sam_settings(base, CHANNELS, input_as="rgb"))


def test_a_base_that_lacks_tensors_is_refused_by_name(folder: Path, base: BaseWeights, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    module = built("sam-decoder", base)
    with pytest.raises(ValueError, match=r"lacks 1 tensors of a SAM model, first mask_decoder\.iou_token\.weight"):
        load_base(module, open_weights(str(tmp_path)))


def test_weights_that_could_run_code_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match=r"holds no \*\.safetensors.*run code"):
        open_weights(str(tmp_path))


@pytest.mark.parametrize(("config", "told"), [('{"model_type": "sam2"}', "type 'sam2', not 'sam'"), ("[]", "no readable config")])
def test_weights_of_another_model_are_refused(tmp_path: Path, config: str, told: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=told):
        open_weights(str(tmp_path))


def test_a_hub_is_asked_only_where_the_user_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOSTS_VARIABLE, raising=False)
    with pytest.raises(NetworkError, match=rf"huggingface\.co is not among the hosts.*{HOSTS_VARIABLE}"):
        open_weights("facebook/sam-vit-base", revision=COMMIT)


def test_a_hub_gives_one_commit_as_safetensors_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot(hub_id: str, **how: Any) -> str:
        asked.update(how, hub_id=hub_id)
        return str(folder)

    monkeypatch.setenv(HOSTS_VARIABLE, "huggingface.co")
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    opened = open_weights("facebook/sam-vit-base", revision=COMMIT)
    assert (opened.source, opened.revision) == ("facebook/sam-vit-base", COMMIT)
    assert (asked["hub_id"], asked["revision"]) == ("facebook/sam-vit-base", COMMIT)
    assert asked["allow_patterns"] == ["config.json", "*.safetensors"]
    assert asked["endpoint"] == "https://huggingface.co"


@pytest.mark.parametrize(
    ("source", "revision", "told"),
    [
        ("no/such/folder", None, "neither a folder nor a hub id"),
        ("facebook/sam-vit-base", "main", "needs the commit wanted, 40 hexadecimal digits, not 'main'"),
        ("facebook/sam-vit-base", None, "needs the commit wanted"),
    ],
)
def test_a_source_that_is_neither_is_refused(source: str, revision: str | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        open_weights(source, revision=revision)


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(ValueError, match="is a folder and has no revision"):
        open_weights(str(folder), revision=COMMIT)


def test_without_the_extra_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, base: BaseWeights) -> None:
    monkeypatch.setattr("mining_platform.models.sam.find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(ModuleNotFoundError, match=r"SAM needs peft\. Install the extra: pip install 'mining-platform\[sam\]'"):
        sam_settings(base, CHANNELS, input_as="rgb")


def test_tiny_weights_of_equal_seeds_are_equal_bytes(folder: Path, tmp_path: Path) -> None:
    write_tiny_sam(tmp_path / "again", seed=1)
    write_tiny_sam(tmp_path / "other", seed=2)
    again, other = (open_weights(str(tmp_path / name)).checksums for name in ("again", "other"))
    assert again == open_weights(str(folder)).checksums
    assert again["model.safetensors"] != other["model.safetensors"]


def test_torchvision_is_not_needed() -> None:
    from importlib.util import find_spec

    assert find_spec("torchvision") is None
