"""Which regions the numbers of a year are of, and which are not in them although somebody might look for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from mining_platform.regions import Region


@dataclass(frozen=True)
class ToldRegions:
    """The monitored regions of one year, each sorted by id."""

    regions: tuple[Region, ...]
    """Those that declare the year; where some of these are real, no simulated ones, whose hectares are nobody's ground."""
    simulated: tuple[Region, ...]
    """Those that declare it and are left out as simulated."""
    ended: tuple[Region, ...]
    """Those of the kind that is told that were followed before the year and do not declare it."""

    def last_years(self, year: int) -> dict[str, int]:
        """Of those that ended, by id: the last year before `year` that they declare."""
        return {each.id: max(other for other in each.years if other < year) for each in self.ended}


def told_regions(monitored: Iterable[Region], year: int) -> ToldRegions:
    """The monitored regions of a year."""
    regions = sorted(monitored, key=lambda region: region.id)
    of_year = [each for each in regions if year in each.years]
    told = [each for each in of_year if not each.simulated] or of_year
    others = [each for each in of_year if each not in told]
    fit = [each for each in regions if not told or each.simulated == told[0].simulated]
    ended = [each for each in fit if year not in each.years and min(each.years) < year]
    return ToldRegions(tuple(told), tuple(others), tuple(ended))
