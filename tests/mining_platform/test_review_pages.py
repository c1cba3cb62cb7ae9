"""The desk, the outlines and the page of a review, on a tiny store with known pixels."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.datasets import DATASETS
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.desks import Desk, Proposal, decisions_on, open_desk, take_down
from mining_platform.reviews.logs import read_log
from mining_platform.reviews.pages import served_page, shown_patches, static_page
from mining_platform.reviews.pictures import outline_path, outline_svg, picture_png
from tests.conftest import ROOT
from tests.mining_platform import patch_stores

REGION = "sim-igarape"
HOSTILE = "</script><script>alert(1)</script> & <b>"


def test_an_outline_goes_along_the_edges_of_the_masks_pixels() -> None:
    mask = np.zeros((3, 4), bool)
    assert outline_path(mask) == ""
    mask[1, 1:3] = True
    assert outline_path(mask) == "M1 1h2M1 2h2M1 1v1M3 1v1"
    assert outline_path(np.ones((2, 5), bool)) == "M0 0h5M0 2h5M0 0v2M5 0v2"
    mask[1, 1:3] = [True, False]
    mask[2, 2] = True
    assert outline_path(mask) == "M1 1h1M1 2h2M2 3h1M1 1v1M2 1v2M3 2v1"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return patch_stores.write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def desk(inputs: Path, tmp_path: Path) -> Desk:
    """Two patches: one all mining, one none."""
    index, _ = patch_stores.store(inputs, tmp_path / "store", patch_stores.windows((0, 0), (0, 3)))
    rows = index.assign(region=REGION, range=["090_100", "000"], map_range=["090_100", "000"], share=[1.0, 0.0])
    rows = rows.assign(is_mining=[True, False], split=["train", "test"])
    store = Artifact(Ref("sim_ranges/patches", f"{REGION}|2024"), "f" * 64, tmp_path / "store", {"simulated": True})
    regions = load_regions(ROOT / "regions.geojson")
    platform = Platform(tmp_path, regions, ArtifactStore(tmp_path / "artifacts"), None, None)  # type: ignore[arg-type]
    row = replace(DATASETS["sim_ranges"], px=patch_stores.PX)
    return Desk(platform, row, 2024, pd.DataFrame(rows), MappingProxyType({REGION: store}))


def window(desk: Desk, place: int) -> str:
    return str(desk.patches["window_id"].iloc[place])


def test_the_outline_of_a_patch_is_that_of_its_mining_pixels(desk: Desk) -> None:
    store = desk.stores[REGION].path
    assert b'd="M0 0h16M0 16h16M0 0v16M16 0v16"' in outline_svg(store, 0)
    assert b'd=""' in outline_svg(store, 1)
    assert picture_png(store, 0).startswith(b"\x89PNG")


def test_a_decision_knows_its_region_and_what_was_seen(desk: Desk) -> None:
    (entry,) = take_down(desk, [Proposal(window(desk, 0), "reject", "", "Ana", "haze")])
    assert (entry.region, entry.year, entry.seen) == (REGION, 2024, "f" * 64)
    assert decisions_on(desk)[window(desk, 0)].reason == "haze"


def test_nobody_knows_what_was_seen_by_people_who_decided_in_a_file(desk: Desk) -> None:
    (entry,) = take_down(desk, [Proposal(window(desk, 0), "reject", "", "Ana", "haze")], seen=False)
    assert entry.seen == ""


def test_addresses_of_pictures_name_the_version_they_show(desk: Desk) -> None:
    page, _ = served_page(desk, "t" * 40)
    shown = data_of(page)["patches"]
    assert isinstance(shown, list)
    assert shown[0]["picture"].endswith(f".png?{'f' * 16}")
    assert shown[0]["outline"].endswith(f".svg?{'f' * 16}")


def test_a_server_gets_pictures_and_outlines_of_the_desks_patches_and_nothing_else(desk: Desk) -> None:
    shown = shown_patches(desk)
    patch = str(desk.patches["patch_id"].iloc[0])
    found = [shown.picture(folder, patch) for folder in ("pictures", "outlines")]

    assert [picture.media_type for picture in found if picture] == ["image/png", "image/svg+xml"]
    assert shown.picture("pictures", "nothing") is None
    assert shown.picture("elsewhere", patch) is None


def test_a_decision_that_a_server_takes_is_told_to_the_page(desk: Desk) -> None:
    shown = shown_patches(desk)
    told = {"window_id": window(desk, 0), "decision": "reject", "range": "", "reviewer": "Ana", "reason": "haze"}
    assert set(told) == shown.fields

    entry = shown.take(told)

    assert shown.decisions() == {window(desk, 0): shown.described(entry)}


def test_patches_of_other_sensors_and_pictures_can_be_looked_at(tmp_path: Path) -> None:
    levels = np.array([2_000, 1_000, 500])[:, None, None]
    for channels in (("L-red", "L-green", "L-blue"), ("RGB-red", "RGB-green", "RGB-blue")):
        pixels = np.broadcast_to(levels if channels[0][0] == "L" else levels // 10, (3, 16, 16)).astype(np.uint16)
        store = patch_stores.write_pixels(tmp_path / channels[0], pixels[None], channels, ["a"])
        red, green, blue = Image.open(io.BytesIO(picture_png(store, 0))).convert("RGB").getpixel((0, 0))
        assert red > green > blue > 0


def test_a_window_that_is_drawn_no_more_can_still_be_decided_on(desk: Desk) -> None:
    gone = window(desk, 1)
    take_down(desk, [Proposal(gone, "reject", "", "Ana", "haze")])
    later = replace(desk, patches=desk.patches.iloc[:1])
    (entry,) = take_down(later, [Proposal(gone, "accept", "", "Rui", "it was no haze")])
    assert (entry.region, entry.number) == (REGION, 2)


def test_a_window_of_two_regions_needs_the_region_named(desk: Desk) -> None:
    both = replace(desk, patches=pd.concat([desk.patches, desk.patches.assign(region="sim-serra")]))
    with pytest.raises(ReviewError, match="it is of sim-igarape and sim-serra; name one with --region"):
        take_down(both, [Proposal(window(desk, 0), "accept", "", "Ana", "")])
    assert read_log(desk.log).entries == ()


def test_without_patches_there_is_nothing_to_review(desk: Desk) -> None:
    with pytest.raises(ReviewError, match="mining-platform materialize --assets sim_ranges/patches --years 2024"):
        open_desk(desk.platform, desk.dataset, 2024)


def data_of(page: str) -> dict[str, object]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(text))


def test_words_of_people_cannot_become_markup_of_the_page(desk: Desk) -> None:
    take_down(desk, [Proposal(window(desk, 0), "reject", "", HOSTILE, HOSTILE)])
    page, _ = served_page(desk, "t" * 40)
    assert "<script>alert" not in page
    decisions = data_of(page)["decisions"]
    assert isinstance(decisions, dict)
    assert decisions[window(desk, 0)]["reason"] == HOSTILE


def test_a_page_without_a_server_holds_its_pictures_and_no_token_and_is_the_same_each_time(desk: Desk) -> None:
    page = static_page(desk)
    data = data_of(page)
    assert data["token"] == ""
    shown = data["patches"]
    assert isinstance(shown, list)
    assert base64.b64decode(shown[0]["picture"].removeprefix("data:image/jpeg;base64,")).startswith(b"\xff\xd8")
    assert not re.search(r"https?://(?!www\.w3\.org)", page), "nothing comes from elsewhere"
    assert static_page(desk) == page
