"""What a row of `datasets.py` says, what it has to keep, and the words that it uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mining_platform.bands import band
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import MAP_KIND, RECIPES, SCENE_KIND
from mining_platform.negatives import NEGATIVES
from mining_platform.point_files import PointsFile
from mining_platform.profiles import profile
from mining_platform.ranges import RANGES
from mining_platform.site_files import SitesFile
from mining_platform.splits.rules import SplitRule
from mining_platform.window_filters import WindowFilter

ALL_YEARS: Final = "all-years"
"""The release of a dataset whose years are drawn and published together."""
POINTS_MINING = "mining"
"""Name of the windows on points of mining in the quotas of a dataset of points."""

ROUNDING = 1e-9  # of a sum of shares


SampleUnit = Literal["mosaic", "scene"]
ReleaseRule = Literal["yearly", "all-years"]


@dataclass(frozen=True)
class Dataset:
    """One published dataset over regions and years."""

    id: str
    """`[a-z][a-z0-9_]*`: first part of the asset keys of its family."""
    title: str
    regions: tuple[str, ...]
    """Region ids of regions.geojson; all simulated or all not."""
    years: tuple[int, ...]
    release: ReleaseRule
    """`yearly`: each year is drawn and released by itself. `all-years`: one release, named by the last year, of the same windows
    in every year."""
    px: int
    """Pixels per side of a patch."""
    pixel_m: int
    """Ground size of a patch's pixels in metres: 10, the mosaics' own, or, of scenes, a multiple of it near their own."""
    sample_unit: SampleUnit
    """`mosaic`: one patch a window and year. `scene`: one a window and scene, on its own pixels, for labels with clouds."""
    profile: str
    """Channels, a row of profiles.PROFILES."""
    recipe: str
    """Label recipe, a row of labels.recipes.RECIPES."""
    quotas: Mapping[str, int]
    """Windows wanted over all regions of one release: per range, or, of a dataset of points, of "mining" and of each
    negative recipe by its id."""
    negatives: Mapping[str, float]
    """Share of the windows at exactly 0 % by negative recipe (rows of negatives.NEGATIVES), summing to 1; a window counts
    for the first whose rule it meets. Empty for a dataset of points."""
    split: SplitRule
    window_filter: WindowFilter
    max_masked_share: float
    """Largest share of a patch's pixels without any clear observation."""
    max_masked_share_other: float | None
    """The same of patches without mining, where it is another."""
    zero_candidates: int
    """Windows at exactly 0 % kept as candidates per region and year, drawn by hash."""
    allow_overlap: bool
    """Whether two windows of a region may share ground; if not, the one in the higher range stays."""
    sliding_px: int
    """Step in pixels of windows beside the aligned ones, a divisor of `px`; 0 means aligned windows only."""
    sliding_from: float
    """Share above which windows beside the aligned ones are looked for, 0 to 1."""
    layout: str
    """How the asset `package` lays out the release, a row of packages.layouts.LAYOUTS."""
    points: PointsFile | SitesFile | None
    """Where windows are centred on people's points or cover the sites that they drew, whether or not there is a land-cover map;
    None for windows of the grid."""
    seed: int

    def __post_init__(self) -> None:
        """ValueError naming the dataset and what in its row does not fit together."""
        if wrong := problems(self):
            raise ValueError(f"Dataset {self.id!r}: {'; '.join(wrong)}. Mend its row in mining_platform/datasets.py.")

    @property
    def releases(self) -> tuple[int, ...]:
        """The releases by their year, sorted."""
        return tuple(sorted({self.release_of(year) for year in self.years}))

    def release_of(self, year: int) -> int:
        """The release that holds a year of the dataset; a year that is none of its years has only itself."""
        return max(self.years) if self.release == ALL_YEARS and year in self.years else year

    def years_of(self, release: int) -> tuple[int, ...]:
        """The years whose patches a release holds, sorted."""
        return tuple(sorted(self.years)) if self.release == ALL_YEARS else (release,)

    @property
    def window_px(self) -> int:
        """Side of a window in pixels of the 10 m lattice, as its id has it."""
        return self.px * self.pixel_m // PIXEL_M

    @property
    def strata(self) -> Mapping[tuple[str, str], int]:
        """Windows wanted by stratum (range, negative recipe), in order.

        Windows with mining have the recipe "". The range is "" in a dataset of points, whose windows may have none. Shares of the
        0 % range that do not divide go to the recipes with the largest remainders.
        """
        if self.points is not None:
            return {("", "" if name == POINTS_MINING else name): number for name, number in self.quotas.items()}
        zero = apportioned(self.quotas["000"], self.negatives)
        return {
            **{("000", name): number for name, number in zero.items()},
            **{(each, ""): self.quotas[each] for each in RANGES[1:]},
        }


def problems(row: Dataset) -> list[str]:
    """What does not fit together in a dataset's row, in words; nothing where all does."""
    wrong = _point_problems(row) if row.points is not None else _range_problems(row)
    if row.sliding_px < 0 or (row.sliding_px and row.px % row.sliding_px):
        wrong.append(f"sliding_px {row.sliding_px} is no divisor of px {row.px}")
    if not 0 <= row.sliding_from <= 1:
        wrong.append(f"sliding_from {row.sliding_from} is no share from 0 to 1")
    if row.release == ALL_YEARS and isinstance(row.points, SitesFile):
        wrong.append(f"the windows of sites move with their polygons, so their release is yearly, not {ALL_YEARS}")
    return wrong + _unit_problems(row)


def _unit_problems(row: Dataset) -> list[str]:
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


def _range_problems(row: Dataset) -> list[str]:
    wrong = []
    if set(row.quotas) != set(RANGES):
        wrong.append(f"quotas are for {sorted(row.quotas)}, not for the ranges {', '.join(RANGES)}")
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


def _point_problems(row: Dataset) -> list[str]:
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
