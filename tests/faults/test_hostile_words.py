"""Words of others in keys and on pages stay words: they name no path, and they are no markup."""

from pathlib import Path

import pytest

from assets_defs.partitions import STEPS
from mining_platform.artifacts import ArtifactStore, InvalidRef, Ref
from mining_platform.pipeline import PartitionError, Platform
from mining_platform.region_files import load_regions
from mining_platform.reports import write_report
from mining_platform.sources import router
from tests.conftest import ROOT
from tests.mining_platform.audited_stores import put

KEYS = [
    *("", "|", "|2024", "sim-igarape|", "sim-igarape|2024|", "sim-igarape|2024\n", " sim-igarape|2024", "SIM-IGARAPE|2024"),
    *("sim-igarape｜2024", "sim-igarape|٢٠٢٤", "../..|2024", "..|2024", ".|2024", "sim-igarape/../x|2024", "\0|2024"),
    *("sim-igarape|2024\x00", "%2e%2e|2024", "~|2024", "$HOME|2024", "\u202e4202|evil", "a" * 10_000, "a|" * 5_000),
]
MARKUP = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:20]))
def test_no_asset_has_a_partition_of_a_hostile_key(key: str) -> None:
    regions = load_regions(ROOT / "regions.geojson")
    for step in STEPS.values():
        with pytest.raises(PartitionError, match="has no partition"):
            step.check_key(key, regions)


@pytest.mark.parametrize("key", [key for key in KEYS if key], ids=lambda key: ascii(key[:20]))
def test_no_hostile_key_is_the_name_of_an_artifact(key: str) -> None:
    with pytest.raises(InvalidRef, match="is no partition"):
        Ref("land_cover", key)


def test_words_of_people_are_no_markup_on_the_report_and_its_audit(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    rows = [{"range": MARKUP, "taken": 1, "wanted": 2, "short": 1}]
    facts = {"simulated": False, "shortage": rows, "left_out": [MARKUP, "'><svg onload=alert(1)>"]}
    outside = {"source": "mapbiomas", "collection": MARKUP, "href": MARKUP, "year": 2024, "blake3": "ab" * 32}
    put(store, Ref("ranges/quotas", "2024"), config={"outside": outside, MARKUP: MARKUP}, facts=facts)
    platform = Platform(tmp_path, {}, store, router, router)
    report = write_report(platform, [Ref("ranges/quotas", "2024")], tmp_path / "report")
    pages = {path.name: path.read_text(encoding="utf-8") for path in report.parent.glob("*.html")}
    assert len(pages) == 2
    for name, page in pages.items():
        assert "document.title" in page, f"{name} does not tell the words, so nothing is shown"
        assert "<script>document" not in page
        assert "<img src=x" not in page
        assert "<svg onload" not in page
