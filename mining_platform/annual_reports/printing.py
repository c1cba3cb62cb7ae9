"""The pages of a report as PDF files, printed by a browser of this machine.

They are made beside a report and are no part of its version: a browser writes the moment and its own version into a PDF, so that
equal pages give other bytes on another day or machine.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mining_platform.annual_reports.pages import PAGES

PDFS: Mapping[str, str] = {language: name.replace(".html", ".pdf") for language, name in PAGES.items()}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs that print, the first that is on the path."""
LONGEST_S = 180
"""Of printing one page; a browser that hangs is ended."""
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the page needs nobody, and the browser shall ask nobody
    "--no-pdf-header-footer",
)
_LINK_BESIDE = re.compile(r'(<a\b[^>]*?) href="(?!https?:)[^"]*"')
"""A link to a file beside the page, which a PDF would hold as an absolute path of the machine that printed it."""
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
"""The interactive map, which does not print: on paper the page shows its picture."""


class PrintingError(RuntimeError):
    """There is no browser, or it does not print; the message says what to do."""


def browser() -> str:
    """The browser that prints; PrintingError where none is on the path."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        tried = ", ".join(BROWSERS)
        raise PrintingError(f"No browser is on the path to print with ({tried}). Install one (apt-get install chromium).")
    return found


def print_pages(folder: Path) -> tuple[Path, ...]:
    """Print PAGES of a folder into PDFS beside them; PrintingError where that fails.

    A4 with page numbers. Links to other sites stay, those to files beside the page are text.
    """
    program = browser()
    return tuple(print_page(program, folder / PAGES[language], folder / name) for language, name in PDFS.items())


def print_page(program: str, page: Path, out: Path) -> Path:
    """Print a page into a PDF `out` by a browser, which appears whole or not at all; PrintingError where that fails."""
    with TemporaryDirectory(prefix="mining-platform-print-") as work:
        copy, made = Path(work) / page.name, Path(work) / out.name
        copy.write_text(for_paper(page.read_text(encoding="utf-8")), encoding="utf-8")
        own = (*FLAGS, *_as_root(), f"--user-data-dir={work}/profile", f"--print-to-pdf={made}", copy.as_uri())
        try:
            done = subprocess.run([program, *own], capture_output=True, text=True, timeout=LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            raise PrintingError(
                f"{program} did not print {page.name} within {LONGEST_S} s. Try again, or print it by hand."
            ) from None
        if done.returncode or not made.is_file():
            last = " ".join(done.stderr.split()[-40:]) or "it says nothing"
            raise PrintingError(f"{program} did not print {page.name} (exit code {done.returncode}): {last}. Print it by hand.")
        beside = out.with_name(f"{out.name}.new")
        shutil.copyfile(made, beside)
        beside.replace(out)
    return out


def for_paper(html: str) -> str:
    """A page without scripts and without links to files beside it."""
    return _LINK_BESIDE.sub(r"\1", _SCRIPT.sub("", html))


def _as_root() -> tuple[str, ...]:
    """Chromium's sandbox refuses root (https://crbug.com/638180); the page is our own and runs no script."""
    return ("--no-sandbox",) if os.geteuid() == 0 else ()
