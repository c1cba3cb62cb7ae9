"""The rule of a split: a row that says how, in which shares, and how far apart the sides must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

BUFFER = "buffer"
"""Side of the rows that are set aside because they stand too near to another side."""
TEST = "test"
SPLIT_ORDER = ("train", "val", TEST, BUFFER)
SUM_ERROR = 1e-9  # rounding of a sum of fractions


class SplitError(ValueError):
    """A split that cannot be made of this table by this rule."""


@dataclass(frozen=True)
class SplitRule:
    """How patches are parted into training, validation and test."""

    method: str
    """A key of mining_platform.splits.methods.METHODS: block, cluster, site, named-site, region, paired or time."""
    fractions: Mapping[str, float]
    """Wanted share of patches by split name, above 0; sums to 1. `time` gives the first name the earliest years."""
    block_m: int
    """Side of a block in metres, for `block`; for windows a multiple of their size."""
    buffer_m: float
    """Least distance between footprints of different splits; nearer ones become one group (`cluster`) or `buffer`."""
    seed: int
    eps_m: float = 3_000
    """For `cluster`: centres at most this far apart are neighbours."""
    min_samples: int = 1
    """For `cluster`: neighbours, itself included, that a centre needs to carry a cluster on."""
    holdout: tuple[str, ...] = ()
    """For `region` and `time`: the regions or years that are `test`."""
    tolerance: float = 0.1
    """Realised shares of a range that are farther than this from the fractions are told."""


def check_numbers(rule: SplitRule) -> None:
    """SplitError that names the field of a rule that no split can follow."""
    fractions = dict(rule.fractions)
    if not (fractions and abs(sum(fractions.values()) - 1) < SUM_ERROR and min(fractions.values()) > 0):
        raise SplitError(f"Split fractions {fractions} must be above 0 and sum to 1.")
    if BUFFER in fractions:
        raise SplitError(f"No split can be called {BUFFER!r}: that is where rows too near to another split go.")
    for name, value, least in (
        ("block_m", rule.block_m, 1),
        ("buffer_m", rule.buffer_m, 0),
        ("eps_m", rule.eps_m, 0),
        ("min_samples", rule.min_samples, 1),
        ("tolerance", rule.tolerance, 0),
    ):
        if not (value >= least and isfinite(value)):
            raise SplitError(f"{name} is {value}; it must be at least {least}, and finite.")
    if rule.holdout and (rule.method not in ("region", "time") or TEST not in fractions):
        raise SplitError(f"Held-out {list(rule.holdout)} need method region or time and a split called {TEST!r}.")
