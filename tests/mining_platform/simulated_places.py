"""One made-up place for the tests of the simulator's parts: 8 km of the landscape that the archive would draw there."""

from functools import lru_cache
from pathlib import Path

from shapely.geometry import box

from mining_platform.regions import Region
from mining_platform.simulation.calendar import plan_scenes
from mining_platform.simulation.grounds import year_grounds
from mining_platform.simulation.landscape import canvas_of
from mining_platform.simulation.places import Place

SEED = 7
YEARS = (2018, 2024)
DATES_A_YEAR = 16


def place_region(side_deg: float = 0.07, *, region_id: str = "middle", name: str = "Médio (SIMULATED)") -> Region:
    west, south = -55.2, -6.4
    outline = box(west, south, west + side_deg, south + side_deg)
    return Region(region_id, name, "BR", YEARS, 32721, "full", None, None, outline)


@lru_cache(maxsize=1)
def middle_place() -> Place:
    return made_place(place_region(), SEED)


def made_place(region: Region, seed: int, *, years: tuple[int, ...] = YEARS, land_cover: Path | None = None) -> Place:
    canvas, land, seen_in, centre = canvas_of(region), None, {}, region.geometry.centroid
    for year, seen, land in year_grounds(region, canvas, years, seed, land_cover):  # noqa: B007 - the last landscape is kept
        seen_in[year] = seen
    told = {"longitude": centre.x, "latitude": centre.y, "dates_per_year": DATES_A_YEAR, "seed": seed}
    return Place(region, canvas, seed, land, seen_in, {year: plan_scenes(region.id, year, **told) for year in years})
