"""Area of mining with its uncertainty, from windows of a stratified random sample that people reviewed.

Counting pixels of a map gives its errors as area; the sample tells what is there, the map only makes it efficient. Estimator and
variance: Cochran 1977, Sampling Techniques, section 5.4, with the finite population correction; practice: Olofsson et al. 2014,
Good practices for estimating area and assessing accuracy of land change, doi:10.1016/j.rse.2014.02.015.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.evaluations.intervals import CONFIDENCE_PCT, Z_95
from mining_platform.evaluations.review_samples import DESIGN_COLUMNS, LEAST_PER_STRATUM

M2_PER_HA = 10_000
NO_SAMPLE = (
    "An area with an interval needs a probability sample: every window of the ground with a known chance to be reviewed, as "
    "review_samples.draw_review_sample draws it. A balanced dataset is none; its windows were chosen to fill ranges."
)


def estimated_area(sample: pd.DataFrame, *, window_area_m2: float, strata: dict[str, int] | None = None) -> dict[str, Any]:
    """Mining area of all windows, its standard error and 95 % interval in hectares, and each stratum's part.

    `sample` is the reviewed sample: DESIGN_COLUMNS and `share`, the share of the window that is mining as reviewed, 0 to 1 (or 0
    and 1 where a window counts whole). `strata`, windows by stratum, says that no stratum is left out. The interval is the
    estimate plus and minus 1.96 standard errors, cut at 0 and at the whole ground; `without_variation` names strata whose
    reviewed windows are all alike: these add nothing to the error, which is then too small.
    Raises ValueError for what is no probability sample, or one that is not reviewed whole.
    """
    _check_sample(sample, strata)
    parts = [_stratum(str(name), rows) for name, rows in sample.groupby("stratum", sort=True)]
    windows = sum(part["windows"] for part in parts)
    share = sum(part["windows"] / windows * part["mean_share"] for part in parts)
    error = math.sqrt(sum((part["windows"] / windows * part["standard_error"]) ** 2 for part in parts))
    ground_ha = windows * window_area_m2 / M2_PER_HA
    return {
        "area_ha": share * ground_ha,
        "standard_error_ha": error * ground_ha,
        "low_ha": max(share - Z_95 * error, 0.0) * ground_ha,
        "high_ha": min(share + Z_95 * error, 1.0) * ground_ha,
        "confidence_pct": CONFIDENCE_PCT,
        "share": share,
        "standard_error": error,
        "ground_ha": ground_ha,
        "windows": windows,
        "reviewed": len(sample),
        "strata": parts,
        "without_variation": [
            part["stratum"] for part in parts if not part["standard_error"] and part["reviewed"] < part["windows"]
        ],
    }


def _stratum(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Mean share of a stratum and its standard error: s² / n times what is not reviewed."""
    shares = np.sort(rows["share"].to_numpy(float))
    windows, n = int(rows["stratum_windows"].iloc[0]), len(shares)
    variance = float(shares.var(ddof=1)) / n * (1 - n / windows) if n > 1 else 0.0
    return {
        "stratum": name,
        "windows": windows,
        "reviewed": n,
        "with_mining": int((shares > 0).sum()),
        "mean_share": float(shares.mean()),
        "standard_error": math.sqrt(max(variance, 0.0)),
    }


def _check_sample(sample: pd.DataFrame, strata: dict[str, int] | None) -> None:
    """ValueError where a table is no reviewed probability sample, with what is wrong first."""
    if missing := [name for name in DESIGN_COLUMNS if name not in sample]:
        raise ValueError(f"The table has no {', '.join(missing)}. {NO_SAMPLE}")
    if sample.empty:
        raise ValueError(f"No window was reviewed. {NO_SAMPLE}")
    chance = sample["inclusion_probability"].to_numpy(float)
    if (wrong := ~((chance > 0) & (chance <= 1))).any():
        first = sample["window_id"][wrong].iloc[0]
        raise ValueError(f"{int(wrong.sum())} windows have no inclusion probability in (0, 1], first {first}. {NO_SAMPLE}")
    if (twice := sample["window_id"].duplicated()).any():
        raise ValueError(f"{int(twice.sum())} windows occur twice, first {min(sample['window_id'][twice])}. Name each once.")
    _check_shares(sample)
    for name, rows in sample.groupby("stratum", sort=True):
        _check_stratum(str(name), rows)
    if left := sorted(set(strata or {}) - set(sample["stratum"].astype(str))):
        raise ValueError(f"No window of the strata {', '.join(left)} was reviewed: the area there is not known. {NO_SAMPLE}")


def _check_shares(sample: pd.DataFrame) -> None:
    if "share" not in sample:
        raise ValueError("The sample has no column share: the share of each window that is mining, as reviewed, 0 to 1.")
    share = sample["share"].to_numpy(float)
    if (wrong := ~((share >= 0) & (share <= 1))).any():
        first = sample["window_id"][wrong].iloc[0]
        raise ValueError(
            f"{int(wrong.sum())} windows have no share from 0 to 1, first {first}. Review every window of the sample: those left "
            "out are seldom like the others."
        )


def _check_stratum(name: str, rows: pd.DataFrame) -> None:
    sizes, chances = rows["stratum_windows"].unique(), rows["inclusion_probability"].to_numpy(float)
    if len(sizes) > 1 or np.ptp(chances) > 1e-9:  # noqa: PLR2004 - rounding of a quotient
        raise ValueError(f"Windows of stratum {name!r} differ in stratum_windows or inclusion_probability. {NO_SAMPLE}")
    windows, n = int(sizes[0]), len(rows)
    drawn = round(float(chances[0]) * windows)
    if drawn != n:
        raise ValueError(
            f"Stratum {name!r}: {drawn} of {windows} windows were drawn, {n} are here. Estimate from the sample as it was drawn, "
            "every window of it reviewed and none added."
        )
    if n < min(LEAST_PER_STRATUM, windows):
        raise ValueError(f"Stratum {name!r} has one reviewed window of {windows}: its variance is not known. Review two or more.")
