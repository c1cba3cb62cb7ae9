"""What the rows of `datasets.py` have to keep, and the words that they use."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mining_platform.bands import band
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import MAP_KIND, RECIPES, SCENE_KIND
from mining_platform.negatives import NEGATIVES
from mining_platform.profiles import profile
from mining_platform.site_files import SitesFile

if TYPE_CHECKING:
    from mining_platform.datasets import Dataset

ALL_YEARS: Final = "all-years"
"""The release of a dataset whose years are drawn and published together."""
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
    if row.release == ALL_YEARS and isinstance(row.points, SitesFile):
        wrong.append(f"the windows of sites move with their polygons, so their release is yearly, not {ALL_YEARS}")
    return wrong + _unit_problems(row)


def _unit_problems(row: "Dataset") -> list[str]:
    """Of mosaics and scenes: the first have 10 m pixels and a map's classes, the others people's sites and clouds."""
    kind, wrong = RECIPES[row.recipe].kind, []
    if row.sample_unit == "mosaic":
        if row.pixel_m != PIXEL_M:
            wrong.append(f"pixel_m {row.pixel_m} is not {PIXEL_M}, the pixels of mosaics")
        if kind != MAP_KIND:
            wrong.append(f"the recipe {row.recipe} is of {kind}; patches of mosaics are labelled by a map's classes")
        return wrong
    if row.pixel_m < PIXEL_M or row.pixel_m % PIXEL_M:
        wrong.append(f"pixel_m {row.pixel_m} is no multiple of {PIXEL_M}")
    if not isinstance(row.points, SitesFile):
        wrong.append("samples of scenes need a file of sites (points)")
    if kind != SCENE_KIND:
        wrong.append(f"the recipe {row.recipe} is of {kind}; samples of scenes are labelled by one of {SCENE_KIND}")
    sensors = {band(channel).sensor for channel in profile(row.profile).channels}
    if len(sensors) > 1:
        wrong.append(f"the profile {row.profile} has channels of {', '.join(sorted(sensors))}, and a scene is of one sensor")
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
