"""A trained model: what it holds, how it lies on disk, how it scores patches.

On disk it is a folder: `weights.safetensors` (numbers only, no code), `model.json`, the card, and two renderings of the card:
`README.md` for people and `stac-model.json` for catalogues.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mining_platform import bands, grids
from mining_platform.models.adapters import fill
from mining_platform.models.contracts import QUANTITY, channel_record, check_images, check_quantities, is_flag
from mining_platform.models.mlm_items import ITEM_FILE, mlm_item
from mining_platform.models.model_cards import INTENDED_USE, LIMITS, OUTPUTS, README_FILE, model_card
from mining_platform.models.registry import build_model, model

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mining_platform.models.sam_weights import BaseWeights

WEIGHTS_FILE, CARD_FILE = "weights.safetensors", "model.json"
FORMAT = 2  # of the card; 1 had no task, classes and settings, and told of channels their own product's scale
TORCH_THREADS = 2  # fixed, whatever the machine: sums split over another number of threads round differently
SCORING_BATCH = 64  # patches scored at once; fixed for the same reason
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # statistics of batch normalisation, which are not trained


@dataclass(frozen=True)
class Normalisation:
    """Values of each channel over the training patches in its unit, nodata left out."""

    channels: tuple[str, ...]
    """Band ids, in the order of the input."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Standard deviation, above 0. Not applied, like the mean, to channels of the unit `flag`."""


@dataclass(frozen=True)
class Classifier:
    """All that is needed to score a patch, or its pixels; equal fields score equally."""

    architecture: str
    """Row of models.registry.MODELS."""
    px: int
    """Pixels per side of the patches it was trained on."""
    normalisation: Normalisation
    threshold: float
    """Scores at or above it mean mining."""
    weights: Mapping[str, np.ndarray]
    """Parameters and running statistics by name; of pretrained models those that training changed."""
    class_names: tuple[str, ...] = ("mining",)
    """Of segmentation: what each logit of a pixel stands for, in order."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of pretrained models: `sam_weights.sam_settings`."""
    pixel_m: float = grids.PIXEL_M
    """Ground size of the patches' pixels, metres."""
    base: "BaseWeights | None" = None
    """Files of what a pretrained model was not trained on itself; not stored with it, and needed to score."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Band ids of the input, in order."""
        return self.normalisation.channels


def predict(
    classifier: Classifier,
    images: np.ndarray,
    channels: tuple[str, ...],
    *,
    stored: Mapping[str, Mapping[str, Any]] | None = None,
    prompts: np.ndarray | None = None,
    module: "nn.Module | None" = None,
) -> np.ndarray:
    """(n, band, y, x) uint16 DN -> (n,) float64 probability of mining, or (n, classes, y, x) float32 of each class by pixel.

    `stored` is what the images' store says of its channels, by id (`bands.described`); `prompts` as in `prompts.py`, for models
    that take them; `module` one that `module_of` built, to score many batches without building it each time, on the device that
    it lies on (a GPU rounds otherwise: probabilities there differ by up to 0.01).
    Raises ValueError when channels, units, size or type of the images differ from those the model was trained on.
    """
    check_images(images, classifier.channels, channels, classifier.px)
    check_quantities(_channels(classifier.normalisation), stored or {}, where="the images")
    on_gpu = module is not None and device_of_module(module).type != "cpu"
    with deterministic_torch(seed=0, strict=not on_gpu):
        return probabilities(logits(module or module_of(classifier), images, classifier.normalisation, prompts))


def module_of(classifier: Classifier) -> "nn.Module":
    """The trained module, in evaluation mode; ValueError where its base weights are not there, or others."""
    import torch

    channels, classes = len(classifier.channels), len(classifier.class_names)
    module = build_model(classifier.architecture, channels, classifier.px, classes=classes, settings=classifier.settings)
    weights = {name: torch.from_numpy(values.copy()) for name, values in classifier.weights.items()}
    fill(module, weights, classifier.settings, classifier.base)
    return module.eval()


