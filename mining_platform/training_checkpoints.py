"""Where a training stands after an epoch, in one file that is replaced at once, so that a killed training goes on from there.

The file is safetensors: tensors by name, and all else as JSON in its metadata, so that reading it runs no code. It is only taken
up by the training that wrote it: same experiment, patches, and device.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mining_platform.store import durable

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINTS = "checkpoints"
"""Folder of a training that is under way; a finished model has none."""
FORMAT = 2
_ENTRY = "checkpoint"


def write_checkpoint(path: Path, told: str, state: Mapping[str, Any]) -> None:
    """Tensors, numbers, texts, lists and mappings of `state` into a file of the training `told`; tuples become lists."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    entry = {"format": FORMAT, "told": told, "state": _plain(dict(state), tensors)}
    durable.make_directory(path.parent)
    durable.write(path, save(tensors, metadata={_ENTRY: json.dumps(entry)}))


def read_checkpoint(path: Path, told: str) -> dict[str, Any] | None:
    """The state in a file; None where there is none, it is no checkpoint, or another training wrote it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            entry = json.loads((file.metadata() or {})[_ENTRY])
            if (entry["format"], entry["told"]) != (FORMAT, told):
                return None
            return dict(_whole(entry["state"], {name: file.get_tensor(name) for name in file.keys()}))  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _plain(value: Any, tensors: dict[str, "Tensor"]) -> Any:
    """JSON of a value, kinds told by a letter; its tensors join `tensors` under names that stand in their places."""
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()  # no two share memory
        return {"t": name}
    if isinstance(value, Mapping):
        return {"m": [[key, _plain(each, tensors)] for key, each in value.items()]}  # keys may be numbers
    if isinstance(value, list | tuple):
        return {"l": [_plain(each, tensors) for each in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"v": value}
    raise TypeError(f"A checkpoint cannot hold {type(value).__name__}. Give tensors, numbers, texts, lists and mappings.")


def _whole(plain: Mapping[str, Any], tensors: Mapping[str, "Tensor"]) -> Any:
    """The value of `_plain`."""
    ((kind, value),) = plain.items()
    if kind == "t":
        return tensors[value]
    if kind == "m":
        return {key: _whole(each, tensors) for key, each in value}
    return [_whole(each, tensors) for each in value] if kind == "l" else value
