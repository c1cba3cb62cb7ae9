"""A killed training goes on where it was: kill -9 of a process in the middle of an epoch, then the same bytes in the end."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mining_platform.models.classifier import WEIGHTS_FILE
from mining_platform.training import fit, save_model
from mining_platform.training_checkpoints import read_checkpoint, write_checkpoint
from tests.mining_platform.test_training import TINY, patches

RESUMED = replace(TINY, epochs=5, augmentation="document")
KILLED_IN_EPOCH = 3
CODE = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mining_platform.training_runs as runs
from tests.mining_platform.test_training import patches
from tests.mining_platform.test_training_resume import KILLED_IN_EPOCH, RESUMED
from mining_platform.training import fit
done, step = [], runs._step
def steps(*given):
    done.append(1)
    if len(done) == (KILLED_IN_EPOCH - 1) * 3 + 2:  # the second of three batches
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*given)
runs._step = steps
fit(RESUMED, patches(seed=0), patches(seed=1), checkpoints=Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_training_killed_in_the_middle_of_an_epoch_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(Path(__file__).parents[2]), str(tmp_path / "checkpoints")]
    assert subprocess.run(command, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode == -signal.SIGKILL
    told: list[str] = []
    resumed = fit(
        RESUMED,
        patches(seed=0),
        patches(seed=1),
        progress=lambda line, _: told.append(line),
        checkpoints=tmp_path / "checkpoints",
    )
    assert told[0].startswith(f"epoch {KILLED_IN_EPOCH}:")
    whole = fit(RESUMED, patches(seed=0), patches(seed=1))
    for name, trained in (("resumed", resumed), ("whole", whole)):
        (tmp_path / name).mkdir()
        save_model(trained, tmp_path / name, {})
    for file in (WEIGHTS_FILE, "model.json"):
        assert (tmp_path / "resumed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_a_finished_training_is_not_repeated_and_another_one_does_not_go_on_from_it(tmp_path: Path) -> None:
    told: list[str] = []

    def trained(seed: int, images: int) -> None:
        experiment = replace(TINY, epochs=2, seed=seed)
        sides = patches(seed=images), patches(seed=1)
        fit(experiment, *sides, progress=lambda line, _: told.append(line), checkpoints=tmp_path)

    trained(1, images=0)
    assert len(told) == 2
    trained(1, images=0)
    assert len(told) == 2
    trained(1, images=5)  # other pixels under other ids
    assert len(told) == 4
    trained(2, images=5)
    assert len(told) == 6


def test_a_file_that_is_no_checkpoint_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "member-0.safetensors"
    assert read_checkpoint(path, "mine") is None
    write_checkpoint(path, "mine", {"epoch": 3})
    assert read_checkpoint(path, "mine") == {"epoch": 3}
    assert read_checkpoint(path, "another's") is None
    path.write_bytes(path.read_bytes()[:-100])
    assert read_checkpoint(path, "mine") is None
    path.write_bytes(b"no checkpoint")
    assert read_checkpoint(path, "mine") is None


def test_a_checkpoint_that_would_run_code_is_passed_over(tmp_path: Path) -> None:
    import torch

    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "told": "mine", "state": {"best": Malicious()}}, tmp_path / "member-0.safetensors")
    assert read_checkpoint(tmp_path / "member-0.safetensors", "mine") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("lost", [np.nan])
def test_a_checkpoint_keeps_floats_as_they_are(tmp_path: Path, lost: float) -> None:
    write_checkpoint(tmp_path / "c.pt", "mine", {"loss": [0.1, lost]})
    found = read_checkpoint(tmp_path / "c.pt", "mine")
    assert found is not None
    assert found["loss"][0] == 0.1
    assert np.isnan(found["loss"][1])
