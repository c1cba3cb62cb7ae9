"""The yearly refresh: what of a year it makes. The schedule and `mining-platform refresh` both ask here."""

from collections.abc import Iterable, Mapping

from mining_platform.experiments import YEARLY
from mining_platform.plans import Selection
from mining_platform.regions import Region, RegionError
from mining_platform.told_regions import told_regions


def regions_of_year(regions: Mapping[str, Region], year: int) -> tuple[str, ...]:
    """Ids of the regions that declare a year, sorted; none where it is beyond all of their sources."""
    return tuple(sorted(region.id for region in regions.values() if year in region.years))


def refresh_selection(region_ids: Iterable[str], year: int) -> Selection:
    """Everything of a year in some regions, but for experiments that are studies; models of other years stay as they are."""
    return Selection(regions=tuple(region_ids), years=(year,), experiments=YEARLY, models_of_other_years=False)


def chosen_regions(regions: Mapping[str, Region], year: int, wanted: Iterable[str] = ()) -> tuple[str, ...]:
    """Of the regions that declare a year those that are wanted, or all where none is named.

    RegionError where no region declares the year, or a wanted one is not among those that do.
    """
    known, named = regions_of_year(regions, year), tuple(wanted)
    if not known:
        raise RegionError(beyond(regions, year))
    strangers = sorted(set(named) - set(known))
    if strangers:
        raise RegionError(
            f"Of {year} nothing is declared for {', '.join(strangers)}. Regions that declare it: {', '.join(known)}. "
            "Add the year to the region in the region file if its source has it."
        )
    return tuple(region_id for region_id in known if not named or region_id in named)


def ended(regions: Mapping[str, Region], year: int) -> str:
    """A sentence that names monitored regions which were followed before a year and do not declare it; empty where none is."""
    told = told_regions([each for each in regions.values() if each.monitoring], year).last_years(year)
    named = ", ".join(f"{region_id} (until {last})" for region_id, last in told.items())
    if not named:
        return ""
    return f"Not refreshed, since {year} is not among their years: {named}. Add it in the region file if their sources have it."


def beyond(regions: Mapping[str, Region], year: int) -> str:
    """Why nothing of a year can be made where no region declares it: where land cover ends, and what to do."""
    last = {region.id: region.land_cover.years[1] for region in regions.values() if region.land_cover}
    sources = ", ".join(f"{region_id} to {end}" for region_id, end in sorted(last.items()))
    return (
        f"No region declares {year}; their land cover ends earlier ({sources}). "
        "Add the year to the regions, and to the datasets, once their sources have it."
    )
