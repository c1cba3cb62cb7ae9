"""The annual report's own words in each language: causes of restatement, downloads, sources, kinds of territories."""

import re
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest
from shapely.geometry import box

from mining_platform.annual_reports.cause_words import CAUSE_WORDS
from mining_platform.annual_reports.contents import Contents, RestatedYear
from mining_platform.annual_reports.download_words import DOWNLOAD_WORDS
from mining_platform.annual_reports.downloads import write_downloads
from mining_platform.annual_reports.source_words import credit_in
from mining_platform.annual_reports.words import LANGUAGES, WORDS
from mining_platform.audits.changes import CAUSES
from mining_platform.packages.credits import FILE_CREDITS, LAND_COVER_CREDITS, LAYER_CREDITS, SCENE_CREDITS
from mining_platform.territories import hectares_by_territory
from tests.mining_platform.test_annual_reports import contents, page, region, text
from tests.mining_platform.test_report_comparisons import compared

__all__ = ["compared", "contents", "region"]
OTHERS = [language for language in LANGUAGES if language != "en"]
CREDITS = [*LAND_COVER_CREDITS.values(), *SCENE_CREDITS.values(), *LAYER_CREDITS.values(), *FILE_CREDITS.values()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_of_an_audit_has_words(language: str) -> None:
    assert CAUSES.keys() <= CAUSE_WORDS[language].keys()
    assert all(CAUSE_WORDS[language].values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_causes_of_what_was_restated_are_told_in_the_pages_language(contents: Contents, tmp_path: Path, language: str) -> None:
    told = text(page(replace(contents, restated=(RestatedYear("here", 2023, 3.5, 4.0, tuple(CAUSES)),)), tmp_path, language))

    assert "; ".join(CAUSE_WORDS[language][cause] for cause in CAUSES) in told
    assert language == "en" or CAUSES["code"] not in told


@pytest.mark.parametrize("language", OTHERS)
def test_what_downloads_are_is_told_in_the_pages_language(compared: Contents, tmp_path: Path, language: str) -> None:
    (tmp_path / "files").mkdir()
    files = write_downloads(compared, tmp_path / "files")

    assert {each.about for each in files} == DOWNLOAD_WORDS[language].keys()
    told = text(page(compared, tmp_path / "out", language))
    for each in files:
        assert each.about_in(language) != each.about_in("en")
        assert each.about_in(language) in told


def test_words_of_downloads_fill_in_the_same_places_in_every_language() -> None:
    for key, english in DOWNLOAD_WORDS["en"].items():
        for language in OTHERS:
            assert set(re.findall(r"{\w+}", DOWNLOAD_WORDS[language][key])) == set(re.findall(r"{\w+}", english)), key


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("credit", CREDITS, ids=lambda credit: credit.text[:20])
def test_a_credit_keeps_the_words_that_its_source_asks_for_and_ours_are_translated(language: str, credit: object) -> None:
    line = credit.line  # type: ignore[attr-defined]
    told = credit_in(line, language)

    assert told.split(":")[0] == line.split(":")[0] == "Radar" or told.split(":")[0] != line.split(":")[0]
    assert not re.search("SIMULATED|software,.*is shown|under the terms|polygons of|of the file", told)
    assert credit_in(line, "en") == line
    for asked in ("Project MapBiomas, Collection", "contains modified Copernicus Sentinel data", "© OpenStreetMap contributors"):
        assert (asked in told) == (asked in line)


def test_other_systems_and_territories_are_credited_in_the_pages_language(contents: Contents, tmp_path: Path) -> None:
    lines = (
        "Territories (municipality): IBGE, 2024, CC-BY-4.0.",
        "Compared with: Watch, SIMULATED by this software. Its terms hold for what is only theirs as well.",
    )

    told = text(page(replace(contents, credits=lines), tmp_path / "out", "pt"))

    assert "Territórios (município): IBGE, 2024, CC-BY-4.0." in told
    assert "Comparado com: Watch, SIMULADO por este software. Seus termos valem também para o que é só deles." in told
    assert lines[1] in (tmp_path / "out" / "downloads" / "LICENCE.txt").read_text()


@pytest.mark.parametrize(("language", "kind"), [("en", "municipality"), ("pt", "município"), ("es", "municipio")])
def test_usual_kinds_of_territories_are_called_in_the_pages_language(
    contents: Contents, tmp_path: Path, language: str, kind: str
) -> None:
    first = contents.regions[0]
    land = gpd.GeoDataFrame(
        {"kind": ["municipality", "our-plots"], "territory_id": ["1", "2"], "name": ["Vila", "Plot"]},
        geometry=[box(*first.bounds)] * 2,
        crs=4326,
    )
    table = hectares_by_territory(land, {"mining_ha": first.cumulative, "new_ha": first.new})

    told = text(page(replace(contents, territories=table, outlines=land), tmp_path / "out", language))

    assert f"Vila {kind} 13" in told
    assert "Plot our-plots 13" in told
    assert f"{WORDS[language]['outside']} {kind} 0" in told
