"""Dask's workers as the environment names them: real ones, in this process, and as processes that are killed."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from assets_defs.results import watched
from mining_platform.artifacts import Produced, Ref
from mining_platform.computing import DASK_VARIABLE, HERE, ComputeError
from mining_platform.detections import detect
from mining_platform.mosaics import compose
from mining_platform.sources.protocol import SourceError
from resources import compute
from resources.dask_compute import DaskCompute
from tests.mining_platform.patch_stores import CLEAR_PLACES, store, windows, write_inputs
from tests.mining_platform.scored_mosaics import drawn_classifier, write_model, write_mosaic
from tests.mining_platform.test_detections import flat
from tests.mining_platform.test_mosaics import CHANNELS, MEDIAN, bytes_of, wide_scenes


@pytest.mark.parametrize(
    ("place", "options", "told"),
    [
        ("two workers", "", "names no workers. Write MINING_PLATFORM_DASK=local:2"),
        ("local:0", "", "names no workers"),
        ("local:2", "{", "is no JSON"),
        ("local:2", "[]", "is an object of options"),
        ("tcp://10.0.0.1:8786", '{"n": 1}', "takes none"),
        ("tcp://10.0.0.1", "", "names no workers"),
        ("tcp://10.0.0.1:port", "", "names no workers"),
    ],
)
def test_a_setting_that_names_no_workers_is_refused_with_the_spelling(place: str, options: str, told: str) -> None:
    with pytest.raises(ComputeError, match=told):
        compute.named_cluster(place, options)


def test_without_a_setting_all_is_done_here_and_with_one_nobody_is_reached_before_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DASK_VARIABLE, "")
    assert compute.compute() is HERE
    monkeypatch.setenv(DASK_VARIABLE, "tcp://127.0.0.1:1")
    found = compute.compute()
    assert found.is_elsewhere
    assert found.dashboard is None


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute.Named, "wait_s", 0.2)
    with pytest.raises(ComputeError, match=r"No scheduler answers at tcp://127\.0\.0\.1:1"):
        compute.opened(compute.Named("tcp://127.0.0.1:1", {}))


@pytest.mark.parametrize(
    ("place", "told"),
    [("tls://127.0.0.1:1", "Name certificates"), ("ucx://127.0.0.1:1", "Install"), ("tcp://127.0.0.1:99999", "")],
)
def test_an_address_that_this_installation_cannot_use_is_told_with_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, place: str, told: str
) -> None:
    monkeypatch.setattr(compute.Named, "wait_s", 0.2)
    with pytest.raises(
        ComputeError, match=f"(cannot be reached by this installation|No scheduler answers).*{told}.*orrect MINING"
    ):
        compute.opened(compute.Named(place, {}))


def test_a_cluster_class_that_is_not_installed_is_told() -> None:
    with pytest.raises(ComputeError, match=r"no cluster class nowhere\.Cluster.*Install its package"):
        compute.opened(compute.Named("nowhere.Cluster", {}))


def test_a_cluster_of_any_class_is_started_with_its_options_and_scaled() -> None:
    options = {"n_workers": 0, "processes": False, "dashboard_address": None, "scale": 1}
    cluster, client = compute.opened(compute.Named("distributed.LocalCluster", options))
    found = DaskCompute(lambda: (cluster, client), wait_s=20)
    try:
        assert list(found.results(abs, [-3, 2], what="numbers")) == [3, 2]
        assert len(client.nthreads()) == 1
    finally:
        found.close()


def test_a_cluster_without_workers_is_told_after_a_while() -> None:
    options = {"n_workers": 0, "processes": False, "dashboard_address": None}
    found = DaskCompute(lambda: compute.opened(compute.Named("distributed.LocalCluster", options)), wait_s=0.2)
    try:
        with pytest.raises(ComputeError, match=r"No worker came within 0\.2 s\. Start workers with `dask worker`"):
            list(found.results(abs, [1], what="numbers"))
    finally:
        found.close()


@pytest.fixture(scope="module")
def threads() -> Iterator[DaskCompute]:
    """A scheduler and a worker of two threads in this process."""
    options = {"processes": False, "protocol": "tcp", "threads_per_worker": 2}
    found = DaskCompute(lambda: compute.opened(compute.Named("local:1", options)), wait_s=20)
    yield found
    found.close()


def later(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number * 10


ASKED: list[int] = []
TRIED: list[int] = []


def unsound(number: int) -> int:
    ASKED.append(number)
    if number == 1:
        raise SourceError("scene S2_A, band B04: the raster is damaged")
    return number


def hiccups(number: int) -> int:
    TRIED.append(number)
    if TRIED.count(number) < 2:
        raise OSError("stale file handle")
    return number


def test_results_come_in_order_and_few_parts_are_under_way(threads: DaskCompute) -> None:
    drawn = []
    results = threads.results(later, (drawn.append(number) or number for number in range(40)), what="numbers")
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    assert len(drawn) == 3 + 4
    assert list(results) == [number * 10 for number in range(3, 40)]
    assert str(threads.dashboard).startswith("http://127.0.0.1:")


def test_metadata_of_what_is_made_with_workers_links_to_where_they_are_watched(threads: DaskCompute) -> None:
    threads.reached()
    installation: Any = SimpleNamespace(compute=threads)
    told = watched(
        installation, Produced(Ref("mosaic", "a|2024"), "0" * 64, Path(), {}, skipped=False, reason="absent", seconds=1.0)
    )
    assert told == {"dask_dashboard": dg.MetadataValue.url(str(threads.dashboard))}
    assert watched(SimpleNamespace(compute=HERE), SimpleNamespace(skipped=False)) == {}  # type: ignore[arg-type]


def test_an_error_of_the_data_is_raised_as_it_was_and_not_tried_again(threads: DaskCompute) -> None:
    ASKED.clear()
    with pytest.raises(SourceError, match="the raster is damaged"):
        list(threads.results(unsound, range(20), what="numbers"))
    assert ASKED.count(1) == 1
    assert max(ASKED) < 10


def test_a_part_that_fails_by_the_way_is_tried_again(threads: DaskCompute) -> None:
    TRIED.clear()
    assert list(threads.results(hiccups, range(3), what="numbers")) == [0, 1, 2]
    assert sorted(TRIED) == [0, 0, 1, 1, 2, 2]


@pytest.fixture(scope="module")
def processes() -> Iterator[DaskCompute]:
    """Two worker processes on loopback."""
    found = DaskCompute(lambda: compute.opened(compute.Named("local:2", {"memory_limit": "1GiB"})), wait_s=60)
    yield found
    found.close()


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing_of_a_mosaic(
    processes: DaskCompute, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, scenes = wide_scenes(tmp_path)
    here = compose(place, scenes, CHANNELS, tmp_path / "here", recipe=MEDIAN, blocks=None)
    killed: list[int] = []

    def kill_one(_told: str, _share: float) -> None:
        if not killed:
            killed.extend(processes.reached().run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)
            time.sleep(1)

    with caplog.at_level(logging.INFO, "mining_platform.dask"):
        there = compose(
            place, scenes, CHANNELS, tmp_path / "there", recipe=MEDIAN, blocks=None, compute=processes, progress=kill_one
        )
    assert len(killed) == 2
    assert "is gone; the parts it had of parts of mosaics" in caplog.text
    assert here == there
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


@pytest.mark.slow
def test_patches_and_scores_of_worker_processes_have_the_same_bytes(processes: DaskCompute, tmp_path: Path) -> None:
    inputs, table = write_inputs(tmp_path / "in"), windows(*CLEAR_PLACES)
    assert store(inputs, tmp_path / "a", table)[1] == store(inputs, tmp_path / "b", table, compute=processes)[1]
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", flat(96, 144) + 7)
    classifier = drawn_classifier()
    told: dict[str, Any] = {"compute": processes, "model": write_model(tmp_path / "model", classifier)}
    assert detect(classifier, mosaic, {}, tmp_path / "a") == detect(classifier, mosaic, {}, tmp_path / "b", **told)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
