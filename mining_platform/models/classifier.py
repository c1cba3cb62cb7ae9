"""A trained patch classifier: what it holds, how it lies on disk, how it scores patches.

On disk it is a folder of two files: `weights.safetensors` (numbers only, no code) and `model.json`, the card.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mining_platform import bands, grids
from mining_platform.models.registry import build_model

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS_FILE, CARD_FILE = "weights.safetensors", "model.json"
TORCH_THREADS = 2  # fixed, whatever the machine: sums split over another number of threads round differently
SCORING_BATCH = 64  # patches scored at once; fixed for the same reason


@dataclass(frozen=True)
class Normalisation:
    """Reflectance of each channel over the training patches, nodata left out."""

    channels: tuple[str, ...]
    """Band ids, in the order of the input."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Standard deviation, above 0."""


@dataclass(frozen=True)
class Classifier:
    """All that is needed to score a patch; equal fields score equally."""

    architecture: str
    """Row of models.registry.MODELS."""
    px: int
    """Pixels per side of the patches it was trained on."""
    normalisation: Normalisation
    threshold: float
    """Scores at or above it mean mining."""
    weights: Mapping[str, np.ndarray]
    """Parameters and running statistics by name."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Band ids of the input, in order."""
        return self.normalisation.channels


def predict(classifier: Classifier, images: np.ndarray, channels: tuple[str, ...]) -> np.ndarray:
    """(n, band, y, x) uint16 DN -> (n,) float64 probability of mining in [0, 1].

    Raises ValueError when `channels` or the patch size differ from those the classifier was trained on.
    """
    import torch

    check_input(classifier, images, channels)
    with deterministic_torch(seed=0):
        module = build_model(classifier.architecture, len(classifier.channels), classifier.px)
        module.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in classifier.weights.items()})
        return probabilities(logits(module, images, classifier.normalisation))


def check_input(classifier: Classifier, images: np.ndarray, channels: tuple[str, ...]) -> None:
    """ValueError naming the channels or the size that the classifier was not trained on."""
    if tuple(channels) != classifier.channels:
        raise ValueError(
            f"The model was trained on the channels {', '.join(classifier.channels)}, the images hold {', '.join(channels)}. "
            "Select and order the channels by name before scoring."
        )
    expected = (len(channels), classifier.px, classifier.px)
    if images.ndim != 4 or images.shape[1:] != expected:  # noqa: PLR2004 - sample, band, y, x
        raise ValueError(f"The model scores patches of shape (n, {', '.join(map(str, expected))}); got {images.shape}.")
    if images.dtype != np.uint16:
        raise ValueError(f"The model scores uint16 DN, the images are {images.dtype}. Pass them as they lie in the patch store.")


def logits(module: "nn.Module", images: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    """(n, band, y, x) uint16 DN -> (n,) float64 logits of a module, which is left in evaluation mode."""
    import torch

    module.eval()
    with torch.inference_mode():
        parts = [
            module(normalised(images[start : start + SCORING_BATCH], normalisation)).double().numpy()
            for start in range(0, len(images), SCORING_BATCH)
        ]
    return np.concatenate([np.empty(0), *parts])


def probabilities(logit: np.ndarray) -> np.ndarray:
    """Logistic function of (n,) float64 logits, without overflow."""
    return np.exp(-np.logaddexp(0, -logit))


def normalised(images: np.ndarray, normalisation: Normalisation) -> "Tensor":
    """(n, band, y, x) uint16 DN -> float32 tensor, (reflectance - mean) / std by channel; nodata takes the mean."""
    import torch

    mean, std = np.array(normalisation.mean), np.array(normalisation.std)
    scale = np.array([bands.band(channel).scale for channel in normalisation.channels])
    gain, shift = (scale / std).astype(np.float32), (-mean / std).astype(np.float32)
    values = images.astype(np.float32) * gain[:, None, None] + shift[:, None, None]
    values[images == bands.S2_NODATA] = 0
    return torch.from_numpy(values)


@contextmanager
def deterministic_torch(seed: int) -> Iterator[None]:
    """Torch with seeded numbers, deterministic algorithms and a fixed number of threads; restored afterwards."""
    import torch

    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(TORCH_THREADS)
        torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import torch's compiler: 2 s
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(mode)


def write_classifier(classifier: Classifier, out: Path, card: Mapping[str, Any]) -> None:
    """Write `weights.safetensors` and `model.json` into the folder `out`; equal input gives equal bytes.

    `card` adds what is worth knowing of the model (experiment, data digests, metrics), all of it JSON. Raises ValueError when
    it repeats a field of the classifier or holds NaN.
    """
    from safetensors.numpy import save_file

    contract = _contract(classifier)
    if repeated := sorted(set(card) & set(contract)):
        raise ValueError(f"The model card repeats {', '.join(repeated)}; the classifier writes these itself. Rename them.")
    text = json.dumps({**contract, **card}, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    weights = {name: np.ascontiguousarray(values) for name, values in sorted(classifier.weights.items())}
    # One key only: safetensors writes several in an order that changes from process to process.
    save_file(weights, out / WEIGHTS_FILE, metadata={"classifier": json.dumps(contract, sort_keys=True, allow_nan=False)})
    (out / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def load_model(path: Path) -> Classifier:
    """The classifier in a folder written by `write_classifier`.

    Raises ValueError when a file is missing or damaged, or when card and weights belong to different models.
    """
    from safetensors import SafetensorError, safe_open

    try:
        card = json.loads((path / CARD_FILE).read_text(encoding="utf-8"))
        with safe_open(path / WEIGHTS_FILE, framework="numpy") as file:
            contract = json.loads(file.metadata()["classifier"])
            weights = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"No readable model in {path} ({error}). Materialize the model again.") from error
    if changed := sorted(key for key in contract if card.get(key) != contract[key]):
        raise ValueError(f"{CARD_FILE} and {WEIGHTS_FILE} in {path} disagree on {', '.join(changed)}. Make the model again.")
    return _classifier(contract, weights)


def _contract(classifier: Classifier) -> dict[str, Any]:
    normalisation = classifier.normalisation
    rows = zip(normalisation.channels, normalisation.mean, normalisation.std, strict=True)
    return {
        "architecture": classifier.architecture,
        "channels": [_channel(band_id, mean, std) for band_id, mean, std in rows],
        "px": classifier.px,
        "pixel_m": grids.PIXEL_M,
        "threshold": classifier.threshold,
        "output": "probability that the patch holds mining; at or above `threshold` means mining",
    }


def _channel(band_id: str, mean: float, std: float) -> dict[str, Any]:
    band = bands.band(band_id)
    return {
        "id": band_id,
        "role": band.role,
        "sensor": band.sensor,
        "unit": band.unit,
        "scale": band.scale,
        "nodata": band.nodata,
        "mean": mean,
        "std": std,
    }


def _classifier(contract: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Classifier:
    channels = contract["channels"]
    fields = (tuple(channel[field] for channel in channels) for field in ("id", "mean", "std"))
    return Classifier(
        architecture=contract["architecture"],
        px=contract["px"],
        normalisation=Normalisation(*fields),
        threshold=contract["threshold"],
        weights=weights,
    )
