"""Nobody comes in: a foreign page, a forged event, a key that climbs, a read-only instance; on real servers."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from websockets import Origin, Subprotocol
from websockets.sync.client import connect

from tests.conftest import Installation, small_regions
from tests.ui.test_web_ui import LOADED, START_S, asked, failure, finished, free_port, launch, start, stop, wait_for

MUTATION = "mutation { setNuxSeen }"
VERSION = json.dumps({"query": "{ version }"})
FORGED = json.dumps({"data_version": "forged", "metadata": {"digest": "0" * 64}})
JSON = {"Content-Type": "application/json"}
PROXY = "maps.example.org"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("doors")
    (folder / "home").mkdir()
    return Installation(folder / "home", small_regions(folder / "regions.geojson"))


def served(home: Installation, log: Path, *options: str) -> Iterator[str]:
    """Address of a web UI that runs during the body."""
    port = free_port()
    process = start(home, port, log, *options)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: asked(url, LOADED)["repositoriesOrError"].get("nodes"), START_S, f"the web UI's start ({log})")
        yield url
    finally:
        code = stop(process)
    assert code == 0, log.read_text()


@pytest.fixture(scope="module")
def url(home: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(home, tmp_path_factory.mktemp("log") / "ui.log", "--allow-host", PROXY)


@pytest.fixture(scope="module")
def read_only(home: Installation, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A read-only server beside the other one, on the same home."""
    assert url
    yield from served(home, tmp_path_factory.mktemp("log") / "read-only.log", "--read-only")


def sent(url: str, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    """Status and body of a request with just these headers (`_` stands for `-`), Host included."""
    place = urlsplit(url).netloc
    connection = http.client.HTTPConnection(place, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    content = (body or "").encode()
    for name, value in {"Host": place, **headers, "Content-Length": str(len(content))}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(content)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def shook_hands(url: str, host: str, origin: str) -> int:
    """Status of a websocket's handshake, of which 101 is an open connection."""
    place = urlsplit(url)
    lines = [
        *("GET /graphql HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: graphql-ws"),
    ]
    with socket.create_connection((place.hostname, place.port or 0), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split()[1])


def of_page(url: str) -> dict[str, str]:
    return {"Content_Type": "application/json", "Origin": url}


def test_the_servers_own_page_is_answered_and_a_proxy_that_was_named(url: str) -> None:
    assert sent(url, "GET", "/assets")[0] == 200
    assert sent(url, "POST", "/graphql", VERSION, **of_page(url))[0] == 200
    assert sent(url, "GET", "/assets", Host=PROXY)[0] == 200
    assert (
        sent(url, "POST", "/graphql", VERSION, Host=PROXY, Content_Type="application/json", Origin=f"https://{PROXY}")[0] == 200
    )


def test_a_name_bound_to_the_address_reads_and_changes_nothing(url: str) -> None:
    port = urlsplit(url).port
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}"):
        assert sent(url, "GET", "/assets", Host=host)[0] == 403
        assert sent(url, "GET", "/server_info", Host=host)[0] == 403
        assert (
            sent(url, "POST", "/graphql", VERSION, Host=host, Content_Type="application/json", Origin=f"http://{host}")[0] == 403
        )


def test_a_foreign_page_cannot_post_whatever_it_calls_its_body(url: str) -> None:
    body = json.dumps({"query": MUTATION})
    for media_type in ("application/json", "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded"):
        status, _ = sent(url, "POST", "/graphql", body, Content_Type=media_type, Origin="http://evil.example")
        assert status == 403
    assert sent(url, "POST", "/graphql", body, Content_Type="text/plain", Origin=url)[0] == 415
    assert sent(url, "POST", f"/graphql?{urlencode({'query': MUTATION})}", Origin=url)[0] == 415
    assert sent(url, "OPTIONS", "/graphql", Origin="http://evil.example", Access_Control_Request_Method="POST")[0] == 403


def test_no_get_runs_graphql(url: str) -> None:
    for query in (MUTATION, "{ version }"):
        for path in ("/graphql", "//graphql", "/graphql/", "/%67raphql"):
            status, told = sent(url, "GET", f"{path}?{urlencode({'query': query})}")
            assert status == 405 or '"data"' not in told, (path, status)
    assert sent(url, "GET", f"/graphql?{urlencode({'query': MUTATION})}")[0] == 405


def test_a_websocket_opens_for_the_servers_own_page_alone(url: str) -> None:
    place = urlsplit(url).netloc
    assert shook_hands(url, place, url) == 101
    assert shook_hands(url, place, "http://evil.example") == 403
    assert shook_hands(url, "evil.example", "http://evil.example") == 403


EVENTS = """
query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset { assetMaterializations { runId partition } } } }
"""


def materializations(url: str, asset: str) -> list[Any]:
    return asked(url, EVENTS, {"key": {"path": asset.split("/")}})["assetOrError"].get("assetMaterializations", [])


def test_a_foreign_page_or_a_bare_program_forges_no_materialization(url: str) -> None:
    path = "/report_asset_materialization/land_cover?partition=sim-igarape%7C2024"
    for headers in (JSON, {**JSON, "Origin": "http://evil.example"}, {"Content-Type": "text/plain", "Origin": url}, {}):
        status, _ = sent(url, "POST", path, FORGED, **headers)
        assert status in (403, 415), headers
    assert materializations(url, "land_cover") == []


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


HOSTILE = ("../../evil\nline", "/etc/évil\u202e\x00％00", "evil" * 2_500)
"""Regions of keys that GraphQL takes."""


def test_a_key_that_nobody_declares_fails_at_once_and_leaves_nothing(url: str, home: Installation) -> None:
    def outside_dagster() -> set[str]:
        return {path for path in files_below(home.home.parent) if not path.startswith("home/dagster")}

    before = outside_dagster()
    runs = {region: launch(url, "land_cover", region, "2024") for region in HOSTILE}
    for region, run_id in runs.items():
        assert finished(url, run_id) == "FAILURE"
        assert f"land_cover has no partition {region + '|2024'!r}" in failure(url, run_id)
    assert materializations(url, "land_cover") == []
    assert outside_dagster() == before
    assert [path for path in files_below(home.home) if "evil" in path] == []


MUTATIONS = "{ __schema { mutationType { fields { name } } } }"
WIPED = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["land_cover"]}}]) { __typename } }'
REPORTED = """
mutation { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION, assetKey: {path: ["land_cover"]},
  partitionKeys: ["sim-igarape|2024"]}) { __typename } }
"""


