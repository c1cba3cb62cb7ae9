"""The commands `mining-platform store …`: artifacts and logs of decisions copied between stores, and checked where they lie."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform.artifacts import ArtifactError, Ref, StoreUnreachable
from mining_platform.consoles import console, errors, print_rows
from mining_platform.lineage import LineageError
from mining_platform.reviews import log_transfers
from mining_platform.reviews.decisions import ReviewError
from mining_platform.store import places, transfers
from mining_platform.store.remote import Readable

app = typer.Typer(
    no_args_is_help=True, help="Copy artifacts and people's decisions between stores, and check a store where it lies."
)

Assets = Annotated[
    list[str] | None,
    typer.Option(help="Assets to take, or patterns such as 'sim_ranges/*'; without it all, and people's decisions."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_Told = dict[str, Any]
"""What came of one partition or log; `problem` is empty where all is well."""
_Task = tuple[dict[str, str], Callable[[], _Told]]
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

    Records and pointers come last, so that readers of the target see whole versions only. Exit code 1 where a partition failed,
    2 where one of the two stores lies in the other.
    """
    with tempfile.TemporaryDirectory(prefix="mining-platform-copy-") as folder:
        reading, staging = places.readable(source), Path(folder) / "passing"
        writing = places.writable(target, Path(folder) / "copies")
        places.require_apart(reading, writing)

        def copied(ref: Ref) -> _Told:
            done = transfers.copy_partition(reading, writing, ref, staging, check=check)
            return {"versions": done.sent, "there already": done.there, "records": done.records, "problem": ""}

        def log_copied(key: str) -> _Told:
            return {"decisions": log_transfers.copy_log(reading, writing, key), "problem": ""}

        _each([*_partitions(reading, assets, copied), *_logs(reading, assets, log_copied)], as_json=as_json)


@app.command(name="check")
def check_store(place: Place, assets: Assets = None, as_json: AsJson = False) -> None:
    """Read every version of a store where it lies, and hold pointers, records and every byte against their digests.

    Exit code 1 where something is damaged; each file is named.
    """
    with tempfile.TemporaryDirectory(prefix="mining-platform-check-") as folder:
        reading = places.readable(place)

        def checked(ref: Ref) -> _Told:
            return {"problem": "; ".join(transfers.check_partition(reading, ref, Path(folder)))}

        def log_checked(key: str) -> _Told:
            return {"problem": "; ".join(log_transfers.check_log(reading, key))}

        _each([*_partitions(reading, assets, checked), *_logs(reading, assets, log_checked)], as_json=as_json)


def _partitions(reading: Readable, assets: list[str] | None, act: Callable[[Ref], _Told]) -> Iterator[_Task]:
    for ref in transfers.refs_of(reading, assets or []):
        yield {"partition": str(ref)}, partial(act, ref)


def _logs(reading: Readable, assets: list[str] | None, act: Callable[[str], _Told]) -> Iterator[_Task]:
    for key in [] if assets else log_transfers.keys_of(reading):
        yield {"log": key}, partial(act, key)


def _each(tasks: Sequence[_Task], *, as_json: bool) -> None:
    """Do something with each partition and log, and print what came of it; one that fails does not keep the others."""
    rows: list[dict[str, Any]] = []
    for name, act in tasks:
        try:
            rows.append({**name, **act()})
        except StoreUnreachable:
            raise
        except (ArtifactError, LineageError, ReviewError) as error:
            rows.append({**name, "problem": str(error)})
        if not as_json:
            _tell(rows[-1])
    if as_json:
        print_rows(rows, as_json=True)
    bad, logs = sum(bool(row["problem"]) for row in rows), sum("log" in row for row in rows)
    decisions = f" and {logs} {'log' if logs == 1 else 'logs'} of decisions" if logs else ""
    errors.print(f"{len(rows) - logs} partitions{decisions}, {bad} with a problem.")
    if bad or not rows:
        raise typer.Exit(1)


def _tell(row: dict[str, Any]) -> None:
    name, *rest = row.items()
    told = ", ".join(f"{value} {what}" for what, value in rest if what != "problem")
    if row["problem"]:
        errors.print(f"[red]problem[/red] {escape(name[1])}: {escape(row['problem'])}")
    else:
        console.print(f"{escape(name[1])}: {told or 'whole'}")
