"""The audit's page in headless Chromium: it asks nobody anything, says what is broken in red, and its boxes lead to versions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from mining_platform.audits.html_form import audit_html
from tests.mining_platform.audited_stores import COVERS, flip, known_store, of_model, version_path
from tests.ui.test_web_ui import CHROMIUM, FLAGS

pytestmark = pytest.mark.ui
RED = "rgb(180, 35, 24)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a store with one flipped bit; fails on anything in the console and on any request but the file's own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder: Path = tmp_path_factory.mktemp("audit")
    store = known_store(folder / "artifacts")
    flip(version_path(store, COVERS[0]) / "data.bin")
    (folder / "audit.html").write_text(audit_html(of_model(store)), encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1240, "height": 900})
        told: list[str] = []
        opened.on("console", lambda message: told.append(message.text))
        opened.on("request", lambda request: told.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
        opened.goto((folder / "audit.html").as_uri())
        yield opened
        assert told == []
        browser.close()


def colour(page: Page, selector: str, name: str) -> str:
    return str(page.eval_on_selector(selector, f"each => getComputedStyle(each).{name}"))


def test_the_break_is_said_in_red_words_at_the_top(page: Page) -> None:
    item = page.locator(".banner li")
    assert item.count() == 1
    assert item.inner_text().endswith("data.bin was altered")
    assert colour(page, ".banner li", "color") == RED
    assert item.bounding_box()["y"] < 300  # type: ignore[index]


def test_the_broken_assets_box_is_red_and_those_that_rest_on_it_are_dashed(page: Page) -> None:
    assert colour(page, "svg g.broken rect", "fill") == RED
    assert page.locator("svg g.unsound text:not(.count)").all_text_contents() == ["ranges/patches", "model"]
    assert colour(page, "svg g.unsound rect", "strokeDasharray") != "none"


def test_a_box_leads_to_the_versions_of_its_asset_and_an_input_to_its_version(page: Page) -> None:
    page.locator("svg a").filter(has_text="model").click()
    assert page.url.endswith("#model")
    page.locator("#model ~ article summary").filter(has_text="Rests on 2 versions").click()
    page.get_by_role("link", name="ranges/patches@north|2024").click()
    assert "#ranges-patches--north-2024-" in page.url
    assert page.locator("article:target .verdict").inner_text() == "rests on broken"


def test_the_page_is_not_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
