"""Training and scoring on a GPU: it learns as on a processor, goes on where a kill left it, and tells where it ran."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mining_platform.models.base_weights import base_weights
from mining_platform.models.classifier import Classifier, load_model, module_of, predict
from mining_platform.models.registry import build_model
from mining_platform.models.sam_weights import load_base, sam_settings
from mining_platform.training import Trained, fit, save_model
from mining_platform.training_devices import Device, device_of, gradient_scaler
from mining_platform.training_losses import LOSSES
from mining_platform.training_patches import SplitPatches
from mining_platform.training_prompts import PROMPTS
from mining_platform.training_runs import Epoch, Learner, train_epoch
from tests.mining_platform.test_training import RGB, TINY, patches
from tests.mining_platform.test_training_pixels import SEGMENTED, labelled
from tests.mining_platform.test_training_sam import SAM, is_adapter
from tests.mining_platform.test_training_sam import labelled as sam_labelled
from tests.mining_platform.test_training_sam import sides as sam_sides

GPU: Device = "cuda"
SCORE_TOLERANCE = 0.01  # of probabilities, GPU against processor: convolutions there keep 10 bits of each factor (TF32)
LOSS_TOLERANCE = 0.1  # of mean losses of an epoch, relative: bfloat16 keeps 8 bits, and sums come in any order
STEPS = 12

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TINY, patches(seed=0), patches(seed=1), device=GPU)


def history(trained: Trained) -> tuple[Epoch, ...]:
    (only,) = trained.runs
    return only.history


def train_losses(trained: Trained) -> list[float]:
    return [epoch.train_loss for epoch in history(trained)]


def images_of(side: SplitPatches) -> np.ndarray:
    return np.concatenate(list(side.batches()))


def differences(classifier: Classifier, side: SplitPatches) -> np.ndarray:
    """Probabilities on the GPU against those on the processor."""
    images = images_of(side)
    here = predict(classifier, images, side.channels)
    return np.abs(predict(classifier, images, side.channels, module=module_of(classifier).to(GPU)) - here)


def test_a_gpu_is_taken_where_there_is_one() -> None:
    assert device_of("auto").type == "cuda"


def test_training_in_mixed_precision_lowers_the_loss_and_learns_bright_squares(trained: Trained) -> None:
    assert train_losses(trained)[-1] < 0.7 * train_losses(trained)[0]
    unseen = patches(seed=2)
    scores = predict(trained.classifier, images_of(unseen), RGB)
    assert ((scores >= trained.classifier.threshold) == unseen.is_mining).all()


def test_the_first_epoch_has_the_loss_that_it_has_on_a_processor() -> None:
    row, sides = replace(SEGMENTED, epochs=1), (labelled(seed=0), labelled(4, seed=1))  # a U-Net has no dropout to draw
    here, there = fit(row, *sides, device="cpu"), fit(row, *sides, device=GPU)
    assert train_losses(there) == pytest.approx(train_losses(here), rel=LOSS_TOLERANCE)


def test_the_card_tells_the_gpu_and_its_precision(trained: Trained, tmp_path: Path) -> None:
    assert trained.device == "cuda"
    precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    assert trained.runs[0].device == f"cuda ({torch.cuda.get_device_name()}, {precision})"
    save_model(trained, tmp_path, {})
    assert torch.cuda.get_device_name() in (tmp_path / "model.json").read_text()


def test_patches_are_scored_as_on_a_processor(trained: Trained, tmp_path: Path) -> None:
    save_model(trained, tmp_path, {})
    assert differences(load_model(tmp_path), patches(seed=2)).max() < SCORE_TOLERANCE


def test_patches_of_a_store_score_alone_as_they_do_together(trained: Trained) -> None:
    unseen, module = patches(seed=3), module_of(trained.classifier).to(GPU)
    one_by_one = [predict(trained.classifier, images, RGB, module=module)[0] for images in unseen.batches(1)]
    together = predict(trained.classifier, images_of(unseen), RGB, module=module)
    np.testing.assert_allclose(one_by_one, together, atol=SCORE_TOLERANCE)


def test_a_u_net_outlines_bright_squares_and_scores_pixels_as_on_a_processor() -> None:
    made = fit(SEGMENTED, labelled(seed=0), labelled(4, seed=1), device=GPU)
    assert train_losses(made)[-1] < train_losses(made)[0]
    assert made.validation["f1"] > 0.6
    assert np.quantile(differences(made.classifier, labelled(4, seed=2)), 0.99) < SCORE_TOLERANCE


def test_a_training_that_was_stopped_goes_on_on_the_gpu(tmp_path: Path) -> None:
    row, sides = replace(TINY, epochs=4), (patches(seed=0), patches(seed=1))

    def stop(line: str, _share: float) -> None:
        if line.startswith("epoch 2:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(row, *sides, progress=stop, checkpoints=tmp_path, device=GPU)
    told: list[str] = []
    resumed = fit(row, *sides, progress=lambda line, _: told.append(line), checkpoints=tmp_path, device=GPU)
    assert [line.partition(":")[0] for line in told] == ["epoch 3", "epoch 4"]
    np.testing.assert_allclose(train_losses(resumed), train_losses(fit(row, *sides, device=GPU)), rtol=2 * LOSS_TOLERANCE)


def test_a_checkpoint_of_a_gpu_is_not_gone_on_with_on_a_processor(tmp_path: Path) -> None:
    row, sides = replace(TINY, epochs=2), (patches(seed=0), patches(seed=1))
    told: list[str] = []
    fit(row, *sides, progress=lambda line, _: told.append(line), checkpoints=tmp_path, device=GPU)
    fit(row, *sides, progress=lambda line, _: told.append(line), checkpoints=tmp_path, device="cpu")
    assert len(told) == 2 * 2


def test_workers_prepare_batches_for_a_gpu() -> None:
    row, sides = replace(TINY, epochs=2), (patches(seed=0), patches(seed=1))
    with_workers, without = fit(row, *sides, workers=2, device=GPU), fit(row, *sides, device=GPU)
    np.testing.assert_allclose(train_losses(with_workers), train_losses(without), rtol=LOSS_TOLERANCE)


@pytest.mark.parametrize("model", ["sam-decoder", "sam-lora", "sam-lora-decoder"])
def test_a_sam_adapter_learns_on_a_gpu_goes_on_there_and_outlines_as_on_a_processor(model: str, tmp_path: Path) -> None:
    for package in ("transformers", "peft"):
        pytest.importorskip(package, reason=f"the extra sam is absent: {package}")
    row, told = replace(SAM, model=model), list[str]()

    def stop(line: str, _share: float) -> None:
        if line.startswith("epoch 4:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(row, *sam_sides(), progress=stop, checkpoints=tmp_path / "checkpoints", device=GPU)
    going_on = {"progress": lambda line, _: told.append(line), "checkpoints": tmp_path / "checkpoints"}
    made = fit(row, *sam_sides(), device=GPU, **going_on)
    assert told[0].startswith("epoch 5:")
    assert train_losses(made)[-1] < train_losses(made)[0]
    assert all(is_adapter(name) for name in made.classifier.weights)
    save_model(made, tmp_path, {})
    classifier = load_model(tmp_path, base_weights(row.weights))
    assert np.quantile(differences(classifier, sam_labelled(4, seed=2)), 0.99) < 5 * SCORE_TOLERANCE


def test_a_step_of_lora_on_a_gpu_changes_adapters_and_nothing_else() -> None:
    pytest.importorskip("peft", reason="the extra sam is absent: peft")
    base = base_weights(SAM.weights)
    assert base is not None
    torch.manual_seed(0)
    module = build_model("sam-lora", len(RGB), 16, settings=sam_settings(base, RGB, input_as="projection"))
    load_base(module, base)
    before = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    device = torch.device(GPU)
    module = module.to(device)
    trainable = {name: values for name, values in module.named_parameters() if values.requires_grad}
    optimiser = torch.optim.Adam(trainable.values(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    learner = Learner(module, optimiser, schedule, gradient_scaler(device), device, PROMPTS["label-boxes"])
    images, target = torch.full((4, len(RGB), 16, 16), -1.0), torch.zeros((4, 16, 16), dtype=torch.uint8)
    images[:, :, 4:12, 4:12], target[:, 4:12, 4:12] = 1.0, 1
    weights = np.ones(2, np.float32)
    losses = [train_epoch(learner, [(images, target)], LOSSES["cross-entropy"], weights) for _ in range(STEPS)]
    assert losses[-1] < losses[0]
    changed = {name for name, values in module.state_dict().items() if not np.array_equal(values.cpu().numpy(), before[name])}
    assert changed
    assert changed <= trainable.keys()
