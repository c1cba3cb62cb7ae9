"""The commands `mining-platform store …`: artifacts copied between stores, and checked where they lie."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform.artifacts import ArtifactError, Ref, StoreUnreachable
from mining_platform.consoles import console, errors, print_rows
from mining_platform.lineage import LineageError
from mining_platform.store import places, transfers
from mining_platform.store.remote import Readable

app = typer.Typer(no_args_is_help=True, help="Copy artifacts between stores, and check a store where it lies.")

Assets = Annotated[list[str] | None, typer.Option(help="Assets to take, or patterns such as 'sim_ranges/*'; all without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Place = Annotated[str, typer.Argument(help="A folder of artifacts, or a bucket such as s3://name/prefix.")]


@app.command()
def copy(
    source: Place,
    target: Place,
    assets: Assets = None,
    check: Annotated[bool, typer.Option("--check", help="Read back also what was there already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy published versions with all their lineage, byte by byte verified; run again, it goes on where it was interrupted.

    Records and pointers come last, so that readers of the target see whole versions only. Exit code 1 where a partition failed.
    """
    with tempfile.TemporaryDirectory(prefix="mining-platform-copy-") as folder:
        reading, staging = places.readable(source), Path(folder) / "passing"
        writing = places.writable(target, Path(folder) / "copies")

        def copied(ref: Ref) -> dict[str, Any]:
            done = transfers.copy_partition(reading, writing, ref, staging, check=check)
            return {"versions": done.sent, "there already": done.there, "records": done.records, "problem": ""}

        _each(reading, assets or [], copied, as_json=as_json)


@app.command(name="check")
def check_store(place: Place, assets: Assets = None, as_json: AsJson = False) -> None:
    """Read every version of a store where it lies, and hold pointers, records and every byte against their digests.

    Exit code 1 where something is damaged; each file is named.
    """
    with tempfile.TemporaryDirectory(prefix="mining-platform-check-") as folder:
        reading = places.readable(place)

        def checked(ref: Ref) -> dict[str, Any]:
            return {"problem": "; ".join(transfers.check_partition(reading, ref, Path(folder)))}

        _each(reading, assets or [], checked, as_json=as_json)


def _each(reading: Readable, assets: list[str], act: Callable[[Ref], dict[str, Any]], *, as_json: bool) -> None:
    """Do something with each partition and print what came of it; one that fails does not keep the others."""
    refs, rows = transfers.refs_of(reading, assets), []
    for ref in refs:
        try:
            rows.append({"partition": str(ref), **act(ref)})
        except StoreUnreachable:
            raise
        except (ArtifactError, LineageError) as error:
            rows.append({"partition": str(ref), "problem": str(error)})
        if not as_json:
            _tell(rows[-1])
    if as_json:
        print_rows(rows, as_json=True)
    bad = sum(bool(row["problem"]) for row in rows)
    errors.print(f"{len(rows)} partitions, {bad} with a problem.")
    if bad or not rows:
        raise typer.Exit(1)


def _tell(row: dict[str, Any]) -> None:
    told = ", ".join(f"{value} {name}" for name, value in row.items() if name not in ("partition", "problem"))
    if row["problem"]:
        errors.print(f"[red]problem[/red] {escape(row['partition'])}: {escape(row['problem'])}")
    else:
        console.print(f"{escape(row['partition'])}: {told or 'whole'}")
