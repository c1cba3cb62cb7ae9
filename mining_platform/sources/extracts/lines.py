"""Lines of ways that an extract holds only in part, as it does where ways cross its edge."""

from collections.abc import Sequence

import shapely


def lines_between(places: Sequence[tuple[float, float] | None]) -> shapely.Geometry | None:
    """Lines through runs of at least two known places (longitude, latitude); None where there is none."""
    runs: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(place)
    lines = [shapely.LineString(run) for run in runs if len(set(run)) > 1]
    return shapely.MultiLineString(lines) if len(lines) > 1 else next(iter(lines), None)
