"""The command with which people look at detections before and after and decide on them, in a browser or by files."""

from typing import Annotated

import typer

from mining_platform.consoles import CommandError, console
from mining_platform.monitoring_steps import required_monitoring
from mining_platform.options import Json
from mining_platform.review_options import Apply, ForSeconds, ListAll, NoBrowser, Port, Static, check_one_task
from mining_platform.review_serving import print_history, print_taken, served, tell_torn, told_of, write_page
from mining_platform.reviews.detection_decisions import (
    CHANGES,
    SHOWN,
    DetectionEntry,
    detection_log,
    read_detection_log,
    standing,
)
from mining_platform.reviews.detection_desks import DetectionDesk, described_detection, open_detection_desk, take_down_detections
from mining_platform.reviews.detection_files import read_detection_proposals
from mining_platform.reviews.detection_pages import MOST_INSIDE, MOST_PLACES, rows_shown, shown_detections, static_detections
from mining_platform.reviews.detection_publishing import publish_detection_reviews
from mining_platform.reviews.log_places import Place
from mining_platform.runs import Session
from mining_platform.sessions import open_session

PORT = 3011


def review_detections(  # noqa: PLR0913 - the options of a command
    region: Annotated[str, typer.Option(help="Id of a monitored region.")],
    year: Annotated[int, typer.Option(help="Year of the maps.")],
    of: Annotated[
        str, typer.Option(help="What to look at: `changes`, the new mining of the year, or `detections`, all found in it.")
    ] = CHANGES,
    small: Annotated[
        bool, typer.Option("--small", help="Show also outlines up to the least area of places. Files may name them in any case.")
    ] = False,
    port: Port = PORT,
    no_browser: NoBrowser = False,
    for_seconds: ForSeconds = None,
    static: Static = None,
    apply: Apply = None,
    list_all: ListAll = False,
    as_json: Json = False,
) -> None:
    """Look at the new mining of a year, confirm places or reject false alarms; maps and reports made afterwards honour it."""
    check_one_task(static, apply, list_all)
    if of not in SHOWN:
        raise CommandError(f"--of is one of {', '.join(SHOWN)}, not {of!r}.")
    with open_session() as session:
        _check(session, region, year)
        log = detection_log(session.platform, region)
        tell_torn(log, read_detection_log(log).torn)
        _publish(session, region, year)  # what an earlier start could not publish any more
        if list_all:
            _print_decisions(log, region, year, as_json=as_json)
            return
        desk = open_detection_desk(session.platform, session.platform.regions[region], year, of)
        command = f"mining-platform review-detections --region {region} --year {year} --of {of}"
        if static is not None:
            what = _shown(desk, MOST_INSIDE, small=small)
            write_page(static, lambda: static_detections(desk, small=small), what, command)
        elif apply is not None:
            entries = take_down_detections(desk, read_detection_proposals(apply), seen=False)
            _tell(session, desk, entries, as_json=as_json)
        else:
            entries = served(
                shown_detections(desk, small=small),
                port,
                lambda _some: _publish(session, region, year),
                what=_shown(desk, MOST_PLACES, small=small),
                no_browser=no_browser,
                for_seconds=for_seconds,
            )
            _tell(session, desk, entries, as_json=False)


def _check(session: Session, region_id: str, year: int) -> None:
    regions = session.platform.regions
    if region_id not in regions:
        raise CommandError(f"There is no region {region_id!r}. `mining-platform regions list` lists them.")
    required_monitoring(regions[region_id])
    if year not in regions[region_id].years:
        raise CommandError(f"{region_id} has the years {', '.join(map(str, regions[region_id].years))}, not {year}.")


def _shown(desk: DetectionDesk, most: int, *, small: bool) -> str:
    shown = len(rows_shown(desk, most, small=small))
    more = "" if small or shown == len(desk.places) else "; --small shows small ones too"
    return f"{shown} of {len(desk.places)} outlines of {desk.region.id} in {desk.year}{more}"


def _publish(session: Session, region_id: str, year: int) -> dict[str, str]:
    return told_of(session, [publish_detection_reviews(session.platform, region_id, year)])


def _print_decisions(log: Place, region_id: str, year: int, *, as_json: bool) -> None:
    entries = [entry for entry in read_detection_log(log).entries if entry.year == year]
    kept, history = ([described_detection(entry) for entry in each] for each in (standing(entries), entries))
    print_history(kept, history, f"{len(kept)} outlines of {region_id} in {year} are decided on:", as_json=as_json)


def _tell(session: Session, desk: DetectionDesk, entries: list[DetectionEntry], *, as_json: bool) -> None:
    """Publish what was decided, and say what came of it."""
    region_id, year = desk.region.id, desk.year
    command = f"mining-platform review-detections --region {region_id} --year {year}"
    print_taken(lambda: _publish(session, region_id, year), entries, described_detection, command=command, as_json=as_json)
    if entries and not as_json:
        console.print("What they change is made by: mining-platform materialize --stale --assets annual_report")
