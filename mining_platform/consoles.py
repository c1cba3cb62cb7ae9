"""What the command prints: tables, progress and outcomes, on a terminal or into a pipe."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mining_platform import costs, runs, staleness
from mining_platform.sources.protocol import Cost

MOST_REASONS = 2  # of a partition that a table tells; JSON has all
PIPE_WIDTH = 180
"""Columns of a table that goes to a file or a pipe, where no terminal says how wide it is."""


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


console = _console()
errors = _console(stderr=True)


def progress_bar(*, disable: bool = False) -> Progress:
    """The bar that long work shows on standard error."""
    columns = (TextColumn("{task.description:<58}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors, disable=disable, transient=True)


def print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table of equal rows, or JSON."""
    if as_json:
        console.print_json(data=rows)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    match value:
        case None | False:
            return "-"
        case [int(), *_] as years:
            whole = years == list(range(years[0], years[-1] + 1)) and len(years) > 2  # noqa: PLR2004
            return f"{years[0]}-{years[-1]}" if whole else ", ".join(map(str, years))
        case list():
            return ", ".join(map(str, value))
        case _:
            return escape(str(value))


class CommandError(ValueError):
    """A command was called with something it cannot use."""


def print_costs(told: Sequence[costs.Estimate]) -> None:
    """What a plan takes from services that count requests, bytes or compute units, and the sum; nothing where it takes none."""
    if not told:
        return
    rows = [{"asset": item.ref.asset, "partition": item.ref.partition, **_cost_cells(item.cost, item.at_most)} for item in told]
    whole = _cost_cells(costs.total(told), any(item.at_most for item in told))
    console.print("\nFrom services that count (compute units of Earth Engine are a rough guide):")
    print_rows([*rows, {"asset": "in all", "partition": "", **whole}], as_json=False)


def _cost_cells(cost: Cost, at_most: bool) -> dict[str, Any]:
    bound = "at most " if at_most else ""
    units = f"{bound}{cost.eecu_s / 3600:.2f}"
    return {"requests": f"{bound}{cost.requests}", "GB": f"{bound}{cost.bytes / 1e9:.3f}", "EECU-hours": units}


def print_planned(items: Sequence[staleness.Planned], *, as_json: bool) -> None:
    """Partitions with their state and why; `plan_prints` tells more of them."""
    rows = [
        {
            "asset": item.ref.asset,
            "partition": item.ref.partition,
            "state": item.state,
            "why": item.problem or "; ".join(item.reasons if as_json else shortened(item.reasons)),
        }
        for item in items
    ]
    if rows or as_json:
        print_rows(rows, as_json=as_json)


def shortened(reasons: Sequence[str]) -> list[str]:
    """Reasons for people: of a long list the first few, and how many more there are."""
    told = list(reasons[:MOST_REASONS])
    return told if len(reasons) <= MOST_REASONS else [*told, f"and {len(reasons) - MOST_REASONS} more like it"]


def print_outcomes(outcomes: Sequence[runs.Outcome]) -> None:
    """The table of what was made: asset, partition, state, digest, seconds; then a summary."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("asset", "partition", "state", "digest", "seconds", "note"):
        table.add_column(name, justify="right" if name == "seconds" else "left", no_wrap=name != "note")
    colours = {"made": "green", "skipped": "dim", "failed": "red", "blocked": "yellow"}
    for done in outcomes:
        state = f"[{colours[done.state]}]{done.state}[/]"
        note = escape(done.message) if done.state == "made" else ""
        table.add_row(done.ref.asset, done.ref.partition, state, done.digest[:12], f"{done.seconds:.1f}", note)
    console.print(table)
    counts = {state: sum(done.state == state for done in outcomes) for state in colours}
    seconds = sum(done.seconds for done in outcomes)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count) + f" in {seconds:.0f} s")
