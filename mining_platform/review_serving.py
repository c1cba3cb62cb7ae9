"""What commands of review share: a page served until it is stopped, and notes on logs and on what is published."""

import time
import webbrowser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.markup import escape

from mining_platform import servers
from mining_platform.artifacts import ArtifactError, Produced
from mining_platform.consoles import CommandError, console, errors, print_rows
from mining_platform.lineage import LineageError
from mining_platform.reviews.chains import Link
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.log_places import Place
from mining_platform.reviews.server import ReviewServer, serve
from mining_platform.reviews.shown import Shown
from mining_platform.runs import Session
from mining_platform.store import durable

E = TypeVar("E", bound=Link)

UNPUBLISHED = (ArtifactError, LineageError, ReviewError)
"""Why decisions that are taken down cannot be published yet."""


def tell_torn(log: Place, torn: bytes) -> None:
    """Say that a crash cut off the last line of a log, if it did."""
    if torn:
        told = f"The last line of {log} is torn ({len(torn)} bytes): a crash cut it off, it was no decision yet."
        errors.print(f"[yellow]note[/yellow] {escape(told)} All lines before it stand.")


def told_of(session: Session, published: Iterable[Produced | None]) -> dict[str, str]:
    """Tell the orchestrator what was published; digests by partition."""
    made = [each for each in published if each is not None]
    for each in made:
        session.tell(each.ref, each.digest, each.facts)
    return {str(each.ref): each.digest for each in made}


def served(
    shown: Shown[E],
    port: int,
    publish: Callable[[Sequence[E]], Any],
    *,
    what: str,
    no_browser: bool,
    for_seconds: float | None,
) -> list[E]:
    """Serve a page until Ctrl-C or for so long; the decisions taken down. CommandError where the port cannot be used."""
    try:
        server = ReviewServer(shown, port)
    except OSError as error:
        raise CommandError(f"Port {port} cannot be used: {error.strerror or error}. Choose another with --port.") from None

    def publish_some(entries: Sequence[E]) -> None:
        try:
            publish(entries)
        except UNPUBLISHED as error:
            errors.print(f"[yellow]note[/yellow] the decisions are kept, but not published yet: {escape(str(error))}")

    with servers.stopping() as stopped:
        console.print(f"Review of {what}: {server.url} (stop with Ctrl-C)")
        if not no_browser:
            webbrowser.open(server.url)
        end = None if for_seconds is None else time.monotonic() + for_seconds
        return serve(server, publish_some, lambda: bool(stopped) or (end is not None and time.monotonic() > end))


def write_page(out: Path, page: Callable[[], str], what: str, command: str) -> None:
    """Write a page that needs no server, and say with which command its decisions are taken in."""
    if not out.parent.is_dir():
        raise CommandError(f"There is no folder {out.parent} to write {out.name} into.")
    durable.write(out, page().encode())
    console.print(f"Written: {out} ({out.stat().st_size / 1e6:.1f} MB, {what})")
    console.print(f"Take its decisions in with: {command} --apply FILE.csv")


def print_taken(
    publish: Callable[[], dict[str, str]], entries: Sequence[Any], described: Callable[[Any], Any], *, command: str, as_json: bool
) -> None:
    """Publish what was decided, and say what came of it; `command` lists the decisions and makes up for publishing.

    CommandError where publishing was not possible.
    """
    try:
        digests = publish()
    except UNPUBLISHED as error:
        kept = f"{len(entries)} decisions are taken down, but not published yet: {error}"
        raise CommandError(f"{kept} Once that is mended, `{command} --list` publishes them.") from error
    if as_json:
        console.print_json(data={"decisions": [described(entry) for entry in entries], "published": digests})
        return
    console.print(f"{len(entries)} decisions taken down.")
    for ref, digest in digests.items():
        console.print(f"Published: {ref} {digest[:12]}")


def print_history(standing: Sequence[dict[str, Any]], history: Sequence[dict[str, Any]], heading: str, *, as_json: bool) -> None:
    """Print the decisions in force, and all there were where some were taken back."""
    if as_json:
        console.print_json(data={"in_force": list(standing), "history": list(history)})
        return
    console.print(heading)
    print_rows(list(standing), as_json=False)
    if len(history) > len(standing):
        console.print(f"\nAll {len(history)} decisions, oldest first:")
        print_rows(list(history), as_json=False)
