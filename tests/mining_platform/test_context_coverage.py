"""How many patches have something of OpenStreetMap in them: counted from stores, told by the manifest, shown in reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from mining_platform import context_coverage, profiles, reports
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, produce
from mining_platform.osm_keys import OSM_KEYS
from mining_platform.pipeline import Platform
from mining_platform.sources import router
from mining_platform.stages.context import tell_context
from mining_platform.stages.files import CONTEXT_FILE
from tests.mining_platform.patch_stores import write_pixels

CHANNELS = ("OSM-highway", "OSM-building")


def patches() -> tuple[pd.DataFrame, NDArray[np.uint16]]:
    """Eight patches of 4 px in two regions: what they show is told in their rows."""
    images = np.ones((8, 2, 4, 4), np.uint16)
    images[0, 0, 3, 3] = images[1, 0, 0, 0] = images[1, 1, 0, 0] = images[4, 1, 2, 2] = 2
    images[3] = 0
    images[7, :, :, :2] = 0
    table = pd.DataFrame(
        {
            "region": ["a", "a", "a", "a", "b", "b", "b", "b"],
            "year": 2021,
            "store_row": [0, 1, 2, 3, 0, 1, -1, 2],
            "dropped": [False, False, False, False, False, False, True, False],
            "split": ["train", "test", "train", "train", "train", "test", "train", "train"],
            "is_mining": [True, True, True, True, False, False, False, False],
        }
    )
    return table, images


def test_coverage_is_the_share_of_patches_with_a_feature_by_key_class_and_split() -> None:
    table, images = patches()
    stores = {"a": images[:4], "b": images[[4, 5, 7]]}

    def images_of(region: str, _year: int, rows: Sequence[int]) -> NDArray[np.uint16]:
        return stores[region][list(rows)]

    shuffled = table.sample(frac=1, random_state=3)
    found = context_coverage.coverage_table(shuffled, images_of, CHANNELS).set_index(["key", "split", "is_mining"])
    numbers = found[["patches", "known", "with_feature"]]
    assert numbers.loc[("highway", "all", True)].tolist() == [4, 3, 2]
    assert numbers.loc[("building", "all", True)].tolist() == [4, 3, 1]
    assert numbers.loc[("any", "all", True)].tolist() == [4, 3, 2]
    assert numbers.loc[("any", "train", True)].tolist() == [3, 2, 1]
    assert numbers.loc[("any", "test", True)].tolist() == [1, 1, 1]
    assert numbers.loc[("any", "all", False)].tolist() == [3, 3, 1]
    assert found["share"].loc[("any", "all", True)] == pytest.approx(2 / 3, abs=1e-6)
    assert set(found.index.get_level_values("split")) == {"all", "train", "test"}
    picture = context_coverage.coverage_figure(found.reset_index(), "Coverage, tiny 2021", simulated=True)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == context_coverage.coverage_figure(found.reset_index(), "Coverage, tiny 2021", simulated=True)


def test_coverage_is_of_the_flags_of_a_profile() -> None:
    channels = (*profiles.PROFILES["s2-12+osm-5"].channels, "OSM-highway-distance")
    assert context_coverage.flag_channels(channels) == channels[12:17]
    images = np.zeros((1, 1, 4, 4), np.uint16)
    assert [each.tolist() for each in context_coverage.features_in(images)] == [[[False]], [[False]]]


def test_a_coverage_picture_has_a_pair_of_bars_a_key(tmp_path: Path) -> None:
    rows = [
        {"key": key, "split": "all", "is_mining": is_mining, "patches": 10, "known": 10, "with_feature": 5, "share": 0.5}
        for key in (*OSM_KEYS, "any")
        for is_mining in (True, False)
    ]
    (tmp_path / "x.png").write_bytes(context_coverage.coverage_figure(pd.DataFrame(rows), "Coverage", simulated=False))
    with Image.open(tmp_path / "x.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0xD1, 0x49, 0x5B), (0x5B, 0x8C, 0x5A)):
        assert (pixels == colour).all(axis=1).sum() > 6 * 500


STACK = ("B04", *CHANNELS, "OSM-highway-distance")


@pytest.fixture
def stores(tmp_path: Path) -> dict[str, Artifact]:
    """The patches of `patches`, between a band and a channel of distances, as two regions store them, by region and year."""
    _, images = patches()
    found = {}
    for region, rows in (("a", [0, 1, 2, 3]), ("b", [4, 5, 7])):
        stack = np.stack([np.full((len(rows), 4, 4), 2, np.uint16), *images[rows].swapaxes(0, 1), images[rows, 0]], axis=1)
        path = write_pixels(tmp_path / region, stack, STACK, [f"{region}{row}" for row in rows])
        found[f"{region}|2021"] = Artifact(Ref("x/patches", f"{region}|2021"), "0" * 64, path, {})
    return found


def told(stores: dict[str, Artifact], out: Path) -> dict[str, Any]:
    """The facts of the stores' patches, and the files that belong to them."""
    out.mkdir(exist_ok=True)
    table, _ = patches()
    return tell_context(table.assign(simulated=True), stores, STACK, "Coverage", out)


def test_the_manifest_tells_coverage_from_the_stores_as_a_table_a_picture_and_facts(
    stores: dict[str, Artifact], tmp_path: Path
) -> None:
    facts = told(stores, tmp_path / "out")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["context_coverage.csv", "context_coverage.png"]
    written = pd.read_csv(tmp_path / "out" / CONTEXT_FILE)
    assert written.astype(object).to_dict("records") == facts["context_coverage"]
    first = {"key": "highway", "split": "all", "is_mining": True, "patches": 4, "known": 3, "with_feature": 2, "share": 0.666667}
    assert facts["context_coverage"][0] == first
    assert set(written["key"]) == {"highway", "building", "any"}, "neither bands nor distances are features"


def test_a_share_of_nothing_known_is_none_and_not_0(stores: dict[str, Artifact], tmp_path: Path) -> None:
    table, _ = patches()
    unknown = table[table["store_row"] == 3].assign(simulated=True)
    (tmp_path / "out").mkdir()
    rows = tell_context(unknown, stores, STACK, "Coverage", tmp_path / "out")["context_coverage"]
    assert {(row["patches"], row["known"], row["share"]) for row in rows} == {(1, 0, None), (0, 0, None)}


def test_without_channels_of_openstreetmap_there_is_nothing_to_tell(tmp_path: Path) -> None:
    table, _ = patches()
    assert tell_context(table, {}, ("B04", "NDVI"), "Coverage", tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_report_shows_the_coverage_of_the_releases_that_have_it(stores: dict[str, Artifact], tmp_path: Path) -> None:
    platform = Platform(tmp_path, {}, ArtifactStore(tmp_path / "artifacts"), router, router)

    def compute(_inputs: Any, out: Path) -> dict[str, Any]:
        return {**told(stores, out), "simulated": True}

    ref = Ref("sim_context/manifest", "2021")
    produce(platform.artifacts, ref, inputs=[], code_version="1", config={}, compute=compute)
    page = reports.write_report(platform, [ref], tmp_path / "report").read_text()
    assert page.count("<h2>Context by class</h2>") == page.count("<img") == 1
    assert '<td>highway</td><td class="left">mining</td><td>67 % (2 / 3)</td>' in page
    assert "<th>all</th><th>train</th><th>test</th>" in page
    assert "Context by class" not in reports.write_report(platform, [], tmp_path / "empty").read_text()
