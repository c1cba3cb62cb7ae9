"""Which edition of a remote map was last seen by whoever looks for changed sources, beside the artifacts' own records.

A map behind a URL has its place alone as fingerprint, so that planning asks no network. Its edition (size, entity tag, time) is a
fact of what was read. Once a look finds another edition than was read, it is noted here; from then on the note is part of the
fingerprint, and the planner sees the map as stale until it is made of that edition.
"""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform import homes
from mining_platform.regions import YEAR_PLACEHOLDER, LandCover
from mining_platform.sources.protocol import SourceError
from mining_platform.store import durable

Edition = Mapping[str, Any]
"""`bytes`, `etag` or `last_modified`."""

_NAME = "source_editions.json"
_writing = threading.Lock()


def editions_path() -> Path:
    """The file of this installation's notes."""
    return homes.notes_path() / _NAME


def _earlier_path() -> Path:
    """Where installations had it before it lay in a folder that others can share."""
    return homes.platform_home() / _NAME


def place_of(cover: LandCover, year: int) -> str:
    """The place of a year's map as the region file writes it, variables left in: it holds no secret."""
    return cover.href.replace(YEAR_PLACEHOLDER, str(year))


def noted_edition(cover: LandCover, year: int) -> dict[str, Any]:
    """`edition` of a year's map where one was noted, else nothing: for the map's fingerprint."""
    noted = noted_editions().get(place_of(cover, year))
    return {"edition": noted} if noted else {}


def noted_editions() -> dict[str, Edition]:
    """All notes by place; SourceError naming the file where it is damaged."""
    return {**_read(_earlier_path()), **_read(editions_path())}  # in this order, for a writer moves the earlier ones


def _read(path: Path) -> dict[str, Edition]:
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        noted = None
    if not isinstance(noted, dict):
        raise SourceError(f"{path} is no table of editions. Remove it: maps that changed are noted again at the next look.")
    return noted


def note_editions(editions: Mapping[str, Edition]) -> None:
    """Note editions by place, beside those that are there."""
    if not editions:
        return
    with _writing:
        path = editions_path()
        durable.make_directory(path.parent)
        merged = {**noted_editions(), **{place: dict(edition) for place, edition in editions.items()}}
        durable.write(path, json.dumps(merged, indent=1, sort_keys=True).encode())
        _earlier_path().unlink(missing_ok=True)
