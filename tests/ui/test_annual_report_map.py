"""The map of the annual report in headless Chromium: a tap is answered once, by the newest mining and whose ground it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from mining_platform.annual_reports.contents import Contents
from tests.mining_platform.test_annual_reports import contents, page, region
from tests.ui.test_web_ui import CHROMIUM, FLAGS

__all__ = ["contents", "region"]
pytestmark = pytest.mark.ui
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")


@pytest.fixture
def opened(contents: Contents, tmp_path: Path) -> Iterator[Page]:
    """A Portuguese page whose map is centred on a new place of 300 m a side, in a territory; fails on anything in the console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    first = contents.regions[0]
    centred = replace(first, bounds=tuple(first.new[first.new["is_large"]].total_bounds.tolist()))
    page(replace(contents, regions=(centred,)), tmp_path / "out", "pt")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *WEBGL])
        found = browser.new_page(viewport={"width": 1280, "height": 900})
        told: list[str] = []
        found.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        found.goto((tmp_path / "out" / "report.pt.html").as_uri())
        found.wait_for_selector("#map[data-ready=yes]", timeout=60_000)
        yield found
        assert told == []
        browser.close()


def tapped(opened: Page, share: float) -> list[list[str]]:
    """Lines of each popup after a tap on the map at a share of its width, in the middle of its height."""
    canvas = opened.locator("#map canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    opened.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    opened.wait_for_selector(".maplibregl-popup-content")
    popups = opened.locator(".maplibregl-popup-content > div:not([class])").all()
    return [each.locator("div").all_inner_texts() for each in popups]


def test_a_tap_on_new_mining_tells_it_and_its_territory_in_one_popup(opened: Page) -> None:
    (lines,) = tapped(opened, 0.5)

    assert [line.split(" · ")[:2] for line in lines] == [["9,0 ha", "nova mineração em 2024"], ["Território <b>", "land"]]


def test_a_tap_beside_mining_tells_the_territory(opened: Page) -> None:
    assert tapped(opened, 0.05) == [["Território <b> · land"]]
