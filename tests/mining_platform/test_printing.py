"""Pages of a report printed as PDF by a real browser."""

import re
import shutil
from pathlib import Path

import pytest

from mining_platform.annual_reports.contents import Contents
from mining_platform.annual_reports.pages import PAGES
from mining_platform.annual_reports.printing import BROWSERS, PDFS, PrintingError, browser, for_paper, print_page, print_pages
from tests.mining_platform.test_annual_reports import contents, page, region

__all__ = ["contents", "region"]
HAS_BROWSER = any(map(shutil.which, BROWSERS))


@pytest.mark.skipif(not HAS_BROWSER, reason="no Chromium on this machine: apt-get install chromium")
def test_a_page_is_printed_without_paths_of_this_machine(contents: Contents, tmp_path: Path) -> None:
    page(contents, tmp_path / "out", "pt")

    content = print_page(browser(), tmp_path / "out" / PAGES["pt"], tmp_path / PDFS["pt"]).read_bytes()

    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) >= 2
    assert b"file://" not in content


def test_paper_has_no_scripts_and_no_links_to_files_beside_the_page() -> None:
    html = '<a class="x" href="downloads/a.csv">a</a><a href="https://here.example/">b</a><script>var a = "<p>";</script>'
    assert for_paper(html) == '<a class="x">a</a><a href="https://here.example/">b</a>'


def test_without_a_browser_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrintingError, match=r"No browser is on the path to print with .*apt-get install chromium"):
        browser()


def test_a_browser_that_fails_is_told_with_what_it_said(
    contents: Contents, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page(contents, tmp_path / "out", "en")
    program = tmp_path / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho out of paper >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(PrintingError, match=r"did not print report.en.html \(exit code 3\): out of paper"):
        print_pages(tmp_path / "out")
