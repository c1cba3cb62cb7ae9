"""Mining followed through the years by the command: new mining, a changed map, a failing region, the demonstration's report."""

import json
import re
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import rasterio
import shapely

from mining_platform import changes
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.detection_maps import MASK_NAME, SQUARES_NAME
from mining_platform.stages.files import TERRITORIES_CSV
from mining_platform.store.digests import file_digest
from mining_platform.store.versions import records
from tests.conftest import Installation, Line
from tests.monitored_regions import artifact, made, write_map


def test_new_mining_is_what_the_maps_have_more(followed: Installation) -> None:
    facts = artifact(followed, "changes", "alto|2023").facts

    assert facts["new_ha"] / facts["found_ha"]["2023"] == pytest.approx(4 / 14, rel=1e-4)
    assert facts["cumulative_ha"] == pytest.approx(facts["found_ha"]["2023"], rel=1e-9)
    first = artifact(followed, "changes", "alto|2022").facts
    assert first["new_ha"] == first["cumulative_ha"] == pytest.approx(facts["found_ha"]["2022"], rel=1e-9)
    report = artifact(followed, "annual_report", "2023").facts
    assert report["new_ha"] == pytest.approx(2 * facts["new_ha"], rel=1e-3)
    assert report["left_out"] == []


def test_a_changed_map_makes_just_what_rests_on_it_and_the_report_says_what_was_restated(followed: Installation) -> None:
    write_map(followed.home / "maps", "alto", 2022, 12)

    states = followed.states("--stale")

    assert {ref for ref in made(states) if not ref.startswith("label@")} == {
        "land_cover@alto|2022",
        "detections@alto|2022",
        *(f"changes@alto|{year}" for year in (2022, 2023)),
        *(f"{asset}@{year}" for asset in ("territories", "annual_report") for year in (2022, 2023)),
    }
    (row,) = artifact(followed, "annual_report", "2023").facts["restated"]
    assert (row["region"], row["year"]) == ("alto", 2022)
    assert row["after_ha"] / row["before_ha"] == pytest.approx(12 / 10, rel=1e-4)
    assert row["causes"] == "a map of the same collection has other content"
    page = (artifact(followed, "annual_report", "2023").path / "report.en.html").read_text()
    assert "a map of the same collection has other content" in page
    assert made(followed.states("--assets", "annual_report", "--years", "2022-2023")) == set()


def test_a_report_tells_the_same_of_the_last_release_after_its_versions_were_removed(followed: Installation) -> None:
    write_map(followed.home / "maps", "alto", 2022, 12)
    followed.states("--stale")
    (restated,) = artifact(followed, "annual_report", "2023").facts["restated"]

    followed.run("gc")
    told = json.loads(followed.regions.read_text())
    told["features"][1]["properties"]["name"] = "Baixo Rio"
    followed.regions.write_text(json.dumps(told))
    remade = followed.states("--assets", "annual_report", "--years", "2023")

    assert made(remade) == {"annual_report@2023"}
    report = artifact(followed, "annual_report", "2023")
    assert report.facts["restated"] == [restated]
    page = (report.path / "report.en.html").read_text()
    assert "Baixo Rio" in page
    assert "no longer kept" not in page


def test_the_first_report_of_a_year_tells_what_people_decided_and_not_that_the_year_is_new(
    followed: Installation, tmp_path: Path
) -> None:
    (place,) = gpd.read_parquet(artifact(followed, "changes", "alto|2022").path / changes.NEW_NAME)["change_id"]
    (tmp_path / "decisions.csv").write_text(
        f"detection_id,decision,also_later,reviewer,reason\n{place},reject,yes,Ana,a sandbank\n"
    )
    followed.run("review-detections", "--region", "alto", "--year", "2022", "--apply", str(tmp_path / "decisions.csv"))
    for region in ("alto", "baixo"):
        write_map(followed.home / "maps", region, 2024, 15)

    followed.states("--assets", "annual_report", "--years", "2024")

    rows = artifact(followed, "annual_report", "2024").facts["restated"]
    assert [(row["region"], row["year"], row["causes"]) for row in rows] == [
        ("alto", year, "people decided otherwise") for year in (2022, 2023)
    ]


