"""The planner: what is made, in which order, and what a failure keeps from being made."""

import json
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, at_one_moment, current_digest, produce
from mining_platform.graph import build_steps
from mining_platform.pipeline import PartitionError, Platform, Step, inputs_now
from mining_platform.plans import PlanError, Selection, plan, select, stale_refs
from mining_platform.region_files import load_regions
from mining_platform.runs import Crew, Outcome, run
from mining_platform.sources.asked_once import asked_once
from mining_platform.sources.protocol import SourceError
from mining_platform.staleness import assess
from mining_platform.store.versions import partition_directory

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
BOTH = ("sim-igarape", "sim-serra")
FAMILY = Selection(assets=("sim_ranges",), years=(2024,))


class Sources:
    """Land covers and scenes that have a version but no pixels."""

    def __init__(self) -> None:
        self.version = 1
        self.absent: set[str] = set()

    def fingerprint_land_cover(self, region: Any, _year: int) -> dict[str, Any]:
        if region.id in self.absent:
            raise SourceError(f"no map of {region.id}")
        return {"version": self.version}

    def fingerprint_scenes(self, region: Any, _year: int) -> dict[str, Any]:
        return {"region": region.id}


@pytest.fixture
def sources() -> Sources:
    return Sources()


@pytest.fixture
def platform(tmp_path: Path, sources: Sources) -> Platform:
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), sources, sources)  # type: ignore[arg-type]


def maker(platform: Platform, failing: Set[Ref] = frozenset(), steps: Mapping[str, Step] = STEPS) -> Callable[[Ref], Outcome]:
    """Makes a partition whose content names its inputs; fails for some."""

    def execute(ref: Ref) -> Outcome:
        step = steps[ref.asset]
        inputs = inputs_now(platform, step, ref.partition)

        def compute(_inputs: Any, out: Path) -> dict[str, Any]:
            if ref in failing:
                raise RuntimeError("lost")
            (out / "inputs.json").write_text(json.dumps(sorted(map(str, inputs))))
            if ref.asset.endswith("/quotas"):
                return {"regions": [each.partition.split("|")[0] for each in inputs]}
            return {}

        try:
            made = produce(
                platform.artifacts,
                ref,
                inputs=inputs,
                code_version=step.version,
                config=step.config(platform, ref.partition),
                compute=compute,
            )
        except Exception as error:
            return Outcome(ref, "failed", "", 0.0, str(error))
        return Outcome(ref, "skipped" if made.skipped else "made", made.digest, 0.0)

    return execute


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {str(done.ref): done.state for done in outcomes}


def test_each_partition_comes_after_what_it_rests_on(platform: Platform) -> None:
    refs = select(platform, STEPS, Selection(assets=("sim_ranges", "model", "evaluation"), experiments=("sim-cnn",)))
    for position, ref in enumerate(refs):
        assert set(STEPS[ref.asset].inputs(platform, ref.partition)) <= set(refs[:position]), ref


def test_a_sampled_region_needs_its_samples_before_its_mosaic_and_a_full_one_does_not(platform: Platform) -> None:
    mosaic = STEPS["mosaic"]
    assert mosaic.inputs(platform, "sim-igarape|2024") == (Ref("scenes", "sim-igarape|2024"),)
    wanted = {Ref("sim_ranges/sample", "sim-serra|2024"), Ref("sim_ranges_48/sample", "sim-serra|2024")}
    assert wanted <= set(mosaic.inputs(platform, "sim-serra|2024"))


def test_only_leaves_out_what_the_chosen_rest_on(platform: Platform) -> None:
    refs = select(platform, STEPS, Selection(assets=("mosaic",), regions=BOTH, years=(2024,), upstream=False))
    assert refs == [Ref("mosaic", "sim-igarape|2024"), Ref("mosaic", "sim-serra|2024")]


