"""The command with which people look at patches and decide on them, in a browser or by files."""

import time
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform import datasets, servers
from mining_platform.artifacts import ArtifactError
from mining_platform.consoles import CommandError, console, errors, print_rows
from mining_platform.datasets import Dataset
from mining_platform.lineage import LineageError
from mining_platform.options import words
from mining_platform.reviews.decision_files import read_proposals
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.desks import Desk, described, open_desk, take_down
from mining_platform.reviews.logs import Entry, log_path, read_log
from mining_platform.reviews.pages import static_page
from mining_platform.reviews.publishing import publish_reviews
from mining_platform.reviews.server import ReviewServer, serve
from mining_platform.reviews.tables import in_force
from mining_platform.runs import Session
from mining_platform.sessions import open_session
from mining_platform.store import durable

PORT = 3010


def review(  # noqa: PLR0913 - the options of a command
    dataset: Annotated[str, typer.Option(help="Id of a dataset; `mining-platform datasets` lists them.")],
    year: Annotated[int, typer.Option(help="Year of the patches.")],
    region: Annotated[str, typer.Option(help="Region ids, separated by commas; default all that have patches.")] = "",
    port: Annotated[int, typer.Option(help="Port of the page on 127.0.0.1; 0 takes a free one.")] = PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
    for_seconds: Annotated[float | None, typer.Option(help="Stop serving after so long.")] = None,
    static: Annotated[
        Path | None, typer.Option(help="Write the page with all pictures inside, OUT.html, instead of serving it.")
    ] = None,
    apply: Annotated[Path | None, typer.Option(help="Take in the decisions of a CSV file, as such a page gives it.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Print the decisions in force and all there were.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look at the patches of a dataset and accept, reject or relabel them; samples and manifests honour what was decided."""
    if sum((static is not None, apply is not None, list_all)) > 1:
        raise CommandError("Choose one of --static, --apply and --list.")
    row, region_ids = _row(dataset, year), _regions(dataset, words(region))
    with open_session() as session:
        _tell_torn(session, row)
        publish(session, row, year, row.regions)  # what an earlier start could not publish any more
        if list_all:
            _print_decisions(session, row, year, region_ids, as_json=as_json)
        elif static is not None:
            _write_static(open_desk(session.platform, row, year, region_ids), static)
        elif apply is not None:
            entries = take_down(open_desk(session.platform, row, year, region_ids), read_proposals(apply), seen=False)
            _publish_taken(session, row, year, entries, as_json=as_json)
        else:
            _serve(session, open_desk(session.platform, row, year, region_ids), port, no_browser, for_seconds)


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


def _tell_torn(session: Session, row: Dataset) -> None:
    path = log_path(session.platform.home, row.id)
    if torn := read_log(path).torn:
        told = f"The last line of {path} is torn ({len(torn)} bytes): a crash cut it off, it was no decision yet."
        errors.print(f"[yellow]note[/yellow] {escape(told)} All lines before it stand.")


def publish(session: Session, row: Dataset, year: int, region_ids: Iterable[str]) -> dict[str, str]:
    """Publish the decisions of regions where there are new ones, and tell the orchestrator; digests by partition."""
    digests = {}
    for region_id in sorted(region_ids):
        if region_id not in session.platform.regions:
            continue
        made = publish_reviews(session.platform, row.id, region_id, year)
        if made is not None:
            session.tell(made.ref, made.digest, made.facts)
            digests[str(made.ref)] = made.digest
    return digests


def _serve(session: Session, desk: Desk, port: int, no_browser: bool, for_seconds: float | None) -> None:
    row, year = desk.dataset, desk.year
    try:
        server = ReviewServer(desk, port)
    except OSError as error:
        raise CommandError(f"Port {port} cannot be used: {error.strerror or error}. Choose another with --port.") from None

    def publish_some(region_ids: set[str]) -> None:
        try:
            publish(session, row, year, region_ids)
        except (ArtifactError, LineageError, ReviewError) as error:
            errors.print(f"[yellow]note[/yellow] the decisions are kept, but not published yet: {escape(str(error))}")

    with servers.stopping() as stopped:
        console.print(f"Review of {len(desk.patches)} patches: {server.url} (stop with Ctrl-C)")
        if not no_browser:
            webbrowser.open(server.url)
        end = None if for_seconds is None else time.monotonic() + for_seconds
        entries = serve(server, publish_some, lambda: bool(stopped) or (end is not None and time.monotonic() > end))
    _publish_taken(session, row, year, entries, as_json=False)


def _write_static(desk: Desk, out: Path) -> None:
    if not out.parent.is_dir():
        raise CommandError(f"There is no folder {out.parent} to write {out.name} into.")
    durable.write(out, static_page(desk).encode())
    console.print(f"Written: {out} ({out.stat().st_size / 1e6:.1f} MB, {len(desk.patches)} patches)")
    console.print(
        f"Take its decisions in with: mining-platform review --dataset {desk.dataset.id} --year {desk.year} --apply FILE.csv"
    )


def _publish_taken(session: Session, row: Dataset, year: int, entries: list[Entry], *, as_json: bool) -> None:
    """Publish what was decided, and say what came of it."""
    try:
        digests = publish(session, row, year, {entry.region for entry in entries})
    except (ArtifactError, LineageError, ReviewError) as error:
        kept = f"{len(entries)} decisions are taken down, but not published yet: {error}"
        raise CommandError(f"{kept} Once that is mended, `mining-platform review --list` publishes them.") from error
    if as_json:
        console.print_json(data={"decisions": [described(entry) for entry in entries], "published": digests})
        return
    console.print(f"{len(entries)} decisions taken down.")
    for ref, digest in digests.items():
        console.print(f"Published: {ref} {digest[:12]}")
    if entries:
        console.print(
            f"What they change is made by: mining-platform materialize --assets {row.id} --years {row.release_of(year)}"
        )


def _print_decisions(session: Session, row: Dataset, year: int, region_ids: tuple[str, ...], *, as_json: bool) -> None:
    entries = [
        entry
        for entry in read_log(log_path(session.platform.home, row.id)).entries
        if entry.year == year and entry.region in (region_ids or row.regions)
    ]
    standing: list[dict[str, Any]] = [described(entry) for entry in in_force(entries)]
    if as_json:
        console.print_json(data={"in_force": standing, "history": [described(entry) for entry in entries]})
        return
    console.print(f"{len(standing)} windows of {row.id} in {year} are decided on:")
    print_rows(standing, as_json=False)
    if len(entries) > len(standing):
        console.print(f"\nAll {len(entries)} decisions, oldest first:")
        print_rows([described(entry) for entry in entries], as_json=False)
