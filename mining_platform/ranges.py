"""Mining-proportion ranges: which range a share falls into."""

from typing import Any

import numpy as np

RANGES: tuple[str, ...] = ("000", *(f"{low:03d}_{low + 10:03d}" for low in range(0, 100, 10)))
"""Mining-proportion ranges in per cent: exactly 0, then (0, 10], (10, 20] ... (90, 100]."""


def range_of(share: float | np.ndarray) -> Any:
    """Range id of a share in [0, 1]: text for a number, array of text for an array.

    Ranges are left-open and right-closed, exactly 0 is its own; there is no tolerance. ValueError outside [0, 1].
    """
    values = np.asarray(share, dtype=float)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"Shares lie in 0 to 1, found {values[~((values >= 0) & (values <= 1))].ravel()[:3].tolist()}.")
    edges = np.arange(11) / 10
    position = np.searchsorted(edges, values, side="left")
    names = np.asarray(RANGES)[position]
    return str(names) if names.ndim == 0 else names.astype(object)
