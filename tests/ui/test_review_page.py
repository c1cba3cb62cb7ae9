"""The review page as a person uses it, in headless Chromium: by mouse, by keys, with hostile words, and without a server."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright

from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact
from tests.conftest import Installation, Line
from tests.review_homes import home_like, review_page
from tests.ui.test_web_ui import CHROMIUM, FLAGS

pytestmark = pytest.mark.ui
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
KEY = "sim-igarape|2024"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of headless Chromium that fails the test on any error in its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1500, "height": 1000}, accept_downloads=True)
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


@pytest.fixture
def home(line: Line, tmp_path: Path) -> Installation:
    return home_like(line, tmp_path / "home")


def decided(installation: Installation) -> list[dict[str, str]]:
    lines = (installation.home / "reviews" / "sim_ranges.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def current_patch(page: Page) -> str:
    return page.locator("#facts-id").inner_text()


def introduce(page: Page, name: str) -> None:
    page.get_by_label("Reviewer").fill(name)
    page.locator("h1").click()


def reject(page: Page, reason: str) -> None:
    """Press the button, forget the reason, then write it."""
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("button", name="Save the rejection").click()
    page.get_by_text("Write the reason").wait_for()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Save the rejection").click()


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("MINING_PLATFORM_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / name))


def loaded(page: Page) -> bool:
    """Whether the large picture and its outline are there."""
    sizes = [page.locator(f"#picture-{name}").evaluate("each => each.naturalWidth") for name in ("pixels", "outline")]
    return sizes[0] == 128 and sizes[1] > 0


def test_a_person_accepts_rejects_and_relabels_and_the_log_and_the_artifact_say_so(home: Installation, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    with review_page(home, "--region", "sim-igarape") as served:
        page.goto(served.url)
        page.get_by_text("SIMULATED DATA: no picture on this page shows a real place.").wait_for()
        page.wait_for_load_state("networkidle")
        assert loaded(page)

        page.keyboard.press("a")
        page.get_by_text("Write your name first").wait_for()
        introduce(page, "Ana <b>Souza</b>")
        accepted = current_patch(page)
        page.keyboard.press("a")
        page.get_by_text(f"accepted: {accepted}").wait_for()

        rejected = current_patch(page)
        assert rejected != accepted, "the next patch is shown"
        reject(page, HOSTILE)
        page.get_by_text(f"rejected: {rejected}").wait_for()

        relabelled = current_patch(page)
        page.keyboard.press("l")
        choices = page.locator("#form-range option").all_inner_texts()
        assert "0 %" not in choices, "the map's own range is no relabel"
        page.get_by_label("New range").select_option("080_090")
        page.get_by_label("Reason").fill("a pit that the map lacks")
        page.keyboard.press("Enter")
        page.get_by_text(f"relabelled: {relabelled}").wait_for()

        page.keyboard.press("p")
        page.keyboard.press("p")
        assert current_patch(page) == rejected
        assert page.locator("#standing").inner_text().startswith(f"rejected by Ana <b>Souza</b>: {HOSTILE}")
        assert page.title() == "SIMULATED · Review of sim_ranges, 2024"
        page.keyboard.press("o")
        assert page.locator("#picture-outline").is_hidden()
        page.keyboard.press("o")
        shot(page, "review.png")

        page.reload()
        page.get_by_label("Decision").select_option("relabel")
        assert [current_patch(page), page.locator(".card").count()] == [relabelled, 1]
        page.get_by_label("Decision").select_option("open")
        assert rejected not in [card.get_attribute("data-item") for card in page.locator(".card").all()]
        assert served.stop() == 0
        assert "3 decisions taken down." in served.printed
    assert errors == []
    told = [(line["window_id"], line["decision"], line["range"], line["reviewer"], line["reason"]) for line in decided(home)]
    assert told == [
        (accepted.removesuffix("_2024"), "accept", "", "Ana <b>Souza</b>", ""),
        (rejected.removesuffix("_2024"), "reject", "", "Ana <b>Souza</b>", HOSTILE),
        (relabelled.removesuffix("_2024"), "relabel", "080_090", "Ana <b>Souza</b>", "a pit that the map lacks"),
    ]
    store = ArtifactStore(home.home / "artifacts")
    table = pd.read_parquet(open_artifact(store, Ref("sim_ranges/reviews", KEY)).path / "reviews.parquet")
    assert sorted(table["decision"]) == ["accept", "reject", "relabel"]
    assert {line["seen"] for line in decided(home)} == {current_digest(store, Ref("sim_ranges/patches", KEY))}


def test_a_person_is_told_of_what_another_decided_meanwhile_before_deciding_over_it(home: Installation, page: Page) -> None:
    with review_page(home, "--region", "sim-igarape") as served:
        page.goto(served.url)
        introduce(page, "Ana")
        assert page.context.browser is not None
        other = page.context.browser.new_page()
        other.goto(served.url)
        introduce(other, "Rui")
        patch = current_patch(page)
        assert current_patch(other) == patch
        reject(other, "haze")
        other.get_by_text(f"rejected: {patch}").wait_for()
        before = decided(home)
        page.keyboard.press("a")
        page.get_by_text("Rui decided on this patch meanwhile").wait_for()
        assert page.locator("#standing").inner_text().startswith("rejected by Rui: haze")
        assert decided(home) == before
        page.keyboard.press("a")
        page.get_by_text(f"accepted: {patch}").wait_for()
        assert [line["reviewer"] for line in decided(home)[len(before) - 1 :]] == ["Rui", "Ana"]


def test_the_ranges_lead_to_their_patches_in_order(home: Installation, page: Page) -> None:
    sample = pd.read_parquet(
        open_artifact(ArtifactStore(home.home / "artifacts"), Ref("sim_ranges/sample", KEY)).path / "sample.parquet"
    )
    with review_page(home, "--region", "sim-igarape") as served:
        page.goto(served.url)
        page.get_by_role("button", name="0–10 %").click()
        shares = [text.split(" ")[0] for text in page.locator(".card .line span").all_inner_texts()]
        assert page.locator("h2").all_inner_texts() == [f"0–10 %0 of {len(shares)} reviewed"]
        assert len(shares) == (sample["range"] == "000_010").sum()
        assert shares == sorted(shares, key=float)


def test_a_page_without_a_server_gives_a_file_that_the_command_takes_in(home: Installation, page: Page, tmp_path: Path) -> None:
    out = tmp_path / "review.html"
    arguments = ("review", "--dataset", "sim_ranges", "--year", "2024", "--region", "sim-igarape")
    home.run(*arguments, "--static", str(out))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(out.as_uri())
    page.wait_for_load_state("networkidle")
    assert loaded(page)
    assert [url for url in asked if not url.startswith(("data:", out.as_uri()))] == []
    introduce(page, "Rui")
    accepted = current_patch(page)
    for _ in range(3):  # a key that is held
        page.keyboard.down("a")
    page.keyboard.up("a")
    rejected = current_patch(page)
    page.keyboard.press("r")
    page.get_by_label("Reason").fill('cloud, "thin"; ' + HOSTILE)
    page.keyboard.press("Enter")
    page.get_by_text(f"rejected: {rejected}").wait_for()
    shot(page, "review-static.png")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 2 decisions").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    home.run(*arguments, "--apply", str(path))
    told = [(line["window_id"], line["decision"], line["reviewer"], line["reason"]) for line in decided(home)]
    assert told == [
        (accepted.removesuffix("_2024"), "accept", "Rui", ""),
        (rejected.removesuffix("_2024"), "reject", "Rui", 'cloud, "thin"; ' + HOSTILE),
    ]
