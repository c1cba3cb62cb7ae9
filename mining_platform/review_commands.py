"""The command with which people look at patches and decide on them, in a browser or by files."""

from collections.abc import Iterable
from typing import Annotated

import typer

from mining_platform import datasets
from mining_platform.consoles import CommandError, console
from mining_platform.dataset_rows import Dataset
from mining_platform.options import Json, words
from mining_platform.review_options import Apply, ForSeconds, ListAll, NoBrowser, Port, Static, check_one_task
from mining_platform.review_serving import print_history, print_taken, served, tell_torn, told_of, write_page
from mining_platform.reviews.decision_files import read_proposals
from mining_platform.reviews.desks import described, open_desk, take_down
from mining_platform.reviews.logs import Entry, dataset_log, read_log
from mining_platform.reviews.pages import shown_patches, static_page
from mining_platform.reviews.publishing import publish_reviews
from mining_platform.reviews.tables import in_force
from mining_platform.runs import Session
from mining_platform.sessions import open_session

PORT = 3010


def review(  # noqa: PLR0913 - the options of a command
    dataset: Annotated[str, typer.Option(help="Id of a dataset; `mining-platform datasets` lists them.")],
    year: Annotated[int, typer.Option(help="Year of the patches.")],
    region: Annotated[str, typer.Option(help="Region ids, separated by commas; default all that have patches.")] = "",
    port: Port = PORT,
    no_browser: NoBrowser = False,
    for_seconds: ForSeconds = None,
    static: Static = None,
    apply: Apply = None,
    list_all: ListAll = False,
    as_json: Json = False,
) -> None:
    """Look at the patches of a dataset and accept, reject or relabel them; samples and manifests honour what was decided."""
    check_one_task(static, apply, list_all)
    row, region_ids = _row(dataset, year), _regions(dataset, words(region))
    with open_session() as session:
        log = dataset_log(session.platform, row.id)
        tell_torn(log, read_log(log).torn)
        publish(session, row, year, row.regions)  # what an earlier start could not publish any more
        if list_all:
            _print_decisions(session, row, year, region_ids, as_json=as_json)
        elif static is not None:
            desk = open_desk(session.platform, row, year, region_ids)
            command = f"mining-platform review --dataset {dataset} --year {year}"
            write_page(static, lambda: static_page(desk), f"{len(desk.patches)} patches", command)
        elif apply is not None:
            entries = take_down(open_desk(session.platform, row, year, region_ids), read_proposals(apply), seen=False)
            _publish_taken(session, row, year, entries, as_json=as_json)
        else:
            desk = open_desk(session.platform, row, year, region_ids)
            entries = served(
                shown_patches(desk),
                port,
                lambda some: publish(session, row, year, {entry.region for entry in some}),
                what=f"{len(desk.patches)} patches",
                no_browser=no_browser,
                for_seconds=for_seconds,
            )
            _publish_taken(session, row, year, entries, as_json=False)


def _row(dataset_id: str, year: int) -> Dataset:
    try:
        row = datasets.dataset(dataset_id)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None
    if year not in row.years:
        raise CommandError(f"{dataset_id} has the years {', '.join(map(str, row.years))}, not {year}.")
    return row


def _regions(dataset_id: str, region_ids: tuple[str, ...]) -> tuple[str, ...]:
    known = datasets.dataset(dataset_id).regions
    if unknown := sorted(set(region_ids) - set(known)):
        raise CommandError(f"{dataset_id} has no region {', '.join(unknown)}; it has {', '.join(known)}.")
    return region_ids


def publish(session: Session, row: Dataset, year: int, region_ids: Iterable[str]) -> dict[str, str]:
    """Publish the decisions of regions where there are new ones, and tell the orchestrator; digests by partition."""
    known = [region_id for region_id in sorted(region_ids) if region_id in session.platform.regions]
    return told_of(session, (publish_reviews(session.platform, row.id, region_id, year) for region_id in known))


def _publish_taken(session: Session, row: Dataset, year: int, entries: list[Entry], *, as_json: bool) -> None:
    """Publish what was decided, and say what came of it."""

    def publish_regions() -> dict[str, str]:
        return publish(session, row, year, {entry.region for entry in entries})

    print_taken(publish_regions, entries, described, command="mining-platform review", as_json=as_json)
    if entries and not as_json:
        console.print(
            f"What they change is made by: mining-platform materialize --assets {row.id} --years {row.release_of(year)}"
        )


def _print_decisions(session: Session, row: Dataset, year: int, region_ids: tuple[str, ...], *, as_json: bool) -> None:
    entries = [
        entry
        for entry in read_log(dataset_log(session.platform, row.id)).entries
        if entry.year == year and entry.region in (region_ids or row.regions)
    ]
    standing, history = ([described(entry) for entry in each] for each in (in_force(entries), entries))
    heading = f"{len(standing)} windows of {row.id} in {year} are decided on:"
    print_history(standing, history, heading, as_json=as_json)
