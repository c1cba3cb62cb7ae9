"""95 % intervals: Wilson's for a proportion, and percentiles of resampled values."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_PCT = 95
Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def wilson_interval(hits: int, n: int) -> dict[str, float] | None:
    """95 % score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212); None when n is 0."""
    if not n:
        return None
    share, spread = hits / n, Z_95**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return {"low": 0.0 if hits == 0 else centre - half, "high": 1.0 if hits == n else centre + half}


def percentile_interval(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and 95 % percentile interval of resampled values (Efron & Tibshirani 1993, chapter 13).

    NaN stands for resamples in which the value is undefined: they are left out and counted. All None where none is defined.
    """
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, [0.025, 0.975]).tolist() if len(defined) else (None, None)
    mean = float(defined.mean()) if len(defined) else None
    return {"mean": mean, "low": low, "high": high, "undefined_resamples": len(values) - len(defined)}
