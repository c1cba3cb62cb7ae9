"""The architectures: sizes, shapes, and what they see."""

import numpy as np
import pytest
import torch
from torch import nn

from mining_platform.models.classifier import deterministic_torch
from mining_platform.models.ensembles import joined_weights, member_weights
from mining_platform.models.registry import MODELS, ModelRow, build_model

SCRATCH = [row for row in MODELS.values() if not row.pretrained]
CLASSIFIERS = [row.id for row in SCRATCH if row.task == "classification"]


def parameters(module: nn.Module) -> int:
    return sum(values.numel() for values in module.parameters())


@pytest.mark.parametrize("model_id", CLASSIFIERS)
@pytest.mark.parametrize(("channels", "px"), [(3, 16), (12, 48), (13, 50), (17, 64)])
def test_a_classifier_gives_one_logit_a_patch(model_id: str, channels: int, px: int) -> None:
    assert build_model(model_id, channels, px)(torch.zeros(2, channels, px, px)).shape == (2,)


@pytest.mark.parametrize("model_id", CLASSIFIERS)
def test_a_classifier_works_on_the_smallest_patches_it_claims(model_id: str) -> None:
    px = MODELS[model_id].min_px
    assert build_model(model_id, 2, px)(torch.zeros(1, 2, px, px)).shape == (1,)
    with pytest.raises(
        ValueError, match=f"{model_id} needs at least 1 channel and {px} x {px} pixels; got 12 channels, {px - 1} px"
    ):
        build_model(model_id, 12, px - 1)


@pytest.mark.parametrize(
    ("px", "channels", "count"), [(48, 12, 116_577), (48, 17, 118_017), (256, 12, 986_977), (256, 17, 988_417)]
)
def test_the_cnn_of_the_third_document_has_its_number_of_parameters(px: int, channels: int, count: int) -> None:
    assert parameters(build_model("asgm-cnn", channels, px)) == count


def test_the_cnn_of_the_third_document_has_its_layers() -> None:
    layers = list(build_model("asgm-cnn", 12, 48))
    assert [type(layer).__name__ for layer in layers[:7]] == ["Conv2d", "ReLU"] * 3 + ["MaxPool2d"]
    assert [layer.kernel_size for layer in layers if isinstance(layer, nn.MaxPool2d)] == [2, 2, 3]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.3, 0.3, 0.3]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [64, 64, 32, 1]


def test_the_800k_cnn_has_the_parameters_of_amazon_mining_watch() -> None:
    assert parameters(build_model("cnn-800k", 13, 48)) == 786_241


def test_the_small_cnn_has_few_parameters() -> None:
    assert 10_000 < parameters(build_model("small-cnn", 12, 128)) < 100_000


def test_the_small_cnn_sees_a_mine_of_a_few_pixels() -> None:
    with deterministic_torch(0):
        module = build_model("small-cnn", 3, 128).eval()
        empty = torch.zeros(1, 3, 128, 128)
        mine = empty.clone()
        mine[..., 60:63, 60:63] = 3.0
        averaged = (module.features(mine) - module.features(empty)).abs().mean((2, 3)).max()
        highest = (module.features(mine).amax((2, 3)) - module.features(empty).amax((2, 3))).abs().max()
    assert highest > 10 * averaged


@pytest.mark.parametrize(
    ("row", "channels", "px", "classes"), [("unet", 3, 32, 2), ("unet", 13, 50, 3), ("small-unet", 7, 33, 2)]
)
def test_the_unet_gives_logits_of_each_class_at_each_pixel(row: str, channels: int, px: int, classes: int) -> None:
    module = build_model(row, channels, px, classes=classes).eval()
    assert module(torch.zeros(2, channels, px, px)).shape == (2, classes, px, px)


def test_the_unet_trains_on_one_patch_of_the_smallest_size() -> None:
    px = MODELS["small-unet"].min_px
    loss = build_model("small-unet", 2, px)(torch.randn(1, 2, px, px)).sum()
    loss.backward()
    assert torch.isfinite(loss)


