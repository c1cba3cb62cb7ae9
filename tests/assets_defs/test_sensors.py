"""Sensors: a change is asked for once, a collection is told once, a failure is told once, and silence is named."""

import json
from typing import Any

import dagster as dg
import pytest

from assets_defs import sensors, source_jobs
from assets_defs.failures import run_failures
from assets_defs.run_tags import NOTIFIED, PLANNER, WILL_RETRY
from assets_defs.summaries import concluded
from mining_platform import webhooks
from mining_platform.artifacts import Ref
from mining_platform.map_collections import NewCollection
from mining_platform.runs import Outcome
from mining_platform.source_changes import Change, Look
from tests.file_service import FileService

SERRA, IGARAPE = Ref("land_cover", "sim-serra|2024"), Ref("land_cover", "sim-igarape|2024")
NOTHING = Look((), (), 0)
ELEVENTH = NewCollection("mapbiomas", "11", "https://host/collection_11/{year}.tif", (1985, 2025), ("tapajos",), "10")


def told(chat: FileService) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in chat.posted]


def changed(ref: Ref, state: str, made: str = "1", **editions: Any) -> Change:
    return Change(ref, "bytes 1 -> 2", state, made, editions)


def config(result: dg.SensorResult) -> dict[str, Any]:
    (request,) = result.run_requests or ()
    return request.run_config["ops"]["refresh_sources"]["config"]


def test_both_sensors_are_off_until_somebody_turns_them_on() -> None:
    for sensor in (sensors.changed_sources, sensors.new_map_collections):
        assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert sensors.changed_sources.minimum_interval_seconds == 6 * 3600
    assert sensors.new_map_collections.minimum_interval_seconds == 24 * 3600


def test_a_changed_source_is_asked_for_once_and_another_change_of_it_again() -> None:
    first = sensors.requested(Look((changed(SERRA, "a"),), (), 0), None)
    assert config(first)["partitions"] == ["land_cover@sim-serra|2024"]
    assert config(first)["why"] == ["land_cover@sim-serra|2024: bytes 1 -> 2"]
    again = sensors.requested(Look((changed(SERRA, "a"),), (), 0), first.cursor)
    assert again.run_requests == []
    assert "1 changed sources were asked for before" in str(again.skip_reason)
    next_change = sensors.requested(Look((changed(SERRA, "b"),), (), 0), again.cursor)
    assert next_change.run_requests[0].run_key != first.run_requests[0].run_key
    done = sensors.requested(NOTHING, next_change.cursor)
    assert json.loads(done.cursor or "") == {}


def test_a_source_that_is_again_as_it_was_is_asked_for_again_after_each_refresh() -> None:
    asked, cursor = [], None
    for number, state in enumerate("bab"):
        seen = Look((changed(SERRA, state, str(number)),), (), 0)
        result = sensors.requested(seen, cursor)
        asked += [request.run_key for request in result.run_requests or ()]
        under_way = sensors.requested(seen, result.cursor)
        assert under_way.run_requests == []
        cursor = sensors.requested(NOTHING, under_way.cursor).cursor
    assert len(set(asked)) == 3


def test_equal_changes_have_equal_run_keys_whatever_was_before() -> None:
    both = Look((changed(SERRA, "a"), changed(IGARAPE, "a")), (), 0)
    fresh = sensors.requested(both, None)
    grown = sensors.requested(both, sensors.requested(Look((changed(SERRA, "a"),), (), 0), None).cursor)
    assert fresh.run_requests[0].run_key == grown.run_requests[0].run_key
    assert len(config(grown)["partitions"]) == 2, "what a failed refresh left is asked for with the next change"


def test_the_editions_of_remote_maps_go_with_the_request_as_valid_configuration() -> None:
    edition = {"bytes": 7, "etag": '"x"'}
    result = sensors.requested(Look((changed(SERRA, "a", **{"https://host/m.tif": edition}),), (), 0), None)
    assert json.loads(config(result)["editions"]["https://host/m.tif"]) == edition
    dg.validate_run_config(source_jobs.refresh_changed, result.run_requests[0].run_config)


def test_what_could_not_be_asked_is_named_where_nothing_changed() -> None:
    result = sensors.requested(Look((), ("host: the service does not answer (ConnectTimeout) (8 partitions)",), 3), None)
    assert str(result.skip_reason) == str(
        dg.SkipReason(
            "No source changed. Not asked: host: the service does not answer (ConnectTimeout) (8 partitions). "
            "3 partitions rest on services without editions."
        )
    )


