"""What a model was trained on, as records in its card, and the refusal by name of inputs that differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mining_platform import bands

FLAG_UNIT = "flag"  # of channels that are 0 or 1, which are not standardised
QUANTITY = ("unit", "scale", "offset", "nodata")  # what a number of a channel means


def is_flag(channel: str) -> bool:
    """Whether a channel holds 0 or 1 alone."""
    return bands.band(channel).unit == FLAG_UNIT


def channel_record(channel: str, mean: float, std: float) -> dict[str, Any]:
    """What the card says of a channel: `bands.described`, and how its values are normalised."""
    kind = (
        "none: 0 or 1 as it is, 0 where there is no data"
        if is_flag(channel)
        else "z-score: (value - mean) / std, 0 where no data"
    )
    return {**bands.described(channel), "mean": mean, "std": std, "normalisation": kind}


def check_images(images: np.ndarray, trained: Sequence[str], here: Sequence[str], px: int) -> None:
    """ValueError naming the channels, size or type in which images (n, band, y, x) differ from those trained on."""
    if tuple(here) != tuple(trained):
        raise ValueError(
            f"The model was trained on the channels {', '.join(trained)}, the images hold {', '.join(here)}"
            f"{_difference(trained, here)}. Select and order the channels by name before scoring."
        )
    expected = (len(trained), px, px)
    if images.ndim != 4 or images.shape[1:] != expected:  # noqa: PLR2004 - sample, band, y, x
        raise ValueError(f"The model scores patches of shape (n, {', '.join(map(str, expected))}); got {images.shape}.")
    if images.dtype != np.uint16:
        raise ValueError(f"The model scores uint16 DN, the images are {images.dtype}. Pass them as they lie in the patch store.")


def _difference(trained: Sequence[str], here: Sequence[str]) -> str:
    """Channels that lack or are too many; none where only the order differs."""
    lacking = [channel for channel in trained if channel not in here]
    extra = [channel for channel in here if channel not in trained]
    told = [f"{what} {', '.join(names)}" for what, names in (("without", lacking), ("with", extra)) if names]
    return f" ({'; '.join(told)})" if told else ""


def check_quantities(trained: Iterable[Mapping[str, Any]], here: Mapping[str, Mapping[str, Any]], *, where: str) -> None:
    """ValueError naming the channels whose numbers mean something else `here` than in training, and what of it differs.

    Both give `unit`, `scale`, `offset` and `nodata`, `here` by channel; a channel or field that `here` does not tell is not
    compared. `where` names what is compared, for the message.
    """
    found = [_quantity_difference(record, here.get(record["id"], {})) for record in trained]
    if wrong := [difference for difference in found if difference]:
        raise ValueError(f"The model cannot read {where}: {'; '.join(wrong)}. Make the patches, or the model, anew.")


def _quantity_difference(trained: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    names = [name for name in QUANTITY if name in trained and name in here and trained[name] != here[name]]
    told = ", ".join(f"{name} {here[name]}, trained on {trained[name]}" for name in names)
    return f"{trained['id']} has {told}" if told else ""
