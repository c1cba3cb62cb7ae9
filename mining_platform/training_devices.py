"""Where training runs: on a GPU if there is one, in mixed precision; else on the processor, bit by bit the same each time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from mining_platform.models.classifier import deterministic_torch

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")


def device_of(wanted: Device) -> "torch.device":
    """`auto` is a GPU where torch sees one; ValueError for `cuda` where it sees none."""
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise ValueError("torch sees no CUDA device here. Train with device auto or cpu, or install a torch build for the GPU.")
    return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")


def told_device(device: "torch.device") -> str:
    """A device as cards name it: `cpu`, or a GPU with its make and the precision of its training."""
    import torch

    if device.type == "cpu":
        return "cpu"
    return f"{device.type} ({torch.cuda.get_device_name(device)}, {str(_low_precision()).removeprefix('torch.')})"


@contextmanager
def reproducible(seed: int, device: "torch.device") -> Iterator[None]:
    """`deterministic_torch`; on a GPU seeded only, as some backward passes have no deterministic form there."""
    with deterministic_torch(seed, strict=device.type == "cpu"):
        yield


def lower_precision(device: "torch.device") -> "AbstractContextManager[object]":
    """Mixed precision on a GPU: bfloat16 where it has that, else float16; nothing on the processor."""
    import torch

    if device.type == "cpu":
        return nullcontext()
    return torch.autocast("cuda", dtype=_low_precision())


def _low_precision() -> "torch.dtype":
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def gradient_scaler(device: "torch.device") -> "torch.amp.GradScaler":
    """Keeps small gradients of float16 from vanishing; does nothing elsewhere."""
    import torch

    return torch.amp.GradScaler("cuda", enabled=device.type == "cuda" and not torch.cuda.is_bf16_supported())
