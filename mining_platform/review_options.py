"""Options that the commands of reviews share."""

from pathlib import Path
from typing import Annotated

import typer

from mining_platform.consoles import CommandError

Port = Annotated[int, typer.Option(help="Port of the page on 127.0.0.1; 0 takes a free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")]
ForSeconds = Annotated[float | None, typer.Option(help="Stop serving after so long.")]
Static = Annotated[Path | None, typer.Option(help="Write the page with all pictures inside, OUT.html, instead of serving it.")]
Apply = Annotated[Path | None, typer.Option(help="Take in the decisions of a CSV file, as such a page gives it.")]
ListAll = Annotated[bool, typer.Option("--list", help="Print the decisions in force and all there were.")]


def check_one_task(static: Path | None, apply: Path | None, list_all: bool) -> None:
    """CommandError where a command is asked for more than one of these."""
    if sum((static is not None, apply is not None, list_all)) > 1:
        raise CommandError("Choose one of --static, --apply and --list.")