def test_regions_and_years_restrict_what_is_made_upstream_too(platform: Platform) -> None:
    refs = select(platform, STEPS, Selection(assets=("sim_ranges/quotas",), regions=("sim-serra",), years=(2024,)))
    assert {ref.partition for ref in refs} == {"sim-serra|2024", "2024"}


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(assets=("nonsense",)), "No asset is called 'nonsense'. Known: land_cover"),
        (Selection(assets=("land_cover",), years=(1950,)), "No declared partition matches.*years 1950.*land_cover: "),
        (Selection(regions=("nowhere",)), "regions nowhere"),
    ],
)
def test_a_selection_that_matches_nothing_is_refused(platform: Platform, selection: Selection, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        select(platform, STEPS, selection)


def test_a_second_run_skips_everything(platform: Platform) -> None:
    refs = select(platform, STEPS, FAMILY)
    assert set(states(run(platform, STEPS, refs, Crew(maker(platform)))).values()) == {"made"}
    assert set(states(run(platform, STEPS, refs, Crew(maker(platform)))).values()) == {"skipped"}
    assert {item.state for item in plan(platform, STEPS, FAMILY)} == {"fresh"}


def test_a_changed_source_makes_what_rests_on_it_stale_and_nothing_else(platform: Platform, sources: Sources) -> None:
    run(platform, STEPS, select(platform, STEPS, FAMILY), Crew(maker(platform)))
    sources.version = 2
    items = {str(item.ref): item for item in plan(platform, STEPS, FAMILY)}
    assert items["scenes@sim-serra|2024"].state == "fresh"
    assert items["land_cover@sim-serra|2024"].reasons == ("configuration outside.version changed: 1 -> 2",)
    assert items["sim_ranges/candidates@sim-serra|2024"].reasons == ("input land_cover@sim-serra|2024 is to be made",)
    assert items["sim_ranges/package@2024"].state == "stale"


def test_a_mosaic_of_a_sampled_region_takes_the_samples_that_are_there(platform: Platform) -> None:
    crew = Crew(maker(platform))
    run(platform, STEPS, select(platform, STEPS, Selection(("sim_ranges/sample",), ("sim-serra",), (2024,))), crew)
    run(platform, STEPS, [Ref("scenes", "sim-serra|2024")], Crew(maker(platform)))
    mosaic = Ref("mosaic", "sim-serra|2024")
    assert inputs_now(platform, STEPS["mosaic"], mosaic.partition)[1:] == (Ref("sim_ranges/sample", "sim-serra|2024"),)
    assert states(run(platform, STEPS, [mosaic], Crew(maker(platform)))) == {"mosaic@sim-serra|2024": "made"}
    run(platform, STEPS, select(platform, STEPS, Selection(("sim_ranges_48/sample",), ("sim-serra",), (2024,))), crew)
    assert assess(platform, STEPS, mosaic).state == "stale"


def test_one_regions_failure_leaves_the_other_and_the_release_done(platform: Platform) -> None:
    failing = {Ref("land_cover", "sim-serra|2024")}
    done = states(run(platform, STEPS, select(platform, STEPS, FAMILY), Crew(maker(platform, failing))))
    assert done["land_cover@sim-serra|2024"] == "failed"
    assert {state for ref, state in done.items() if "sim-serra" in ref} == {"failed", "blocked", "made"}, "its scenes are made"
    assert {state for ref, state in done.items() if "sim-serra" not in ref} == {"made"}
    package = Ref("sim_ranges/package", "2024")
    inputs = inputs_now(platform, STEPS[package.asset], package.partition)
    assert {ref.partition for ref in inputs} == {"2024", "sim-igarape|2024"}, "the lost region is left out of the release"


def test_a_yearly_asset_goes_on_with_what_a_region_published_before(platform: Platform, sources: Sources) -> None:
    refs = select(platform, STEPS, FAMILY)
    run(platform, STEPS, refs, Crew(maker(platform)))
    sources.version = 2
    done = states(run(platform, STEPS, refs, Crew(maker(platform, {Ref("land_cover", "sim-serra|2024")}))))
    assert done["sim_ranges/sample@sim-serra|2024"] == "blocked"
    assert done["sim_ranges/quotas@2024"] in ("made", "skipped")
    assert done["sim_ranges/package@2024"] in ("made", "skipped")


def test_a_failure_everywhere_blocks_the_release_and_publishes_nothing(platform: Platform) -> None:
    failing = {Ref("land_cover", f"{region}|2024") for region in BOTH}
    done = states(run(platform, STEPS, select(platform, STEPS, FAMILY), Crew(maker(platform, failing))))
    assert done["sim_ranges/quotas@2024"] == "blocked"
    assert done["sim_ranges/package@2024"] == "blocked"
    assert current_digest(platform.artifacts, Ref("sim_ranges/quotas", "2024")) is None


def test_a_missing_source_is_a_problem_that_the_plan_tells(platform: Platform, sources: Sources) -> None:
    sources.absent = {"sim-serra"}
    item = assess(platform, STEPS, Ref("land_cover", "sim-serra|2024"))
    assert (item.state, item.problem) == ("cannot", "no map of sim-serra")


@pytest.mark.parametrize("key", ["lourenco|2023", "lourenco|1900", "nowhere|2022", "../../evil", "2022", ""])
def test_an_undeclared_partition_is_refused_with_what_is_declared(key: str) -> None:
    with pytest.raises(PartitionError, match="land_cover has no partition"):
        STEPS["land_cover"].check_key(key, REGIONS)


def test_a_year_beyond_the_source_names_region_source_and_remedy() -> None:
    with pytest.raises(
        PartitionError, match=r"Region lourenco has the years 2016.*collection 8, 1985 to 2022.*add the year to the region"
    ):
        STEPS["land_cover"].check_key("lourenco|2023", REGIONS)


def test_what_is_stale_is_made_again_and_what_was_never_made_is_not(platform: Platform, sources: Sources) -> None:
    serra = Selection(("sim_ranges/sample",), ("sim-serra",), (2024,))
    run(platform, STEPS, select(platform, STEPS, serra), Crew(maker(platform)))
    assert stale_refs(platform, STEPS, FAMILY) == ([], [])
    sources.version = 2
    refs, untold = stale_refs(platform, STEPS, FAMILY)
    assert [str(ref) for ref in refs] == [
        "land_cover@sim-serra|2024",
        "sim_ranges/candidates@sim-serra|2024",
        "sim_ranges/quotas@2024",
        "sim_ranges/sample@sim-serra|2024",
    ]
    assert untold == []
    made = list(states(run(platform, STEPS, refs, Crew(maker(platform)))).values())
    assert made == ["made", "skipped", "skipped", "skipped"], "the map came out the same, and so nothing rests on another"
    assert stale_refs(platform, STEPS, FAMILY) == ([], [])


def test_a_look_at_one_moment_does_not_change_and_the_next_one_sees_what_is_new(platform: Platform) -> None:
    scenes = Ref("scenes", "sim-serra|2024")
    before = at_one_moment(platform.artifacts)
    assert current_digest(before, scenes) is None
    run(platform, STEPS, [scenes], Crew(maker(platform)))
    assert current_digest(before, scenes) is None
    assert current_digest(at_one_moment(platform.artifacts), scenes) == current_digest(platform.artifacts, scenes)
    assert current_digest(platform.artifacts, scenes) is not None


class CountedScenes:
    """A service that counts how often it is asked, and refuses one region."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fingerprint_scenes(self, region: Any, _year: int) -> dict[str, Any]:
        self.asked.append(region.id)
        if region.id == "tapajos":
            raise SourceError("no scenes of tapajos")
        return {"items": 3}

    def cost(self) -> str:
        return "asked"


def test_a_service_is_asked_once_in_a_look_and_refuses_as_often_as_it_is_asked() -> None:
    counted: Any = CountedScenes()
    once: Any = asked_once(counted)
    assert [once.fingerprint_scenes(REGIONS["sim-serra"], 2024) for _ in range(3)] == [{"items": 3}] * 3
    for _ in range(2):
        with pytest.raises(SourceError, match="no scenes of tapajos"):
            once.fingerprint_scenes(REGIONS["tapajos"], 2024)
    assert counted.asked == ["sim-serra", "tapajos"]
    assert once.cost() == "asked", "everything else goes to the source"


def test_a_missing_input_of_what_is_published_is_made_with_it(platform: Platform) -> None:
    sample = Selection(("sim_ranges/sample",), ("sim-serra",), (2024,))
    run(platform, STEPS, select(platform, STEPS, sample), Crew(maker(platform)))
    lost = Ref("land_cover", "sim-serra|2024")
    (partition_directory(platform.artifacts, lost) / "current.json").unlink()
    refs, _ = stale_refs(platform, STEPS, sample)
    assert refs[0] == lost
    assert Ref("sim_ranges/candidates", "sim-serra|2024") in refs