def test_a_false_alarm_leaves_the_maps_and_reports_of_its_region_and_the_report_says_why(
    followed: Installation, tmp_path: Path
) -> None:
    before = artifact(followed, "changes", "alto|2023").facts
    (place,) = gpd.read_parquet(artifact(followed, "changes", "alto|2022").path / changes.NEW_NAME)["change_id"]
    rows = f"detection_id,decision,also_later,reviewer,reason\n{place},reject,yes,Ana,a sandbank\n"
    (tmp_path / "decisions.csv").write_text(rows)

    review = ("review-detections", "--region", "alto", "--year", "2022")
    told = json.loads(followed.run(*review, "--apply", str(tmp_path / "decisions.csv"), "--json"))
    states = followed.states("--stale")

    assert list(told["published"]) == ["detections/reviews@alto|2022"]
    assert made(states) == {
        *(f"changes@alto|{year}" for year in (2022, 2023)),
        *(f"{asset}@{year}" for asset in ("territories", "annual_report") for year in (2022, 2023)),
    }
    after = artifact(followed, "changes", "alto|2023").facts
    assert after["found_ha"]["2023"] / before["found_ha"]["2023"] == pytest.approx(4 / 14, rel=1e-4)
    assert after["found_ha"]["2022"] == 0
    assert after["removed_ha"] == pytest.approx(before["found_ha"]["2022"], rel=1e-4)
    report = artifact(followed, "annual_report", "2023")
    assert {row["causes"] for row in report.facts["restated"]} == {"people decided otherwise"}
    assert "left out 1 as false alarms" in (report.path / "report.en.html").read_text()
    (in_force,) = json.loads(followed.run(*review, "--list", "--json"))["in_force"]
    assert (in_force["detection_id"], in_force["decision"], in_force["also_later"]) == (place, "reject", True)
    refused = followed.run("review-detections", "--region", "alto", "--year", "2024", code=2)
    assert "alto has no changes of 2024. Make them: mining-platform materialize" in " ".join(refused.split())


def test_a_report_leaves_with_its_data_and_the_audit_that_it_links_to(followed: Installation, tmp_path: Path) -> None:
    followed.run("report", "--year", "2023", "--out", str(tmp_path / "out"))

    pages = {f"report.{language}.html" for language in ("en", "pt", "es")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*pages, "downloads", "audit.html"}
    page = (tmp_path / "out" / "report.pt.html").read_text()
    links = set(re.findall(r'<a href="([^"]+)"', page[page.index("<main>") : page.index("</main>")]))
    assert {"audit.html", "report.en.html", "downloads/mining-new-2023.gpkg"} <= links
    assert all((tmp_path / "out" / link).is_file() for link in links)
    audit = (tmp_path / "out" / "audit.html").read_text()
    assert file_digest(tmp_path / "out" / "report.en.html") in audit
    assert "There is no report of 2031" in followed.run("report", "--year", "2031", "--out", str(tmp_path / "none"), code=2)


def test_a_region_that_fails_is_named_and_the_next_run_makes_what_it_lacked(followed: Installation) -> None:
    write_map(followed.home / "maps", "alto", 2024, 15)

    failed = followed.states("--assets", "annual_report", "--years", "2024", code=1)

    assert {ref for ref, row in failed.items() if row["state"] == "failed"} == {"land_cover@baixo|2024"}
    report = artifact(followed, "annual_report", "2024")
    assert (report.facts["regions"], report.facts["left_out"]) == (["alto"], ["Baixo"])
    assert "because their maps could not be made: Baixo" in (report.path / "report.en.html").read_text()

    write_map(followed.home / "maps", "baixo", 2024, 15)
    assert made(followed.states("--assets", "annual_report", "--years", "2024")) == {
        *(f"{asset}@baixo|2024" for asset in ("land_cover", "detections", "changes")),
        *(f"{asset}@2024" for asset in ("territories", "annual_report")),
    }
    assert artifact(followed, "annual_report", "2024").facts["left_out"] == []


def test_a_report_is_not_made_without_the_territories_of_its_year(followed: Installation) -> None:
    for asset in ("territories", "annual_report"):
        shutil.rmtree(followed.home / "artifacts" / asset / "@2023")

    failed = followed.states("--only", "--assets", "annual_report", "--years", "2023", code=1)["annual_report@2023"]

    assert "territories@2023" in failed["message"]
    assert "mining-platform materialize --assets territories --years 2023" in failed["message"]


