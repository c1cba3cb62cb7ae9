"""How often a map is right, from a stratified sample that people reviewed.

User's accuracy is the share of the ground mapped as mining that is mining, producer's the share of mining that is mapped as such:
ratios of two estimated areas, with the variance of Stehman 2014, doi:10.1080/01431161.2014.930207, sections 3 and 4, which also
holds where strata are no classes of the map. Where they are, it is that of Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015,
equations 5 to 7, with the finite population correction.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.evaluations.intervals import Z_95


def map_accuracy(sample: pd.DataFrame) -> dict[str, Any]:
    """User's, producer's and overall accuracy, each value, standard_error, low and high (95 %).

    `sample` is a reviewed sample that `area_estimates.estimated_area` accepts, with `mapped_mining` (bool): whether the map calls
    the window mining. What no window tells (nothing mapped, nothing found) is None.
    """
    mapped, share = sample["mapped_mining"].to_numpy(float), sample["share"].to_numpy(float)
    both = mapped * share
    return {
        "users": _ratio(sample, both, mapped),
        "producers": _ratio(sample, both, share),
        "overall": _ratio(sample, both + (1 - mapped) * (1 - share), np.ones(len(sample))),
    }


def _ratio(sample: pd.DataFrame, part: NDArray[np.float64], whole: NDArray[np.float64]) -> dict[str, float] | None:
    """The ratio of two totals over all windows and its interval; None where the whole is 0."""
    weight = 1 / sample["inclusion_probability"].to_numpy(float)
    total = float((weight * whole).sum())
    if not total:
        return None
    value = float((weight * part).sum()) / total
    residuals = pd.DataFrame({"left": part - value * whole, "stratum": sample["stratum"], "windows": sample["stratum_windows"]})
    variance = sum(
        _variance(rows["left"].to_numpy(float), int(rows["windows"].iloc[0])) for _, rows in residuals.groupby("stratum")
    )
    error = math.sqrt(variance) / total
    return {
        "value": value,
        "standard_error": error,
        "low": max(value - Z_95 * error, 0.0),
        "high": min(value + Z_95 * error, 1.0),
    }


def _variance(values: NDArray[np.float64], windows: int) -> float:
    """Of the estimated total of a stratum."""
    n = len(values)
    return 0.0 if n < 2 else windows**2 * (1 - n / windows) * float(values.var(ddof=1)) / n  # noqa: PLR2004 - a variance needs two
