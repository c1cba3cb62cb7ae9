"""The line with its artifacts in a bucket of a real S3 server: the same digests as in a directory, shared by two homes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests import object_stores
from tests.conftest import Installation, Line

pytestmark = pytest.mark.slow
ADDRESS = f"s3://{object_stores.BUCKET}/line"
YEAR = ("--years", "2024")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with object_stores.s3_server(tmp_path_factory.mktemp("moto")) as environment:
        yield {**environment, "MINING_PLATFORM_STORE": ADDRESS}


def make_patches(home: Installation) -> dict[str, dict[str, str]]:
    """Outcomes of a dataset of two regions, down to the patches of one of them."""
    made = home.states("--assets", "sim_ranges_48/candidates", *YEAR)
    return made | home.states("--assets", "sim_ranges_48/patches", "--regions", "sim-igarape", *YEAR)


def test_a_dataset_made_in_a_bucket_has_the_digests_of_one_in_a_directory_and_another_home_finds_it_made(
    line: Line, fresh_home: Installation, server: Mapping[str, str], tmp_path: Path
) -> None:
    first = replace(fresh_home, variables=server)
    made = make_patches(first)
    in_directory = {key.replace("/@", "@").replace("+", "|"): each for key, each in line.installation.digests().items()}
    assert {ref: row["digest"] for ref, row in made.items()} == {ref: in_directory[ref] for ref in made}
    assert {"sim_ranges_48/patches@sim-igarape|2024", "mosaic@sim-igarape|2024"} <= set(made)
    assert not (first.home / "artifacts").exists()

    second = replace(first, home=tmp_path / "second")
    second.home.mkdir()
    (second.home / "archive").symlink_to(line.installation.home / "archive")
    patches = second.states("--only", "--assets", "sim_ranges_48/patches", "--regions", "sim-igarape", *YEAR)
    assert {row["state"] for row in patches.values()} == {"skipped"}

    checked = json.loads(first.run("store", "check", ADDRESS, "--json").partition("]")[0] + "]")
    assert {row["problem"] for row in checked} == {""}
    first.run("audit", "sim_ranges_48/patches", "--deep")