READS_ONLY = "This server is read only: it runs no mutation."


def refused(url: str, query: str) -> list[str]:
    """Messages of a GraphQL request that gave no data."""
    status, told = sent(url, "POST", "/graphql", json.dumps({"query": query}), **of_page(url))
    answer = json.loads(told)
    assert (status, answer["data"]) == (400, None), told
    return [error["message"] for error in answer["errors"]]


def test_a_read_only_server_shows_everything_and_changes_nothing(read_only: str) -> None:
    assert sent(read_only, "GET", "/assets")[0] == 200
    assert asked(read_only, LOADED)["repositoriesOrError"]["nodes"]
    for mutation in (WIPED, REPORTED, MUTATION, "query a { version } mutation b { setNuxSeen }"):
        assert READS_ONLY in refused(read_only, mutation)
    path = "/report_asset_materialization/land_cover?partition=sim-igarape%7C2024"
    status, told = sent(read_only, "POST", path, FORGED, **of_page(read_only))
    assert status in (400, 401, 403), told
    assert materializations(read_only, "land_cover") == []


def test_a_read_only_server_refuses_every_mutation_that_there_is(read_only: str) -> None:
    names = [each["name"] for each in asked(read_only, MUTATIONS)["__schema"]["mutationType"]["fields"]]
    assert {"launchRun", "wipeAssets", "setNuxSeen", "logTelemetry", "setConcurrencyLimit"} <= set(names)
    assert [name for name in names if READS_ONLY not in refused(read_only, f"mutation {{ {name} }}")] == []


def over_websocket(url: str, query: str) -> dict[str, Any]:
    """The first message about an operation that a websocket of the server's own page starts."""
    place = urlsplit(url).netloc
    with connect(f"ws://{place}/graphql", subprotocols=[Subprotocol("graphql-ws")], origin=Origin(url)) as socket:
        for message in ({"type": "connection_init"}, {"type": "start", "id": "1", "payload": {"query": query}}):
            socket.send(json.dumps(message))
        while (answer := json.loads(socket.recv(30))).get("id") != "1":
            pass
    return dict(answer)


def test_no_mutation_runs_over_a_websocket(read_only: str, url: str, home: Installation) -> None:
    before = files_below(home.home)
    for server in (read_only, url):
        for mutation in (MUTATION, WIPED, "query a { version } mutation b { setNuxSeen }"):
            assert over_websocket(server, mutation)["type"] == "error"
        subscription = 'subscription { capturedLogs(logKey: ["a", "compute_logs", "b"]) { stdout } }'
        assert over_websocket(server, subscription)["type"] == "data"
    assert [path for path in files_below(home.home) - before if "nux" in path] == []


PATHS = (
    *(
        "/logs/../../canary.ipynb",
        "/logs/..%2f..%2fcanary.ipynb",
        "/logs/%2e%2e/%2e%2e/canary.ipynb",
        "/logs/HOME/canary.ipynb",
    ),
    *(
        "/logs//HOME/canary.ipynb",
        "/logs/..\\..\\canary.ipynb",
        "/logs/a/../../../../canary.ipynb",
        "/download_debug/..%2fcanary",
    ),
    *("/static/../../../../../../../../..HOME/canary.ipynb", "/static/%2e%2e/%2e%2e/%2e%2eHOME/canary.ipynb"),
    *("/static//HOME/canary.ipynb", "/..HOME/canary.ipynb", "//HOME/canary.ipynb", "/vendor/..%5c..%5ccanary.ipynb"),
    *("/notebook?path=HOME/canary.ipynb&repoLocName=workspace", "/dagit/notebook?path=HOME/canary.ipynb&repoLocName=x"),
)


def test_no_path_gives_a_file_beside_the_servers_own(url: str, home: Installation) -> None:
    (home.home / "canary.ipynb").write_text("canary-6b1d")
    told = {path: sent(url, "GET", path.replace("HOME", str(home.home))) for path in PATHS}
    assert [path for path, (_, text) in told.items() if "canary-6b1d" in text] == []
    assert {told[path][0] for path in PATHS if "notebook?" in path} == {404}
    logs = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
    for key in (["..", "..", "..", "canary"], [str(home.home), "canary"]):
        body = json.dumps({"query": logs, "variables": {"key": key}})
        assert "Invalid path" in sent(url, "POST", "/graphql", body, **of_page(url))[1]


def test_a_read_only_server_runs_no_daemon_and_answers_as_the_other(read_only: str, url: str) -> None:
    assert asked(read_only, "{ version }") == asked(url, "{ version }")
    assert sent(read_only, "GET", "/assets", Host=PROXY)[0] == 403


def test_the_command_refuses_to_listen_where_others_reach_it(home: Installation) -> None:
    told = " ".join(home.run("ui", "--host", "0.0.0.0", code=2).split())
    assert "the web UI has no login" in told
    assert "--open-to-network" in told
    assert "--allow-host" in home.run("ui", "--host", "0.0.0.0", "--open-to-network", code=2)