def test_padding_changes_nothing_for_the_unet_but_what_it_would_see_as_nodata() -> None:
    with deterministic_torch(0), torch.inference_mode():
        module = build_model("small-unet", 3, 48).eval()
        image = torch.randn(1, 3, 40, 40)
        padded = nn.functional.pad(image, (0, 8, 0, 8))
        torch.testing.assert_close(module(image), module(padded)[:, :, :40, :40], atol=0, rtol=0)


def test_the_unet_learns_where_bright_pixels_are() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build_model("small-unet", 1, 32)
        images = torch.randn(2, 1, 32, 32)
        target = (images[:, 0] > 0).long()
        optimiser = torch.optim.SGD(module.parameters(), lr=0.3)
        for _ in range(20):
            loss = nn.functional.cross_entropy(module(images), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (module(images).argmax(1) == target).float().mean() > 0.9


def test_an_ensemble_gives_the_logit_of_the_mean_probability() -> None:
    with deterministic_torch(0), torch.inference_mode():
        module = build_model("ensemble-6", 3, 16).eval()
        for number, member in enumerate(module.members):
            member[-2].bias.fill_(2.0 * number - 5)  # members that disagree
        image = torch.randn(4, 3, 16, 16)
        each = torch.stack([member(image) for member in module.members]).double().sigmoid()
        torch.testing.assert_close(module(image).double().sigmoid(), each.mean(0), atol=1e-6, rtol=0)
        assert len(module.members) == 6


def test_a_very_sure_ensemble_has_a_finite_logit() -> None:
    with torch.inference_mode():
        module = build_model("ensemble-6", 1, 8).eval()
        for sign in (-1, 1):
            for member in module.members:
                member[-2].bias.fill_(sign * 300.0)
            assert module(torch.zeros(1, 1, 8, 8)).item() == pytest.approx(sign * 300, abs=1)


def test_members_trained_apart_make_an_ensemble_and_come_out_again() -> None:
    members = []
    for seed in range(6):
        with deterministic_torch(seed):
            state = build_model("cnn-800k", 3, 16).state_dict()
        members.append({name: values.numpy().copy() for name, values in state.items()})
    together = joined_weights(members)
    module = build_model("ensemble-6", 3, 16)
    module.load_state_dict({name: torch.from_numpy(values) for name, values in together.items()})
    assert "members.5.0.weight" in together
    for number, weights in enumerate(members):
        back = member_weights(together, number)
        assert back.keys() == weights.keys()
        assert all(np.array_equal(back[name], weights[name]) for name in weights)
    assert not np.array_equal(members[0]["0.weight"], members[1]["0.weight"])


def test_members_of_other_sizes_are_refused_by_name() -> None:
    members = [{"a": np.zeros(3), "b": np.zeros(2)}, {"a": np.zeros(3), "b": np.zeros(4)}]
    with pytest.raises(ValueError, match="Members 0 and 1 differ in b"):
        joined_weights(members)
    with pytest.raises(ValueError, match="no member 6"):
        member_weights({"members.0.a": np.zeros(1)}, 6)


@pytest.mark.parametrize("row", [row for row in MODELS.values() if row.member], ids=lambda row: row.id)
def test_an_ensemble_names_a_row_its_members_are_trained_as(row: ModelRow) -> None:
    assert MODELS[row.member].task == row.task
    assert MODELS[row.member].min_px == row.min_px
    assert row.members > 1


@pytest.mark.parametrize(
    ("model_id", "how", "told"),
    [
        ("small-cnn", {"classes": 3}, "small-cnn classifies whole patches by one logit; got 3 classes"),
        ("unet", {"classes": 1}, "unet segments into 2 or more classes; got 1"),
        ("unet", {"settings": {"config": {}}}, r"unet takes no settings; got \['config'\]"),
    ],
)
def test_a_model_that_cannot_be_is_refused(model_id: str, how: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build_model(model_id, 3, 48, **how)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"Unknown model 'nope'; known: small-cnn.*registry\.py"):
        build_model("nope", 3, 48)
