"""What the release before told otherwise, and why: small stores of known lineage."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from mining_platform.annual_reports.previous import Since, since_previous
from mining_platform.artifacts import ArtifactStore, Ref, current_digest
from mining_platform.store.versions import records
from tests.mining_platform.audited_stores import partition_path, put

REGION = "alto"
YEARS = (2022, 2023, 2024)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def follow(
    store: ArtifactStore,
    found_ha: Mapping[int, float],
    *,
    region: str = REGION,
    model: str = "",
    rejected: tuple[int, ...] = (),
    min_area_ha: float = 11,
) -> Ref:
    """A region's changes of the last of some years, with hectares found by year; by its maps, or by a model."""
    for year, hectares in found_ha.items():
        source = Ref("mosaic" if model else "land_cover", f"{region}|{year}")
        put(store, source, content="image" if model else str(hectares), config={} if model else {"outside": {"bytes": hectares}})
        put(store, Ref("model", model or "none|2023"))
        models = [Ref("model", model)] if model else []
        config = {"deployed_model": model} if model else {"codes": [30]}
        put(store, Ref("detections", f"{region}|{year}"), [source, *models], content=f"{hectares} {model}", config=config)
    for year in rejected:
        put(store, Ref("detections/reviews", f"{region}|{year}"), content="rejected", config={"decisions": 1, "last": "1"})
    inputs = [Ref("detections", f"{region}|{year}") for year in found_ha]
    inputs += [Ref("detections/reviews", f"{region}|{year}") for year in rejected]
    changed = Ref("changes", f"{region}|{max(found_ha)}")
    facts = {"found_ha": {str(year): hectares * (year not in rejected) for year, hectares in found_ha.items()}}
    put(store, changed, inputs, content=f"{facts} {min_area_ha}", config={"min_area_ha": min_area_ha}, facts=facts)
    return changed


def report(store: ArtifactStore, *inputs: Ref, since: Since | None = None) -> Ref:
    """A report of the inputs' year, with what it keeps of the release before."""
    ref = Ref("annual_report", inputs[0].partition[-4:])
    put(store, ref, inputs, content=str([current_digest(store, each) for each in inputs]), facts=since.kept if since else {})
    return ref


def since(store: ArtifactStore, before: Ref, *inputs: Ref, number: int = -1) -> Since:
    """What the report of some inputs tells of a record of the one before."""
    digests = {each: current_digest(store, each) or "" for each in inputs}
    ref = Ref("annual_report", inputs[0].partition[-4:])
    return since_previous(store, ref, records(store, before)[number], digests)


def test_the_first_report_of_a_year_tells_of_a_rejection_and_of_no_new_map(store: ArtifactStore) -> None:
    before = report(store, follow(store, {2022: 10.0, 2023: 14.0}))
    told = since(store, before, follow(store, {2022: 10.0, 2023: 14.0, 2024: 15.0}, rejected=(2022,)))
    assert [(row.year, row.before_ha, row.after_ha, list(row.causes)) for row in told.restated] == [
        (2022, 10.0, 0.0, ["reviews"])
    ]


def test_the_first_report_of_a_year_tells_of_a_changed_map_of_an_earlier_one(store: ArtifactStore) -> None:
    before = report(store, follow(store, {2022: 10.0, 2023: 14.0}))
    (row,) = since(store, before, follow(store, {2022: 12.0, 2023: 14.0, 2024: 15.0})).restated
    assert (row.year, list(row.causes)) == (2022, ["land-cover file"])


def test_a_year_that_a_region_has_now_besides_is_no_cause(store: ArtifactStore) -> None:
    before = report(store, follow(store, {2022: 10.0, 2023: 14.0}))
    (row,) = since(store, before, follow(store, {2021: 9.0, 2022: 12.0, 2023: 14.0})).restated
    assert (row.year, list(row.causes)) == (2022, ["land-cover file"])


@pytest.mark.parametrize("last", [2023, 2024])
def test_another_deployed_model_is_the_only_cause(store: ArtifactStore, last: int) -> None:
    before = report(store, follow(store, {2022: 10.0, 2023: 14.0}, model="cnn|2023"))
    years = {year: 20.0 + year - 2022 for year in YEARS if year <= last}
    told = since(store, before, follow(store, years, model="cnn|2024"))
    assert [(row.year, list(row.causes)) for row in told.restated] == [(2022, ["deployed model"]), (2023, ["deployed model"])]


def test_only_what_a_regions_own_numbers_rest_on_is_a_cause(store: ArtifactStore) -> None:
    other = follow(store, {2023: 14.0}, region="baixo")
    before = report(store, follow(store, {2023: 14.0}), other, put_territories(store, "old"))
    other = follow(store, {2023: 15.0}, region="baixo")
    told = since(store, before, follow(store, {2023: 14.0}, min_area_ha=5), other, put_territories(store, "new"))
    assert [(row.region, list(row.causes)) for row in told.restated] == [("baixo", ["land-cover file"])]


def put_territories(store: ArtifactStore, content: str) -> Ref:
    ref = Ref("territories", "2023")
    put(store, ref, content=content, config={"territories": content})
    return ref


def test_a_region_that_was_left_out_before_is_told_as_what_only_one_has(store: ArtifactStore) -> None:
    before = report(store, follow(store, {2023: 14.0}))
    told = since(store, before, Ref("changes", "alto|2023"), follow(store, {2023: 9.0}, region="baixo"))
    assert [(row.region, row.before_ha, list(row.causes)) for row in told.restated] == [("baixo", None, ["inputs"])]
    assert told.unknown == ()


def collected(store: ArtifactStore, ref: Ref) -> None:
    """Leave of a partition's versions just the current one."""
    for version in (partition_path(store, ref) / "versions").iterdir():
        if version.name != current_digest(store, ref):
            version.chmod(0o755)
            shutil.rmtree(version)


def test_a_number_whose_version_was_removed_is_unknown_and_not_restated_from_nothing(store: ArtifactStore) -> None:
    other = follow(store, {2022: 5.0, 2023: 5.0}, region="baixo")
    before = report(store, changed := follow(store, {2022: 10.0, 2023: 14.0}), other)
    follow(store, {2022: 10.0, 2023: 20.0})
    other = follow(store, {2022: 6.0, 2023: 5.0}, region="baixo")
    collected(store, changed)
    told = since(store, before, changed, other)
    assert [(row.region, row.year) for row in told.restated] == [("baixo", 2022)]
    assert told.unknown == ("alto",)


def test_a_report_made_again_tells_what_it_told_before_the_versions_were_removed(store: ArtifactStore) -> None:
    before = report(store, changed := follow(store, {2022: 10.0, 2023: 14.0}))
    follow(store, {2022: 10.0, 2023: 20.0})
    first = since(store, before, changed)
    assert [(row.year, row.before_ha, row.after_ha, list(row.causes)) for row in first.restated] == [
        (2023, 14.0, 20.0, ["land-cover file"])
    ]
    report(store, changed, since=first)
    collected(store, changed)
    assert since(store, before, changed, number=0) == first


def test_what_a_report_keeps_of_another_release_is_not_taken_for_this_one(store: ArtifactStore) -> None:
    before = report(store, changed := follow(store, {2023: 14.0}))
    follow(store, {2023: 20.0})
    report(store, changed, since=since(store, before, changed))
    follow(store, {2023: 21.0})
    report(store, changed)
    collected(store, changed)
    told = since(store, before, changed, number=1)
    assert (told.restated, told.unknown) == ((), ("alto",))
