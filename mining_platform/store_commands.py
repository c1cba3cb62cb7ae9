"""The commands that look after the artifact store itself."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform import reconciliation
from mining_platform.consoles import console, errors, print_rows
from mining_platform.sessions import open_session
from mining_platform.store import garbage, mirror, remote_garbage
from mining_platform.store.places import own_store

MOST_ROWS = 40  # that the command prints; JSON has all


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Remove what dead writers left, and versions that nothing current rests on.

    Whatever a current version rests on, directly or not, stays, and so does every lineage record. Of an object store the
    copies on this machine go, and what is garbage there is named. Exit code 1 where something is in use and was left.
    """
    store = own_store()
    found, there = garbage.find_garbage(store), remote_garbage.named(store)
    left = [] if dry_run else garbage.collect(store, found)
    if not dry_run:
        mirror.sweep(store)
    rows = _rows(found)
    if as_json:
        told = {"removed": not dry_run, "bytes": sum(item.size for item in found), "garbage": rows}
        console.print_json(data={**told, "in_object_store": _rows(there)})
    else:
        print_rows(rows[:MOST_ROWS], as_json=False)
        more = f", {len(rows) - MOST_ROWS} not shown" if len(rows) > MOST_ROWS else ""
        size = sum(item.size for item in found) / 1e6
        console.print(f"{len(found)} pieces{more}, {size:,.1f} MB {'would be' if dry_run else 'were'} freed.")
        _tell_of_object_store(there)
    for item in left:
        errors.print(f"[yellow]left[/yellow] {escape(str(item.ref))} {item.name}: it is in use by now.")
    if left:
        raise typer.Exit(1)


def _rows(found: Sequence[garbage.Garbage]) -> list[dict[str, Any]]:
    return [{"partition": str(item.ref), "what": item.name, "MB": round(item.size / 1e6, 3), "why": item.why} for item in found]


def _tell_of_object_store(there: Sequence[garbage.Garbage]) -> None:
    if there:
        print_rows(_rows(there)[:MOST_ROWS], as_json=False)
        size = sum(item.size for item in there) / 1e6
        console.print(f"{len(there)} pieces in the object store, {size:,.1f} MB. Remove them there while no run is at work.")


def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what differs, repair nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Bring artifacts and the orchestrator's events together again, after a crash between the two or a lost database.

    Publishes what an interrupted run had finished, and tells of versions that there is no event of. Exit code 1 where something
    is left that this cannot repair, or that --dry-run left.
    """
    with open_session() as session:
        store = session.platform.artifacts
        found = reconciliation.differences(store, session.known())
        mended = {each for each in found if not dry_run and reconciliation.repair(store, each, session.tell)}
    rows = [
        {
            "partition": str(each.ref),
            "what": each.kind,
            "version": each.digest[:12],
            "repaired": each in mended,
            "why": each.words,
        }
        for each in found
    ]
    if as_json:
        console.print_json(data=rows)
    else:
        print_rows(rows[:MOST_ROWS], as_json=False)
        console.print(
            f"{len(found)} partitions differ, {len(mended)} of them repaired." if found else "Artifacts and events agree."
        )
    if len(mended) < len(found):
        raise typer.Exit(1)