def test_a_region_that_does_not_declare_the_year_is_named_by_the_refresh_and_in_the_report(followed: Installation) -> None:
    regions = json.loads(followed.regions.read_text())
    regions["features"][1]["properties"]["years"] = [2022, 2023]
    followed.regions.write_text(json.dumps(regions))
    write_map(followed.home / "maps", "alto", 2024, 15)

    printed = " ".join(followed.run("refresh", "--year", "2024").split())

    assert "Not refreshed, since 2024 is not among their years: baixo (until 2023)" in printed
    report = artifact(followed, "annual_report", "2024")
    assert (report.facts["regions"], report.facts["ended"], report.facts["left_out"]) == (["alto"], ["Baixo"], [])
    told = "Followed before and not in 2024, so in none of these numbers (in brackets their last year): Baixo (2023)."
    assert told in (report.path / "report.en.html").read_text()


def test_named_territories_that_lie_elsewhere_are_told_with_all_mining_outside_of_them(followed: Installation) -> None:
    park = gpd.GeoDataFrame({"code": ["9"], "title": ["Far"]}, geometry=[shapely.box(10, 10, 11, 11)], crs=4326)
    park.to_file(followed.home / "parks.geojson")
    told = json.loads(followed.regions.read_text())
    layer = {"kind": "protected-area", "href": str(followed.home / "parks.geojson"), "id": "code", "name": "title"}
    told["features"][0]["properties"]["monitoring"]["territories"] = [layer]
    followed.regions.write_text(json.dumps(told))

    assert made(followed.states("--assets", "annual_report", "--years", "2023")) == {"territories@2023", "annual_report@2023"}

    territories = artifact(followed, "territories", "2023")
    (row,) = pd.read_csv(territories.path / TERRITORIES_CSV).to_dict("records")
    assert (row["kind"], row["territory_id"]) == ("protected-area", "outside")
    assert row["mining_ha"] == pytest.approx(territories.facts["mining_ha"], rel=1e-4)
    assert territories.facts["kinds"] == ["protected-area"]
    page = (artifact(followed, "annual_report", "2023").path / "report.en.html").read_text()
    assert "None of the named territories lies in these regions" in page


def test_the_demonstrations_report_is_marked_and_rests_on_the_deployed_model(line: Line) -> None:
    report = artifact(line.installation, "annual_report", "2024")
    page = (report.path / "report.en.html").read_text()

    assert report.facts["regions"] == ["sim-igarape", "sim-serra"]
    assert "SIMULATED DATA: no picture or number on this page shows a real place" in page
    assert re.search(r"<td>sim-cnn-48\|2023</td><td>\d+</td>", page)
    store = ArtifactStore(line.installation.home / "artifacts")
    (detected,) = records(store, Ref("detections", "sim-igarape|2024"))[-1:]
    assert {(each.asset, each.partition) for each in detected.inputs} == {
        ("mosaic", "sim-igarape|2024"),
        ("model", "sim-cnn-48|2023"),
        ("model", "sim-unet|2023"),
    }


def test_in_the_demonstration_mines_are_outlined_inside_of_the_squares_that_were_found(line: Line) -> None:
    found = artifact(line.installation, "detections", "sim-igarape|2024")
    with rasterio.open(found.path / MASK_NAME) as mask, rasterio.open(found.path / SQUARES_NAME) as squares:
        outlined, coarse = mask.read(1) == 1, squares.read(1) == 1
        assert (mask.transform.a, squares.transform.a) == (10, 240)
    assert outlined.any()
    within = coarse.repeat(24, axis=0).repeat(24, axis=1)[: outlined.shape[0], : outlined.shape[1]]
    assert within[outlined].all()
    assert outlined.sum() < 0.8 * within.sum()
    assert found.facts["squares_without_outline"] < coarse.sum()


def test_the_union_of_a_year_holds_that_of_the_year_before_in_the_demonstration(line: Line) -> None:
    unions = {}
    for year in (2023, 2024):
        with rasterio.open(
            artifact(line.installation, "changes", f"sim-igarape|{year}").path / changes.FIRST_YEAR_NAME
        ) as raster:
            unions[year] = raster.read(1) > 0

    assert unions[2023].any()
    assert unions[2024][unions[2023]].all()


def test_territories_of_a_kind_add_up_to_all_mining(line: Line) -> None:
    table = pd.read_csv(artifact(line.installation, "territories", "2024").path / TERRITORIES_CSV)
    found = [
        gpd.read_parquet(artifact(line.installation, "changes", f"{region}|2024").path / changes.CUMULATIVE_NAME)["area_ha"].sum()
        for region in ("sim-igarape", "sim-serra")
    ]

    for _, rows in table.groupby("kind"):
        assert rows["mining_ha"].sum() == pytest.approx(sum(found), rel=1e-4)
