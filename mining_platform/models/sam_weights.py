"""Weights that a Segment Anything model starts from: a folder or hub id that the user names, and what the card says of them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blake3 import blake3

from mining_platform import bands
from mining_platform.models.sam import check_installed
from mining_platform.sources.remote.network import checked_url

if TYPE_CHECKING:
    from torch import nn

HUB = "https://huggingface.co"
CONFIG_FILE, WEIGHT_FILES = "config.json", "*.safetensors"
LORA = {"rank": 8, "alpha": 16}
"""Rank and scale of the adapters; twice the rank is usual."""
PARTS = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
_HUB_ID, _COMMIT = re.compile(r"[\w.-]+/[\w.-]+"), re.compile(r"[0-9a-f]{40}")

Input = Literal["projection", "rgb"]
"""How channels become the three colours that SAM sees: a learned 1 x 1 convolution that begins as red, green and blue, or
these three alone."""


@dataclass(frozen=True)
class BaseWeights:
    """Files of a SAM model on this disk."""

    source: str
    """Hub id, or the name of the folder, without its path."""
    revision: str | None
    """Commit of the hub; None for a folder."""
    folder: Path
    checksums: Mapping[str, str]
    """BLAKE3 of the configuration and of each file of weights, by name."""


def open_weights(source: str, *, revision: str | None = None) -> BaseWeights:
    """A folder in the layout of transformers (`config.json`, `*.safetensors`), or a hub id with the commit wanted.

    A hub id is downloaded into the cache of huggingface_hub, if `huggingface.co` is among the hosts that the user allows.
    Raises ValueError for anything else, for weights that are no SAM, or that are not safetensors, and NetworkError for a hub
    that is not allowed.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = _downloaded(source, revision)
    elif revision is not None:
        raise ValueError(f"{source} is a folder and has no revision {revision}. Leave the revision out.")
    weights = sorted(folder.glob(WEIGHT_FILES))
    if not weights:
        raise ValueError(f"{source} holds no {WEIGHT_FILES}. Other formats can run code; convert them to safetensors.")
    _check_is_sam(folder / CONFIG_FILE, source)
    checksums = {path.name: _checksum(path) for path in (folder / CONFIG_FILE, *weights)}
    return BaseWeights(source if revision else folder.resolve().name, revision, folder, checksums)


def sam_settings(
    base: BaseWeights, channels: Sequence[str], *, input_as: Input, lora: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """JSON-able settings of `registry.build_model`, which go into the card: configuration, base weights, input and adapter.

    Red, green and blue are found among `channels` by role. Where one is missing a projection begins at random, and `rgb` is
    refused with KeyError. `lora` (LORA where None) is read by `sam-lora` alone.
    """
    check_installed()
    from transformers.models.sam.configuration_sam import SamConfig

    config = SamConfig.from_pretrained(base.folder, local_files_only=True)
    return {
        "config": {part: _fields(getattr(config, part)) for part in PARTS},
        "base": {"source": base.source, "revision": base.revision, "blake3": dict(base.checksums)},
        "input": input_as,
        "rgb": _colours(tuple(channels), input_as),
        "lora": dict(lora or LORA),
    }


def checked_base(settings: Mapping[str, Any], base: BaseWeights | None) -> BaseWeights:
    """The base itself where it has the checksums in a model's settings; ValueError for others, for none, or where none is due."""
    told = settings.get("base")
    if told is None:
        raise ValueError("The model was trained from scratch and takes no base weights. Leave them out.")
    named = f"{told['source']}, revision {told['revision']}" if told["revision"] else told["source"]
    if base is None:
        raise ValueError(f"The model holds what was trained alone, not its base weights {named}. Name their folder or hub id.")
    if wrong := sorted(name for name, digest in told["blake3"].items() if base.checksums.get(name) != digest):
        raise ValueError(
            f"{base.source} is not what the model was trained from: {', '.join(wrong)} has another BLAKE3 than {named} in its "
            "card. Name the weights of the card."
        )
    return base


def load_base(module: "nn.Module", base: BaseWeights) -> None:
    """Fill the frozen and the trained weights of a `sam.sam` module from its base; adapters and projection stay as they are.

    ValueError naming tensors that the base lacks, or has in another shape.
    """
    check_installed()
    from transformers.models.sam.modeling_sam import SamModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    how: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    loaded: Any = SamModel.from_pretrained(base.folder, **how)
    found, told = loaded
    wrong = sorted({*told["missing_keys"], *(str(key) for key in told["mismatched_keys"])})
    if wrong:
        raise ValueError(f"{base.source} lacks {len(wrong)} tensors of a SAM model, first {wrong[0]}. Fetch the weights anew.")
    own = module.get_submodule("sam")
    held = own.state_dict()
    base_names = {name.replace(".base_layer.", "."): name for name in held if "lora_" not in name}
    own.load_state_dict({**held, **{base_names[name]: values for name, values in found.state_dict().items()}})


def _downloaded(hub_id: str, revision: str | None) -> Path:
    if not _HUB_ID.fullmatch(hub_id):
        raise ValueError(f"{hub_id!r} is neither a folder nor a hub id such as facebook/sam-vit-base. Mend the path.")
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ValueError(f"{hub_id} needs the commit wanted, 40 hexadecimal digits, not {revision!r}: branches move. See {HUB}.")
    checked_url(f"{HUB}/{hub_id}")
    check_installed()
    from huggingface_hub import snapshot_download

    wanted = [CONFIG_FILE, WEIGHT_FILES]
    return Path(snapshot_download(hub_id, revision=revision, allow_patterns=wanted, endpoint=HUB, tqdm_class=None))


def _check_is_sam(path: Path, source: str) -> None:
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{source} has no readable {CONFIG_FILE} ({error}). Name a folder in the layout of transformers."
        ) from None
    if kind != "sam":
        raise ValueError(f"{source} holds a model of type {kind!r}, not 'sam'. Use weights such as facebook/sam-vit-base.")


def _checksum(path: Path) -> str:
    return blake3().update_mmap(path).hexdigest()


def _fields(part: Any) -> dict[str, Any]:
    """The fields that a part of the configuration declares, without those of every configuration, which change with versions."""
    values = {name: getattr(part, name) for name in type(part).__annotations__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _colours(channels: tuple[str, ...], input_as: Input) -> list[int] | None:
    """Positions of red, green and blue; None where one is missing and a projection can learn to do without."""
    try:
        return [channels.index(bands.band_of_role(role, channels)) for role in ("red", "green", "blue")]
    except KeyError:
        if input_as == "rgb":
            raise
        return None
