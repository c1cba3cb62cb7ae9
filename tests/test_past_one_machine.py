"""The whole demonstration past one machine: workers of a cluster, artifacts in a bucket, runs and events on Postgres."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from tests import object_stores
from tests.conftest import Installation, Line
from tests.postgres_server import PostgresServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
ADDRESS = f"s3://{object_stores.BUCKET}/demo"
DEMO_S = 2000


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with object_stores.s3_server(tmp_path_factory.mktemp("moto")) as environment:
        yield environment


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as found:
        yield found


def digests_in(bucket: Mapping[str, str]) -> dict[str, str]:
    """Digest of every published partition, by its pointer, as `Installation.digests` has them."""
    s3 = object_stores.client(bucket)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=object_stores.BUCKET, Prefix="demo/")
    names = [each["Key"] for page in pages for each in page.get("Contents", []) if each["Key"].endswith("/current.json")]
    pointers = {name: s3.get_object(Bucket=object_stores.BUCKET, Key=name)["Body"].read() for name in names}
    return {
        name.removeprefix("demo/").removesuffix("/current.json"): json.loads(content)["digest"]
        for name, content in pointers.items()
    }


def test_the_demonstration_on_workers_a_bucket_and_postgres_has_the_digests_of_one_process_and_files(
    line: Line, fresh_home: Installation, bucket: Mapping[str, str], server: PostgresServer
) -> None:
    variables = {
        **bucket,
        "MINING_PLATFORM_STORE": ADDRESS,
        "MINING_PLATFORM_DASK": "local:2",
        "MINING_PLATFORM_POSTGRES": server.new_database("demo"),
    }
    home = replace(fresh_home, variables=variables)
    home.run_anew("demo", timeout=DEMO_S)

    found = digests_in(bucket)
    assert found == line.installation.digests()
    assert not (home.home / "artifacts").exists()
    query = "SELECT count(DISTINCT (asset_key, partition)) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    assert server.rows("demo", query) == [(len(found),)]
