"""Changed land-cover maps are seen by the sensor; its request makes just what rests on them and tells hectares old and new."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT, Installation
from tests.file_service import file_service
from tests.monitored_regions import artifact, write_map

pytestmark = pytest.mark.slow

LOOKS = """
import json, sys
import dagster as dg
from assets_defs.definitions import PLATFORM, defs
from assets_defs.instances import opened_instance
from assets_defs.sensors import changed_sources

with opened_instance() as instance:
    with dg.build_sensor_context(instance, cursor=sys.argv[1] or None, resources={"platform": PLATFORM}) as context:
        answer = changed_sources(context)
    told = {"cursor": answer.cursor, "requests": len(answer.run_requests or ())}
    for request in answer.run_requests or ():
        job = defs.resolve_job_def("refresh_changed")
        result = job.execute_in_process(run_config=request.run_config, instance=instance, raise_on_error=False)
        told["success"] = result.success
        events = [event for event in result.all_events if event.is_successful_output or event.is_step_failure]
        told["metadata"] = {
            name: [dict(record.data) for record in value.records] if hasattr(value, "records") else value.value
            for event in events
            for name, value in (
                event.step_output_data.metadata
                if event.is_successful_output
                else event.step_failure_data.user_failure_data.metadata
            ).items()
        }
print("TOLD", json.dumps(told))
"""


def looked(installation: Installation, cursor: str, **environment: str) -> dict[str, Any]:
    """One look of the sensor, and the run that it asks for, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, cursor],
        cwd=ROOT,
        env={**installation.environment, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.partition("TOLD ")[2])


def remade(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in after if after[name] != before[name] and not name.startswith("comparison/")}


def test_changed_maps_lead_to_just_what_rests_on_them_and_one_that_is_damaged_keeps_no_other_waiting(
    followed: Installation,
) -> None:
    whole = followed.digests()
    write_map(followed.home / "maps", "alto", 2022, 12)
    damaged = followed.home / "maps" / "baixo_2023.tif"
    damaged.write_bytes(damaged.read_bytes()[:300])
    with file_service() as chat:
        first = looked(followed, "", MINING_PLATFORM_NOTIFY_WEBHOOK=f"{chat.url}/hook")
        ((_, body),) = chat.posted
    assert (first["requests"], first["success"]) == (1, False)
    assert json.loads(body)["facts"]["regions"] == ["baixo"]
    assert "land_cover@baixo|2023" in json.loads(body)["text"]
    mining = next(row for row in first["metadata"]["restated"] if row["code"] == 30)
    assert (mining["partition"], mining["pixels_before"], mining["pixels_after"]) == ("alto|2022", 400, 480)
    (row,) = artifact(followed, "annual_report", "2023").facts["restated"]
    assert row["after_ha"] == pytest.approx(mining["ha_after"], rel=1e-3)
    reports = {f"{asset}/@{year}" for asset in ("territories", "annual_report") for year in (2022, 2023)}
    of_alto = {*(f"{asset}/@alto+2022" for asset in ("land_cover", "detections", "changes")), "changes/@alto+2023"}
    halfway = followed.digests()
    assert remade(whole, halfway) == of_alto | reports

    write_map(followed.home / "maps", "baixo", 2023, 18)
    second = looked(followed, first["cursor"])

    assert (second["requests"], second["success"]) == (1, True)
    of_baixo = {f"{asset}/@baixo+2023" for asset in ("land_cover", "detections", "changes")}
    assert remade(halfway, followed.digests()) == of_baixo | {"territories/@2023", "annual_report/@2023"}
    assert json.loads(second["cursor"]).keys() == {"land_cover@baixo|2023"}
