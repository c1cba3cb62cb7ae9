"""Pixels of a patch by true and by predicted class as columns of a table of predictions: px_<class>_as_<class>."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_COLUMN = re.compile(r"px_(.+)_as_(.+)")


def pixel_columns(counts: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """(n, class, class) pixels by true and predicted class -> a column (n,) for each pair."""
    pairs = ((true, called) for true in range(len(names)) for called in range(len(names)))
    return {f"px_{names[true]}_as_{names[called]}": counts[:, true, called] for true, called in pairs}


def has_pixel_columns(columns: Sequence[str]) -> bool:
    """Whether a table tells of pixels."""
    return any(_COLUMN.fullmatch(str(name)) for name in columns)


def pixel_counts(table: pd.DataFrame) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(n, class, class) counts of a table's columns, and the classes in their order there.

    ValueError where a pair of classes has no column, and for what is no whole number of pixels.
    """
    pairs = {match.groups(): name for name in table if (match := _COLUMN.fullmatch(str(name)))}
    names = tuple(dict.fromkeys(true for true, _ in pairs))
    wanted = [(true, called) for true in names for called in names]
    if lacking := [f"px_{true}_as_{called}" for true, called in wanted if (true, called) not in pairs]:
        raise ValueError(
            f"The table has no column {', '.join(lacking[:3])}. Counts of pixels come with a column for each pair of classes."
        )
    numbers = table[[pairs[pair] for pair in wanted]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong = ~((numbers >= 0) & (numbers % 1 == 0))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(f"Column {pairs[wanted[column]]} holds no number of pixels in row {row + 1}.")
    return numbers.astype(np.int64).reshape(len(table), len(names), len(names)), names