def collections(cursor: str | None, monkeypatch: pytest.MonkeyPatch, *found: NewCollection, unasked: Any = ()) -> dg.SensorResult:
    monkeypatch.setattr(sensors, "new_collections", lambda _regions: (list(found), list(unasked)))
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, cursor=cursor) as context:
        result = sensors.new_map_collections(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_new_collection_is_told_to_people_once_and_stands_on_the_asset(
    chat: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = collections(None, monkeypatch, ELEVENTH)
    (message,) = told(chat)
    assert message["subject"] == "Collection 11 of the land-cover maps is published"
    assert 'set in the land_cover of these regions "collection": "11"' in message["text"]
    (event,) = first.asset_events
    assert isinstance(event, dg.AssetObservation)
    assert event.asset_key == dg.AssetKey("land_cover")
    second = collections(first.cursor, monkeypatch, ELEVENTH)
    assert len(chat.posted) == 1
    assert second.asset_events == []
    assert "Nothing was changed" in str(second.skip_reason)


def test_a_collection_that_nobody_could_be_told_of_is_told_at_the_next_look(
    chat: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.statuses += [500] * webhooks.TRIES
    first = collections(None, monkeypatch, ELEVENTH)
    assert chat.posted == []
    collections(first.cursor, monkeypatch, ELEVENTH)
    assert len(chat.posted) == 1


def test_no_new_collection_and_silence_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No newer collection is published" in str(collections(None, monkeypatch).skip_reason)
    silent = collections(None, monkeypatch, unasked=["collection 11 of mapbiomas: the service does not answer"])
    assert "Not asked: collection 11 of mapbiomas" in str(silent.skip_reason)


OUTCOMES = [
    Outcome(IGARAPE, "made", "d", 1.0),
    Outcome(SERRA, "failed", "", 1.0, "the map is damaged"),
    Outcome(Ref("changes", "sim-serra|2024"), "blocked", "", 0.0, f"rests on {SERRA}, which failed"),
]


@dg.op
def ends(context: dg.OpExecutionContext) -> None:
    from assets_defs.partitions import STEPS

    concluded(context, "Refresh of 2024", STEPS, OUTCOMES)


@dg.job
def ending() -> None:
    ends()


@dg.op
def breaks() -> None:
    raise ValueError("the map is damaged")


@dg.job
def breaking() -> None:
    breaks()


def failing(instance: dg.DagsterInstance, job: dg.JobDefinition, tags: dict[str, str]) -> Any:
    """What the sensor of failures answers to one run."""
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    assert not result.success
    event = next(event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context("run_failures", event, instance, result.dagster_run).for_run_failure()
    return run_failures(context)


def test_a_refresh_that_lost_something_tells_people_by_region_and_fails_by_name(chat: FileService) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        answer = failing(instance, ending, {})
        (run,) = instance.get_runs()
        assert run.tags[NOTIFIED] == "true"
        assert "People were told by the run itself" in str(answer)
        failure = next(
            entry for entry in instance.all_logs(run.run_id) if entry.dagster_event and entry.dagster_event.is_step_failure
        )
        assert "2 of 3 partitions were not made: land_cover@sim-serra|2024: the map is damaged" in failure.to_json()
    (message,) = told(chat)
    assert message["subject"] == "Refresh of 2024: 2 of 3 partitions were not made, of sim-serra"
    assert "land_cover@sim-serra|2024: the map is damaged" in message["text"]
    assert message["facts"]["regions"] == ["sim-serra"]


def test_a_refresh_whose_own_message_did_not_arrive_is_told_by_the_sensor(chat: FileService) -> None:
    chat.statuses += [500] * webhooks.TRIES
    with dg.DagsterInstance.ephemeral() as instance:
        assert failing(instance, ending, {}) is None
        (run,) = instance.get_runs()
        assert NOTIFIED not in run.tags
    (message,) = told(chat)
    assert message["subject"] == "Failed: ending"
    assert "2 of 3 partitions were not made" in message["text"]


def test_a_failed_run_is_told_with_its_error(chat: FileService) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        failing(instance, breaking, {"dagster/partition": "sim-serra|2024"})
    (message,) = told(chat)
    assert message["subject"] == "Failed: breaking sim-serra|2024"
    assert "breaks: ValueError: the map is damaged" in message["text"]


@pytest.mark.parametrize("tag", [PLANNER, WILL_RETRY])
def test_runs_of_the_planner_and_runs_that_are_made_again_are_not_told_one_by_one(chat: FileService, tag: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(failing(instance, breaking, {tag: "true"}), dg.SkipReason)
    assert chat.posted == []


def test_a_notification_that_does_not_arrive_fails_nothing(chat: FileService) -> None:
    chat.statuses += [500] * webhooks.TRIES
    with dg.DagsterInstance.ephemeral() as instance:
        assert failing(instance, breaking, {}) is None
