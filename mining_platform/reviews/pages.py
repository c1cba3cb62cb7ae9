"""The page on which people look at patches and decide: one HTML file without anything from elsewhere."""

from collections.abc import Callable, Mapping
from typing import Any

from mining_platform import figures
from mining_platform.datasets import caveat
from mining_platform.ranges import RANGES
from mining_platform.reviews.decision_files import COLUMNS
from mining_platform.reviews.decisions import relabel_choices
from mining_platform.reviews.desks import Desk, Proposal, decisions_on, described, take_down
from mining_platform.reviews.logs import Entry
from mining_platform.reviews.pictures import outline_svg, picture_jpeg, picture_png
from mining_platform.reviews.shown import Files, Picture, Shown, data_address, rendered

FILES = Files("review.html", ("review.css",), ("review_common.js", "review.js"))

Pictures = Callable[[str], Mapping[str, str]]
"""Patch id -> addresses of its `picture` and its `outline`."""


def shown_patches(desk: Desk) -> Shown[Entry]:
    """The patches of a desk, for a server."""

    def take(told: dict[str, str]) -> Entry:
        (entry,) = take_down(desk, [Proposal(**told)])
        return entry

    def picture(folder: str, name: str) -> Picture | None:
        return _picture(desk, folder, name)

    return Shown(
        page=lambda token: served_page(desk, token),
        decisions=lambda: {window_id: described(entry) for window_id, entry in decisions_on(desk).items()},
        fields=frozenset(COLUMNS),
        take=take,
        described=described,
        picture=picture,
    )


def _picture(desk: Desk, folder: str, patch_id: str) -> Picture | None:
    if folder not in ("pictures", "outlines") or patch_id not in desk.places:
        return None
    region, row = desk.places[patch_id]
    store = desk.stores[region].path
    if folder == "pictures":
        return Picture(picture_png(store, row), "image/png")
    return Picture(outline_svg(store, row), "image/svg+xml")


def served_page(desk: Desk, token: str) -> tuple[str, str]:
    """The page for a server that gives pictures on demand and takes decisions with `token`; and its content security policy."""

    def addresses(patch_id: str) -> dict[str, str]:
        region, _ = desk.places[patch_id]
        version = desk.stores[region].digest[:16]  # so that a browser's cache gives no picture of patches that are no more
        return {"picture": f"/pictures/{patch_id}.png?{version}", "outline": f"/outlines/{patch_id}.svg?{version}"}

    return _page(desk, addresses, token)


def static_page(desk: Desk) -> str:
    """The page with all pictures inside, which keeps decisions in the browser and gives them as a CSV file."""

    def inside(patch_id: str) -> dict[str, str]:
        region, row = desk.places[patch_id]
        store = desk.stores[region].path
        return {
            "picture": data_address("image/jpeg", picture_jpeg(store, row)),
            "outline": data_address("image/svg+xml", outline_svg(store, row)),
        }

    return _page(desk, inside, "")[0]


def _page(desk: Desk, pictures: Pictures, token: str) -> tuple[str, str]:
    title = figures.mark_title(f"Review of {desk.dataset.id}, {desk.year}", simulated=desk.simulated)
    of_ranges = desk.dataset.points is None
    return rendered(FILES, _data(desk, pictures), token, title=title, simulated=desk.simulated, of_ranges=of_ranges)


def _data(desk: Desk, pictures: Pictures) -> dict[str, Any]:
    """All that the script needs."""
    names = ("patch_id", "window_id", "region", "range", "map_range", "is_mining", "split")
    rows = desk.patches[[*names, "share"]].to_dict("records")
    items = [
        {
            **{name: row[name] for name in names},
            "share": None if row["share"] != row["share"] else round(row["share"], 6),
            **pictures(str(row["patch_id"])),
        }
        for row in rows
    ]
    return {
        "dataset": desk.dataset.id,
        "heading": f"{desk.dataset.title}, {desk.year}{caveat(desk.dataset)}",
        "year": desk.year,
        "seen": {region: store.digest for region, store in sorted(desk.stores.items())},
        "px": desk.dataset.px,
        "ranges": list(RANGES),
        "choices": list(relabel_choices(desk.dataset)),
        "columns": list(COLUMNS),
        "patches": items,
        "decisions": {window_id: described(entry) for window_id, entry in sorted(decisions_on(desk).items())},
    }
