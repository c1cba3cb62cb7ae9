"""The Legal Amazon and the whole Amazon on paper: the tables of docs/scale.md, from the shipped rates.

`python -m benchmarks.scale` prints them. Nothing is read or made: areas times the rates of `mining_platform/reference_rates.py`,
by the units of `mining_platform/sizes.py`. A test holds the page to what is printed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mining_platform.chunks import CHUNK_PX
from mining_platform.mosaics import GROUP_SIDE
from mining_platform.reference_rates import REFERENCE, REFERENCE_RATES
from mining_platform.sizes import DAYS_A_YEAR, MAP_PIXEL_M, TILE_KM2, chunks_of_window
from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE

PIXELS_A_KM2 = 10_000  # of 10 m
CHANNELS = 12
BYTES_A_VALUE = 2
WINDOWS, WINDOW_PX = 2_600, 128  # the first document's quotas
HOUR_S = 3600
DAYS = 7
"""Within which a refresh is to be done, for the number of machines."""
REGION_KM2 = 100.0**2
"""Of a region where a zone's mosaic would be one partition of 10^10 pixels: about a tile of Sentinel-2."""


@dataclass(frozen=True)
class Scenario:
    """One way to cover an area for a year."""

    name: str
    km2: float
    """Legal Amazon 5.0 million (IBGE 2022: 5,015,146); the Amazon of Amazon Mining Watch and RAISG, 8.2 million."""
    composites: int
    """Mosaics of a place in a year; the year's scenes are shared out among them."""
    sampled: bool
    """Only the chunks that the windows of one dataset touch."""

    @property
    def pixels(self) -> float:
        """Pixels of one composite."""
        if self.sampled:
            return WINDOWS * chunks_of_window(WINDOW_PX) * CHUNK_PX**2
        return self.km2 * PIXELS_A_KM2

    @property
    def values(self) -> float:
        """Pixels x channels x scenes of all composites of a year: as many whether in one or in four."""
        return self.pixels * CHANNELS * DAYS_A_YEAR

    @property
    def requests(self) -> float:
        """Composites that Earth Engine is asked for: one a group of chunks, or a chunk that stands alone."""
        return self.composites * self.pixels / ((1 if self.sampled else GROUP_SIDE**2) * CHUNK_PX**2)


SCENARIOS = (
    Scenario("Legal Amazon, sampled, yearly", 5.0e6, 1, sampled=True),
    Scenario("Legal Amazon, full, yearly", 5.0e6, 1, sampled=False),
    Scenario("Amazon, full, quarterly", 8.2e6, 4, sampled=False),
)


def _hours(kind: str, size: float) -> float:
    return REFERENCE_RATES[kind].seconds_of(size) / HOUR_S


def hours(case: Scenario) -> dict[str, float]:
    """Hours of the rates' machine by stage, one after another, for a year."""
    windows = case.km2 / (WINDOW_PX * 10 / 1000) ** 2
    scored = 0.0 if case.sampled else case.composites * _hours("detections", case.pixels)
    followed = 0.0 if case.sampled else case.composites * _hours("changes", case.pixels)
    return {
        "land_cover": _hours("land_cover", case.km2 * 1e6 / MAP_PIXEL_M**2),
        "candidates": _hours("candidates", windows),
        "mosaic": _hours("mosaic", case.values),
        "label": _hours("label", case.pixels),
        "patches": _hours("patches", WINDOWS * WINDOW_PX**2),
        "detections": scored,
        "changes": followed,
    }


def written_bytes(case: Scenario) -> float:
    """Bytes of the mosaics of a year, as they compress on simulated pixels."""
    return case.composites * REFERENCE_RATES["mosaic"].bytes.at(case.pixels * CHANNELS)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def totals() -> str:
    """What each scenario takes."""
    rows = [
        (
            case.name,
            f"{DAYS_A_YEAR * case.km2 / TILE_KM2:,.0f}",
            f"{case.composites * case.pixels / CHUNK_PX**2:,.0f}",
            f"{case.values * BYTES_A_VALUE / 1e12:,.1f}",
            f"{written_bytes(case) / 1e12:,.2f}",
            f"{case.requests:,.0f}",
            f"{EECU_S_PER_GIGAVALUE * case.values / 1e9 / HOUR_S:,.0f}",
            f"{sum(hours(case).values()):,.0f}",
            f"{max(1, round(sum(hours(case).values()) / (24 * DAYS))):,}",
        )
        for case in SCENARIOS
    ]
    columns = ("scenes", "chunks", "TB of pixels read", "TB written", "requests", "EECU-hours", "hours of one machine")
    return table(("a year of", *columns, f"machines for {DAYS} days"), rows)


def stages() -> str:
    """Hours by stage."""
    found = [hours(case) for case in SCENARIOS]
    rows = [(stage, *(f"{each[stage]:,.2f}" for each in found)) for stage in found[0]]
    return table(("stage", *(case.name for case in SCENARIOS)), rows)


def partitions() -> str:
    """How many partitions that is, by zone and by squares of REGION_KM2, with ten assets for a region."""
    rows = []
    for case in SCENARIOS:
        zones, squares = 6 if case.km2 < 6e6 else 8, round(case.km2 / REGION_KM2)
        rows.append((case.name, f"{zones * case.composites * 10:,}", f"{squares:,}", f"{squares * case.composites * 10:,}"))
    return table(("a year of", "partitions by UTM zone", "squares of 100 km", "partitions by square"), rows)


def tables() -> tuple[str, ...]:
    """All tables of the page."""
    return totals(), stages(), partitions()


def main() -> None:
    """Print the tables."""
    print(f"Rates: {REFERENCE}\n")
    print("\n\n".join(tables()))


if __name__ == "__main__":
    main()
