"""Who works on the parts of a whole decides nothing of it."""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from mining_platform import proportions, worker_checks
from mining_platform.computing import HERE, ComputeError
from mining_platform.detections import detect
from mining_platform.mosaics import compose
from mining_platform.shares import strips
from mining_platform.sources import router
from mining_platform.sources.protocol import Cost, SourceError
from tests.mining_platform.patch_stores import CLEAR_PLACES, store, windows, write_inputs
from tests.mining_platform.scored_mosaics import drawn_classifier, write_model, write_mosaic
from tests.mining_platform.test_mosaics import CHANNELS, MEDIAN, bytes_of, wide_scenes
from tests.mining_platform.test_shares import CASES, MINING, classes_of, grid_of, write


class Elsewhere:
    """Two threads that are handed what another process would get: functions and items as bytes."""

    is_elsewhere = True
    dashboard = None

    def __init__(self) -> None:
        self.parts: dict[str, int] = {}

    def results(self, function: Callable, items: Iterable, *, what: str, **_threads: int) -> Generator[Any, None, None]:
        def sent(item: Any) -> bytes:
            self.parts[what] = self.parts.get(what, 0) + 1
            return cloudpickle.dumps((function, item))

        return HERE.results(work, map(sent, items), what=what, threads=2)


def work(sent: bytes) -> Any:
    function, item = cloudpickle.loads(sent)
    return cloudpickle.loads(cloudpickle.dumps(function(item)))


def test_results_come_in_the_order_of_the_items_whoever_is_done_first() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.02 * (number % 2 == 0))
        return number * 10

    assert list(HERE.results(slow_if_even, range(9), what="numbers", threads=3)) == [number * 10 for number in range(9)]


def test_items_are_drawn_as_results_are_taken() -> None:
    drawn = []
    results = HERE.results(abs, (drawn.append(number) or number for number in range(1_000)), what="numbers", threads=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert len(drawn) == 3 + 4


def test_an_error_is_raised_in_its_place_and_nothing_more_is_begun() -> None:
    begun, before = [], set(threading.enumerate())

    def fails_at_two(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise SourceError("the line went down")
        return number

    results = HERE.results(fails_at_two, range(1_000), what="numbers", threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(SourceError, match="the line went down"):
        next(results)
    assert max(begun) < 6
    assert not {thread for thread in set(threading.enumerate()) - before if "ThreadPoolExecutor" in thread.name}


def test_a_mosaic_composed_elsewhere_has_the_same_bytes(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    here = compose(place, scenes, CHANNELS, tmp_path / "here", recipe=MEDIAN, blocks=None)
    workers = Elsewhere()
    there = compose(place, scenes, CHANNELS, tmp_path / "there", recipe=MEDIAN, blocks=None, compute=workers)
    assert workers.parts == {"parts of mosaics": 4}
    assert here == there
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


class Service:
    """The router, but its composites are said to be computed by a service."""

    def __getattr__(self, name: str) -> Any:
        return getattr(router, name)

    def cost(self, *_arguments: Any) -> Cost:
        return Cost(1, 1, eecu_s=0.1)


def test_composites_of_a_service_are_waited_for_here(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    workers = Elsewhere()
    compose(place, scenes, CHANNELS, tmp_path, recipe=MEDIAN, blocks=[(0, 0)], compute=workers, source=Service())
    assert workers.parts == {}


@pytest.mark.parametrize("name", CASES)
def test_shares_of_bands_are_those_of_the_whole_map_to_the_last_bit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    path = write(tmp_path / "m.tif", case, classes_of(case.shape, seed=1))
    grid = grid_of(path, case)
    here = proportions.window_shares(path, grid, MINING)
    monkeypatch.setattr(strips, "BAND_ROWS", 150)
    workers = Elsewhere()
    there = pd.concat(list(proportions.iter_shares(path, grid, MINING, compute=workers)), ignore_index=True)
    assert workers.parts["bands of a map"] > 1 or case.shape[0] < 150
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    chosen = np.random.default_rng(0).random((grid.rows, grid.columns)) < 0.1
    some_here = proportions.window_shares(path, grid, MINING, wanted=chosen)
    some_there = pd.concat(list(proportions.iter_shares(path, grid, MINING, wanted=chosen, compute=workers)), ignore_index=True)
    pd.testing.assert_frame_equal(some_here, some_there, check_exact=True)


def test_patches_cut_elsewhere_have_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mining_platform.window_cuts.BATCH_BYTES", 2 * 4 * 16 * 16 * 2)
    inputs, workers = write_inputs(tmp_path / "in"), Elsewhere()
    table = windows(*CLEAR_PLACES, (5, 5), (4, 4)).assign(relabelled=[False, True, *[False] * 6])
    here = store(inputs, tmp_path / "here", table)
    there = store(inputs, tmp_path / "there", table, compute=workers)
    assert workers.parts == {"windows": 4, "patches": 3, "labels": 3}
    assert here[1] == there[1]
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


@pytest.mark.parametrize("architecture", ["small-cnn", "unet"])
def test_scores_made_elsewhere_have_the_same_bytes(architecture: str, tmp_path: Path) -> None:
    image = np.zeros((3, 1100, 560), np.uint16)
    for row, column in ((480, 480), (1000, 500)):  # across chunks
        image[:, row : row + 60, column : column + 60] = np.random.default_rng(1).integers(0, 3000, (3, 60, 60))
    mosaic = write_mosaic(tmp_path / "mosaic.zarr", image, blocks=[(0, 0), (1, 0), (1, 1), (2, 1)])
    classifier, workers = drawn_classifier(architecture, 32), Elsewhere()
    model = write_model(tmp_path / "model", classifier)
    here = detect(classifier, mosaic, {}, tmp_path / "here", compute=workers)
    assert workers.parts == {}
    there = detect(classifier, mosaic, {}, tmp_path / "there", compute=workers, model=model)
    assert workers.parts == {"rows of scores": 3}
    assert here == there
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "there")


def test_a_worker_of_other_packages_or_another_home_is_refused() -> None:
    own = worker_checks.common_ground()
    worker_checks.check_here(tuple(own.items()))
    others = {**own, "numpy": "1.0", "MINING_PLATFORM_HOME": "/other"}
    with pytest.raises(ComputeError, match=r"numpy: .* instead of 1\.0; MINING_PLATFORM_HOME: .* instead of /other"):
        worker_checks.check_here(tuple(others.items()))
