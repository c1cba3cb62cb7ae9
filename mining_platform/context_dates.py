"""Whether OpenStreetMap is told as of the imagery's time: an extract of today shows roads that were not there."""

from datetime import date, datetime, timedelta

from mining_platform.artifacts import Artifact
from mining_platform.pipeline import Platform, key_parts
from mining_platform.verdicts import Verdict

MAX_GAP_DAYS = 365


def date_gap(extract_date: str, year: int) -> timedelta:
    """Time between an extract's data (ISO 8601) and the nearest day of the imagery's year; none where it is of that year.

    Negative where the extract is older. ValueError for a text that is no date.
    """
    day = datetime.fromisoformat(extract_date).date()
    if day.year == year:
        return timedelta(0)
    return day - (date(year, 12, 31) if day.year > year else date(year, 1, 1))


def the_extract_is_of_the_imagerys_time(_platform: Platform, context: Artifact) -> Verdict:
    """OpenStreetMap's data are of the imagery's year, or at most a year away from it."""
    _, year = key_parts(context.ref.partition)
    told = context.facts["date"]
    if not told:
        remedy = "write it as 'date' into the region file's 'context'"
        return Verdict(False, f"nobody says of which day the extract is; {remedy}", {"date": "", "year": int(year)})
    gap = date_gap(told, int(year)).days
    words = f"{abs(gap)} days {'after' if gap > 0 else 'before'} the imagery's year {year}" if gap else f"of the year {year}"
    remedy = "" if abs(gap) <= MAX_GAP_DAYS else "; name an extract of that time: 'href' may hold the year"
    numbers = {"date": told, "year": int(year), "gap_days": gap}
    return Verdict(abs(gap) <= MAX_GAP_DAYS, f"the extract is {words}{remedy}", numbers)
