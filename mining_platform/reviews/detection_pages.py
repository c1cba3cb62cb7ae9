"""The page on which people look at detections before and after, and decide: one HTML file without anything from elsewhere."""

from collections.abc import Callable, Sequence
from typing import Any

from mining_platform import figures
from mining_platform.reviews.detection_decisions import CHANGES, DetectionEntry
from mining_platform.reviews.detection_desks import (
    DetectionDesk,
    DetectionProposal,
    described_detection,
    detection_decisions_on,
    take_down_detections,
)
from mining_platform.reviews.detection_files import COLUMNS
from mining_platform.reviews.shown import Files, Picture, Shown, data_address, rendered

FILES = Files("review_detections.html", ("review.css", "review_detections.css"), ("review_common.js", "review_detections.js"))
MOST_PLACES = 5_000  # of a page; the largest
MOST_INSIDE = 300  # of a page that holds its pictures, about 80 kB a place
DECIMALS = 5  # of degrees, 1 m

Addresses = Callable[[int], dict[str, str]]
"""Row of the desk -> addresses of its pictures by year."""


def shown_detections(desk: DetectionDesk, *, small: bool) -> Shown[DetectionEntry]:
    """The outlines of a desk, for a server; `small` ones too, or those only that are published as places."""

    def take(told: dict[str, str]) -> DetectionEntry:
        (entry,) = take_down_detections(desk, [DetectionProposal(**told)])
        return entry

    return Shown(
        page=lambda token: _page(desk, rows_shown(desk, MOST_PLACES, small=small), _served(desk), token),
        decisions=lambda: _told(desk),
        fields=frozenset(COLUMNS),
        take=take,
        described=described_detection,
        picture=lambda folder, name: _picture(desk, folder, name),
    )


def static_detections(desk: DetectionDesk, *, small: bool) -> str:
    """The page of the MOST_INSIDE largest with their pictures inside; it keeps decisions in the browser, and gives a CSV file."""

    def inside(row: int) -> dict[str, str]:
        return {str(year): data_address("image/jpeg", jpeg) for year, jpeg in desk.views(row).pictures.items()}

    return _page(desk, rows_shown(desk, MOST_INSIDE, small=small), inside, "")[0]


def rows_shown(desk: DetectionDesk, most: int, *, small: bool) -> list[int]:
    """Numbers of the rows that a page shows, all that was decided on among them."""
    chosen = desk.places["is_large"] | desk.places["detection_id"].isin(detection_decisions_on(desk))
    return [int(row) for row in desk.places.index[chosen | small][:most]]


def _served(desk: DetectionDesk) -> Addresses:
    version = desk.shown.digest[:16]  # so that a browser's cache gives no picture of outlines that are no more
    return lambda row: {str(year): f"/pictures/{row}-{year}.jpg?{version}" for year in desk.pictures}


def _picture(desk: DetectionDesk, folder: str, name: str) -> Picture | None:
    row, _, year = name.partition("-")
    if folder != "pictures" or not (row.isdecimal() and year.isdecimal()) or int(row) >= len(desk.places):
        return None
    found = desk.views(int(row)).pictures.get(int(year))
    return Picture(found, "image/jpeg") if found else None


def _page(desk: DetectionDesk, rows: Sequence[int], addresses: Addresses, token: str) -> tuple[str, str]:
    what = "New mining" if desk.asset == CHANGES else "Detections"
    title = figures.mark_title(f"{what} to review: {desk.region.name}, {desk.year}", simulated=desk.simulated)
    return rendered(FILES, _data(desk, rows, addresses), token, title=title, simulated=desk.simulated)


def _data(desk: DetectionDesk, rows: Sequence[int], addresses: Addresses) -> dict[str, Any]:
    """All that the script needs."""
    return {
        "region": desk.region.id,
        "year": desk.year,
        "asset": desk.asset,
        "seen": desk.shown.digest,
        "total": len(desk.places),
        "maps": not desk.mosaics,
        "columns": list(COLUMNS),
        "places": [_place(desk, row, addresses) for row in rows],
        "decisions": _told(desk),
    }


def _place(desk: DetectionDesk, row: int, addresses: Addresses) -> dict[str, Any]:
    place, views = desk.places.iloc[row], desk.frame(row)
    middle = place.geometry.representative_point()
    return {
        "detection_id": place["detection_id"],
        "area_ha": round(float(place["area_ha"]), 3),
        "lon": round(middle.x, DECIMALS),
        "lat": round(middle.y, DECIMALS),
        "outline": views.outline,
        "side_m": views.side_m,
        "pictures": addresses(row),
    }


def _told(desk: DetectionDesk) -> dict[str, Any]:
    return {detection_id: described_detection(entry) for detection_id, entry in sorted(detection_decisions_on(desk).items())}
