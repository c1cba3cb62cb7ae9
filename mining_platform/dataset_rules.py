"""What the rows of `datasets.py` have to keep, and the words that they use."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mining_platform.negatives import NEGATIVES

if TYPE_CHECKING:
    from mining_platform.datasets import Dataset

POINTS_MINING = "mining"
"""Name of the windows on points of mining in the quotas of a dataset of points."""

ROUNDING = 1e-9  # of a sum of shares


def problems(row: "Dataset", ranges: Sequence[str]) -> list[str]:
    """What does not fit together in a dataset's row, in words; nothing where all does."""
    wrong = _point_problems(row) if row.points is not None else _range_problems(row, ranges)
    if row.sliding_px < 0 or (row.sliding_px and row.px % row.sliding_px):
        wrong.append(f"sliding_px {row.sliding_px} is no divisor of px {row.px}")
    if not 0 <= row.sliding_from <= 1:
        wrong.append(f"sliding_from {row.sliding_from} is no share from 0 to 1")
    return wrong


def _range_problems(row: "Dataset", ranges: Sequence[str]) -> list[str]:
    wrong = []
    if set(row.quotas) != set(ranges):
        wrong.append(f"quotas are for {sorted(row.quotas)}, not for the ranges {', '.join(ranges)}")
    if unknown := sorted(set(row.negatives) - set(NEGATIVES)):
        return [*wrong, f"negatives {unknown} are no rows of negatives.NEGATIVES"]
    shares = list(row.negatives.values())
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > ROUNDING:
        wrong.append(f"negatives {dict(row.negatives)} must be above 0 and sum to 1")
    if greedy := [name for name in list(row.negatives)[:-1] if NEGATIVES[name].takes_all]:
        wrong.append(f"negatives after {greedy[0]!r} would find nothing, because it takes all; name it last")
    if curated := [name for name in row.negatives if NEGATIVES[name].from_points]:
        wrong.append(f"negatives {curated} need points")
    return wrong


def _point_problems(row: "Dataset") -> list[str]:
    wrong, recipes = [], set(row.quotas) - {POINTS_MINING}
    if POINTS_MINING not in row.quotas:
        wrong.append(f"quotas {sorted(row.quotas)} lack {POINTS_MINING!r}")
    if row.negatives:
        wrong.append("negatives are named in the quotas of a dataset of points, not as shares")
    if unfit := sorted(name for name in recipes if name not in NEGATIVES or not NEGATIVES[name].around_points):
        wrong.append(f"negatives {unfit} are no recipes for points")
    return wrong


def apportioned(number: int, shares: Mapping[str, float]) -> dict[str, int]:
    """A number shared out in whole parts, the rest to the largest remainders (Hamilton's method), the first of equals first."""
    parts = {name: int(number * share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: -round(number * shares[name] - parts[name], 9))
    for name in by_remainder[: number - sum(parts.values())]:
        parts[name] += 1
    return parts
