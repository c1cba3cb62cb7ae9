"""The command `report`: the published report of a year as a folder for everyone."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform.annual_reports.printing import browser, print_pages
from mining_platform.annual_reports.publication import write_publication
from mining_platform.artifacts import Ref, current_digest, open_artifact
from mining_platform.consoles import CommandError, console
from mining_platform.sessions import open_session


def report(
    year: Annotated[int, typer.Option(help="Year of the report.")],
    out: Annotated[Path, typer.Option(help="Folder for the pages, the data and their audit.")],
    *,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print each page as PDF by Chromium or Chrome.")] = False,
) -> None:
    """The published report of new mining in a year as a folder for everyone: pages, downloads, and the audit they link to.

    Nothing is made: `materialize --assets annual_report --years YEAR` makes it.
    """
    if pdf:
        browser()  # told before anything is written
    with open_session() as session:
        store, ref = session.platform.artifacts, Ref("annual_report", str(year))
        if current_digest(store, ref) is None:
            raise CommandError(
                f"There is no report of {year}. Make it with `mining-platform materialize --assets annual_report --years {year}`."
            )
        page = write_publication(store, open_artifact(store, ref), out)
    for printed in print_pages(out) if pdf else ():
        console.print(f"PDF: {escape(str(printed))}")
    console.print(f"Report: {escape(str(page))}")
