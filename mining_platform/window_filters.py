"""Which windows a dataset may use at all: valid enough, near or far enough from mining, inside or outside territories."""

import math
from dataclasses import dataclass
from typing import Literal

TOO_LITTLE_VALID = "valid share below the limit"
TOO_NEAR_OR_FAR = "nearer to mining, or farther from it, than the limits"


@dataclass(frozen=True)
class Territory:
    """A place that windows have to lie in, or may not touch."""

    name: str
    href: str
    """GeoJSON of polygons in EPSG:4326; `${MINING_PLATFORM_...}` stands for that variable."""
    side: Literal["inside", "outside"]

    @property
    def reason(self) -> str:
        """Why a window on the wrong side is refused."""
        return f"not inside {self.name}" if self.side == "inside" else f"not outside {self.name}"


@dataclass(frozen=True)
class WindowFilter:
    """What a window has to be for a dataset to use it."""

    min_valid_share: float
    """Least share of the window's area with a land-cover class, 0 to 1; looked at where there is a map."""
    min_mining_distance_m: float = 0.0
    """For windows without mining: least distance of the footprint to that of the nearest with mining."""
    max_mining_distance_m: float = math.inf
    """For windows without mining: largest such distance; infinite also lets windows pass where there is no mining at all."""
    territories: tuple[Territory, ...] = ()

    def __post_init__(self) -> None:
        """ValueError for limits that no window can keep."""
        if not 0 <= self.min_valid_share <= 1:
            raise ValueError(f"min_valid_share {self.min_valid_share} is no share; write a number from 0 to 1.")
        if not 0 <= self.min_mining_distance_m <= self.max_mining_distance_m:
            raise ValueError(
                f"Distances from mining of {self.min_mining_distance_m} to {self.max_mining_distance_m} m leave no window; "
                "write 0 <= min_mining_distance_m <= max_mining_distance_m."
            )
        wrong = [each.name for each in self.territories if each.side not in ("inside", "outside")]
        if wrong:
            raise ValueError(f"Territories {wrong} have neither side 'inside' nor 'outside'.")
