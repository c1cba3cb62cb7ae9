"""The page on which people look at patches and decide: one HTML file without anything from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from mining_platform import figures
from mining_platform.datasets import RANGES, caveat
from mining_platform.reviews.decisions import LONGEST_REASON, LONGEST_REVIEWER, relabel_choices
from mining_platform.reviews.desks import Desk, decisions_on, described
from mining_platform.reviews.pictures import outline_svg, picture_jpeg

TEMPLATES = Path(__file__).parents[1] / "templates"

Pictures = Callable[[str], Mapping[str, str]]
"""Patch id -> addresses of its `picture` and its `outline`."""


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
            "picture": _data_address("image/jpeg", picture_jpeg(store, row)),
            "outline": _data_address("image/svg+xml", outline_svg(store, row)),
        }

    return _page(desk, inside, "")[0]


def _data_address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _page(desk: Desk, pictures: Pictures, token: str) -> tuple[str, str]:
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("review.css", "review.js"))
    policy = _policy(style, script, served=bool(token))
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), trim_blocks=True)
    title = figures.mark_title(f"Review of {desk.dataset.id}, {desk.year}", simulated=desk.simulated)
    page = environment.get_template("review.html").render(
        title=title,
        simulated=desk.simulated,
        served=bool(token),
        of_ranges=desk.dataset.points is None,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        data=Markup(_json_inside(_data(desk, pictures, token))),
        longest={"reviewer": LONGEST_REVIEWER, "reason": LONGEST_REASON},
    )
    return page, policy


def _policy(style: str, script: str, *, served: bool) -> str:
    """Content security policy: nothing but the page's own style and script, by their hashes, and its own pictures."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    own = "'self'" if served else "data:"
    rules = [f"style-src 'sha256-{hashes[0]}'", f"script-src 'sha256-{hashes[1]}'", f"img-src {own}"]
    rules += ["connect-src 'self'"] if served else []
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _json_inside(value: Any) -> str:
    """JSON that cannot end the element it stands in: `<`, `>` and `&` are escaped."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(desk: Desk, pictures: Pictures, token: str) -> dict[str, Any]:
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
        "token": token,
        "px": desk.dataset.px,
        "ranges": list(RANGES),
        "choices": list(relabel_choices(desk.dataset)),
        "patches": items,
        "decisions": {window_id: described(entry) for window_id, entry in sorted(decisions_on(desk).items())},
    }
