"""The page on which detections are decided on: what it holds, what it shows of the ground, and what it never does."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mining_platform.reviews.detection_desks import DetectionProposal, take_down_detections
from mining_platform.reviews.detection_files import read_detection_proposals
from mining_platform.reviews.detection_pages import shown_detections, static_detections
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

HOSTILE = "</script><script>alert(1)</script> & <b>"
SPECK = (150, 152, 20, 22)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pit, a sandbank and a speck that are new in 2023, with mosaics of that year and of the one before."""
    made = platform_at(tmp_path_factory.mktemp("detected"))
    made = replace(made, regions={REGION: replace(made.regions[REGION], monitoring=monitored(made, 5.0))})
    for year, boxes in {2022: (OLD,), 2023: (OLD, PIT, SANDBANK, SPECK)}.items():
        find(made, year, *boxes)
        photograph(made, year, 500 * (year - 2021))
    compare(made, 2023)
    return made.home


def monitored(platform: Any, min_area_ha: float) -> Any:
    return replace(platform.regions[REGION].monitoring, min_area_ha=min_area_ha)


@pytest.fixture
def desk(home: Path) -> Any:
    return desk_of(platform_at(home), 2023)


def data_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(text))


def test_the_page_shows_places_largest_first_and_small_ones_on_request(desk: Any) -> None:
    large, every = (data_of(shown_detections(desk, small=small).page("t" * 40)[0]) for small in (False, True))

    assert [place["detection_id"] for place in large["places"]] == [id_of(PIT), id_of(SANDBANK)]
    assert [place["area_ha"] for place in every["places"]] == pytest.approx([9, 8, 0.04], rel=3e-3)
    assert large["total"] == every["total"] == 3


def test_a_place_is_shown_in_the_mosaics_of_its_year_and_of_the_one_before(desk: Any) -> None:
    shown = shown_detections(desk, small=False)
    place = data_of(shown.page("t" * 40)[0])["places"][0]
    assert place["pictures"] == {str(year): f"/pictures/0-{year}.jpg?{desk.shown.digest[:16]}" for year in (2022, 2023)}

    shades = []
    for year in (2022, 2023):
        picture = shown.picture("pictures", f"0-{year}")
        assert picture is not None
        shades.append(np.asarray(Image.open(io.BytesIO(picture.content))).mean())

    assert shades[0] < shades[1]
    for folder, name in (("pictures", "0-2021"), ("pictures", "99-2023"), ("pictures", "../0-2023"), ("outlines", "0-2023")):
        assert shown.picture(folder, name) is None


def test_a_region_without_mosaics_is_shown_as_its_maps(tmp_path: Path) -> None:
    made = platform_at(tmp_path)
    for year, boxes in {2022: (OLD,), 2023: (OLD, PIT)}.items():
        find(made, year, *boxes)
    compare(made, 2023)
    middles = []

    for year in (2022, 2023):
        pixels = np.asarray(Image.open(io.BytesIO(desk_of(made, 2023).views(0).pictures[year])))
        middles.append(pixels[260, 260].astype(int))

    assert middles[0] == pytest.approx([238, 241, 238], abs=4)
    assert middles[1] == pytest.approx([224, 164, 88], abs=8)


def test_words_of_people_cannot_become_markup_of_the_page(tmp_path: Path) -> None:
    made = platform_at(tmp_path)
    find(made, 2022, OLD)
    compare(made, 2022)
    desk = desk_of(made, 2022)
    take_down_detections(desk, [DetectionProposal(id_of(OLD), "reject", "", HOSTILE, HOSTILE)])

    page, policy = shown_detections(desk, small=True).page("t" * 40)

    assert "<script>alert" not in page
    assert data_of(page)["decisions"][id_of(OLD)]["reason"] == HOSTILE
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_a_page_without_a_server_holds_its_pictures_and_no_token_and_is_the_same_each_time(desk: Any) -> None:
    page = static_detections(desk, small=False)
    data = data_of(page)

    assert data["token"] == ""
    picture = data["places"][0]["pictures"]["2023"]
    assert base64.b64decode(picture.removeprefix("data:image/jpeg;base64,")).startswith(b"\xff\xd8")
    assert "SIMULATED DATA" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page), "nothing comes from elsewhere"
    assert static_detections(desk, small=False) == page


def test_a_file_of_decisions_is_read_in_any_order_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("reason,reviewer,also_later,decision,detection_id\na sandbank,Ana,yes,reject,32721_1_1\n", encoding="utf-8")

    assert read_detection_proposals(path) == [DetectionProposal("32721_1_1", "reject", "yes", "Ana", "a sandbank")]
