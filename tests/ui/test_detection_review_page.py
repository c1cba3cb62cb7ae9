"""The page of detections as a person uses it, in headless Chromium: by mouse, by keys, on a phone, and without a server."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from mining_platform.pipeline import Platform
from mining_platform.reviews.detection_decisions import detection_log, read_detection_log
from mining_platform.reviews.detection_files import read_detection_proposals
from mining_platform.reviews.detection_pages import shown_detections, static_detections
from mining_platform.reviews.server import ReviewServer, serve
from tests.mining_platform.detected_homes import (
    OLD,
    PIT,
    REGION,
    SANDBANK,
    compare,
    desk_of,
    find,
    id_of,
    photograph,
    platform_at,
)
from tests.ui.test_web_ui import CHROMIUM, FLAGS

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of headless Chromium that fails the test on any error in its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1400, "height": 900}, accept_downloads=True)
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A pit and a sandbank that are new in 2023, with mosaics."""
    made = platform_at(tmp_path)
    for year, boxes in {2022: (OLD,), 2023: (OLD, PIT, SANDBANK)}.items():
        find(made, year, *boxes)
        photograph(made, year, 500 * (year - 2021))
    compare(made, 2023)
    return made


@pytest.fixture
def served(platform: Platform) -> Iterator[str]:
    """Address of the page."""
    server = ReviewServer(shown_detections(desk_of(platform, 2023), small=True), 0)
    ended = threading.Event()
    thread = threading.Thread(target=serve, args=(server, lambda _: None, ended.is_set))
    thread.start()
    yield server.url
    ended.set()
    thread.join(20)


def decided(platform: Platform) -> list[tuple[str, str, bool, str, str]]:
    entries = read_detection_log(detection_log(platform, REGION)).entries
    return [(each.detection_id, each.decision, each.also_later, each.reviewer, each.reason) for each in entries]


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("MINING_PLATFORM_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / name))


def introduce(page: Page, name: str) -> None:
    page.get_by_label("Reviewer").fill(name)
    page.locator("h1").click()


def loaded(page: Page) -> list[int]:
    """Widths of the two pictures that came."""
    page.wait_for_function("[...document.querySelectorAll('#pair img')].every((each) => each.complete)")
    return [image.evaluate("each => each.naturalWidth") for image in page.locator("#pair img").all()]


def test_a_person_confirms_rejects_and_withdraws_and_the_log_says_so(platform: Platform, served: str, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(served)
    page.get_by_text("SIMULATED DATA: no picture on this page shows a real place.").wait_for()
    assert page.locator("#facts-id").inner_text() == id_of(PIT)
    assert loaded(page) == [520, 520]
    page.keyboard.press("c")
    page.get_by_text("Write your name first").wait_for()
    introduce(page, "Ana")
    page.get_by_role("button", name="Confirm mining").click()
    page.get_by_text(f"confirmed: {id_of(PIT)}").wait_for()
    assert page.locator("#facts-id").inner_text() == id_of(SANDBANK)

    page.keyboard.press("r")
    page.get_by_role("button", name="Save the false alarm").click()
    page.get_by_text("Write the reason").wait_for()
    page.get_by_label("Why it is no mining").fill("a sandbank")
    page.get_by_label("also in later years").check()
    page.get_by_role("button", name="Save the false alarm").click()
    page.get_by_text(f"false alarm: {id_of(SANDBANK)}").wait_for()
    shot(page, "detections.png")
    assert "false alarm, also in later years by Ana: a sandbank" in page.locator("#standing").inner_text()
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_text(f"withdrawn: {id_of(SANDBANK)}").wait_for()

    assert decided(platform) == [
        (id_of(PIT), "confirm", False, "Ana", ""),
        (id_of(SANDBANK), "reject", True, "Ana", "a sandbank"),
        (id_of(SANDBANK), "withdraw", False, "Ana", ""),
    ]
    assert errors == []


def test_the_page_fits_a_phone(served: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(served)
    loaded(page)
    shot(page, "detections-phone.png")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1400, "height": 900})


def test_a_page_without_a_server_gives_a_file_that_the_command_takes(platform: Platform, page: Page, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(static_detections(desk_of(platform, 2023), small=True), encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    assert loaded(page) == [520, 520]
    introduce(page, "Rui")
    page.keyboard.press("c")
    page.keyboard.press("r")
    page.get_by_label("Why it is no mining").fill('bare, "dry" ground')
    page.get_by_role("button", name="Save the false alarm").click()
    page.keyboard.press("p")
    page.keyboard.press("w")
    page.get_by_text(f"withdrawn: {id_of(PIT)}").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 1 decision (CSV)").click()
    download.value.save_as(tmp_path / "decisions.csv")

    (proposal,) = read_detection_proposals(tmp_path / "decisions.csv")
    assert vars(proposal) == {
        "detection_id": id_of(SANDBANK),
        "decision": "reject",
        "also_later": "",
        "reviewer": "Rui",
        "reason": 'bare, "dry" ground',
    }
