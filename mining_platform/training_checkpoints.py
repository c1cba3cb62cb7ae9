"""Where a training stands after an epoch, in one file that is replaced at once, so that a killed training goes on from there.

A file is only taken up by the training that wrote it: same experiment, patches, and device.
"""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.store import durable

CHECKPOINTS = "checkpoints"
"""Folder of a training that is under way; a finished model has none."""
FORMAT = 1


def write_checkpoint(path: Path, told: str, state: Mapping[str, Any]) -> None:
    """Tensors, numbers and texts of `state` into a file of the training `told`."""
    import torch

    content = io.BytesIO()
    torch.save({"format": FORMAT, "told": told, "state": dict(state)}, content)
    durable.make_directory(path.parent)
    durable.write(path, content.getvalue())


def read_checkpoint(path: Path, told: str) -> dict[str, Any] | None:
    """The state in a file; None where there is none, it is no checkpoint, or another training wrote it. Runs no code of it."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return None
    if not isinstance(found, dict) or (found.get("format"), found.get("told")) != (FORMAT, told):
        return None
    return dict(found["state"])