def logits(
    module: "nn.Module", images: np.ndarray, normalisation: Normalisation, prompts: np.ndarray | None = None
) -> np.ndarray:
    """(n, band, y, x) uint16 DN -> (n,) float64 or (n, classes, y, x) float32 logits; the module is left in evaluation mode."""
    import torch

    module.eval()
    device = device_of_module(module)
    parts, size = [], int(getattr(module, "at_once", SCORING_BATCH))
    with torch.inference_mode():
        for start in range(0, max(len(images), 1), size):
            batch = slice(start, start + size)
            asked = () if prompts is None else (torch.from_numpy(prompts[batch]).to(device),)
            parts.append(module(normalised(images[batch], normalisation).to(device), *asked).cpu().numpy())
    together = np.concatenate(parts)
    return together.astype(np.float64) if together.ndim == 1 else together


def device_of_module(module: "nn.Module") -> "torch.device":
    """Where a module's parameters lie."""
    return next(module.parameters()).device


def probabilities(logit: np.ndarray) -> np.ndarray:
    """Logistic function of (n,) logits, softmax over the classes of (n, classes, y, x) ones; without overflow."""
    if logit.ndim == 1:
        return np.exp(-np.logaddexp(0, -logit))
    raised = np.exp(logit - logit.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def normalised(images: np.ndarray, normalisation: Normalisation) -> "Tensor":
    """(n, band, y, x) uint16 DN -> float32 tensor, (value - mean) / std by channel in its unit; nodata takes the mean.

    Channels of the unit `flag` stay 0 and 1, and 0 stands for their nodata.
    """
    import torch

    gain, shift = straight_lines(normalisation)
    values = images.astype(np.float32)
    values *= gain[:, None, None]  # in place: new pages of memory cost more than the sums
    values += shift[:, None, None]
    values[images == bands.S2_NODATA] = 0
    return torch.from_numpy(values)


def straight_lines(normalisation: Normalisation) -> tuple[np.ndarray, np.ndarray]:
    """Gain and shift (band,) float32 from DN to what the network sees."""
    rows = zip(normalisation.channels, normalisation.mean, normalisation.std, strict=True)
    gain, shift = np.array([_straight_line(*row) for row in rows]).astype(np.float32).T
    return np.ascontiguousarray(gain), np.ascontiguousarray(shift)


def _straight_line(channel: str, mean: float, std: float) -> tuple[float, float]:
    """Gain and shift from DN to what the network sees."""
    scale, offset = bands.stored_as(channel)
    return (scale, offset) if is_flag(channel) else (scale / std, (offset - mean) / std)


@contextmanager
def deterministic_torch(seed: int, *, strict: bool = True) -> Iterator[None]:
    """Torch with seeded numbers, deterministic algorithms and a fixed number of threads; restored afterwards.

    Not `strict`, whatever has no deterministic form runs all the same, as is needed on a GPU.
    """
    import torch

    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(TORCH_THREADS)
        # use_deterministic_algorithms would import torch's compiler: 2 s
        torch.set_deterministic_debug_mode("error" if strict else "default")
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(mode)


def write_classifier(classifier: Classifier, out: Path, card: Mapping[str, Any]) -> None:
    """Write weights, card and its renderings into the folder `out`; equal input gives equal bytes.

    `card` adds what is worth knowing of the model, all of it JSON, under the names that docs/models.md lists. Raises ValueError
    when it repeats a field of the classifier or holds NaN; then no file is written.
    """
    from safetensors.numpy import save

    contract = _contract(classifier)
    own = {**contract, "parameters": _parameters(classifier.weights)}
    if repeated := sorted(set(card) & set(own)):
        raise ValueError(f"The model card repeats {', '.join(repeated)}; the classifier writes these itself. Rename them.")
    task = contract["task"]
    told = {"intended_use": INTENDED_USE[task], **card, "limits": [*LIMITS[task], *card.get("limits", ())]}
    full = {**own, **told}
    text = json.dumps(full, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    weights = {name: np.ascontiguousarray(values) for name, values in sorted(classifier.weights.items())}
    # One key only: safetensors writes several in an order that changes from process to process.
    content = save(weights, metadata={"classifier": json.dumps(contract, sort_keys=True, allow_nan=False)})
    item = mlm_item(full, WEIGHTS_FILE, content, CARD_FILE)
    (out / WEIGHTS_FILE).write_bytes(content)
    (out / CARD_FILE).write_text(text + "\n", encoding="utf-8")
    (out / README_FILE).write_text(model_card(full), encoding="utf-8")
    (out / ITEM_FILE).write_text(json.dumps(item, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def load_model(path: Path, base: "BaseWeights | None" = None) -> Classifier:
    """The model in a folder written by `write_classifier`, also by earlier versions of it.

    `base` are the weights that a pretrained model was trained from. Raises ValueError when they are others, when a file is
    missing or damaged, when card and weights belong to different models, or when the numbers of a channel mean something else
    today than when the model was trained.
    """
    from safetensors import SafetensorError, safe_open

    try:
        card = json.loads((path / CARD_FILE).read_text(encoding="utf-8"))
        with safe_open(path / WEIGHTS_FILE, framework="numpy") as file:
            contract = json.loads(file.metadata()["classifier"])
            weights = {name: file.get_tensor(name) for name in sorted(file.keys())}
        changed = sorted(key for key in contract if card.get(key) != contract[key])
        classifier = _classifier(contract, weights)
        today = {channel: bands.described(channel) for channel in classifier.channels}
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"No readable model in {path} ({error}). Materialize the model again.") from error
    if changed:
        raise ValueError(f"{CARD_FILE} and {WEIGHTS_FILE} in {path} disagree on {', '.join(changed)}. Make the model again.")
    if (form := contract.get("format", 1)) not in {1, FORMAT}:
        raise ValueError(f"The model in {path} has the format {form}, this version reads 1 to {FORMAT}. Update mining-platform.")
    told = QUANTITY if form == FORMAT else ("unit",)
    trained = [{name: channel[name] for name in ("id", *told)} for channel in contract["channels"]]
    check_quantities(trained, today, where=f"today's channels with {path}")
    if base is None:
        return classifier
    from mining_platform.models.sam_weights import checked_base

    return replace(classifier, base=checked_base(classifier.settings, base))


def _contract(classifier: Classifier) -> dict[str, Any]:
    row = model(classifier.architecture)
    return {
        "format": FORMAT,
        "architecture": classifier.architecture,
        "task": row.task,
        "class_names": list(classifier.class_names),
        "settings": dict(classifier.settings),
        "channels": _channels(classifier.normalisation),
        "px": classifier.px,
        "pixel_m": classifier.pixel_m,
        "threshold": classifier.threshold,
        "output": OUTPUTS[row.task],
    }


def _channels(normalisation: Normalisation) -> list[dict[str, Any]]:
    rows = zip(normalisation.channels, normalisation.mean, normalisation.std, strict=True)
    return [channel_record(*row) for row in rows]


def _classifier(contract: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Classifier:
    channels = contract["channels"]
    fields = (tuple(channel[name] for channel in channels) for name in ("id", "mean", "std"))
    return Classifier(
        architecture=contract["architecture"],
        px=contract["px"],
        normalisation=Normalisation(*fields),
        threshold=contract["threshold"],
        weights=weights,
        class_names=tuple(contract.get("class_names", ("mining",))),
        settings=contract.get("settings", {}),
        pixel_m=contract["pixel_m"],
    )


def _parameters(weights: Mapping[str, np.ndarray]) -> int:
    """Numbers that are, or could be, trained."""
    return sum(values.size for name, values in weights.items() if name.rpartition(".")[2] not in BUFFERS)
