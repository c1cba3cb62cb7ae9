"""Reviews through the real command: decided by file and by page, published, honoured down the line, and guarded."""

import csv
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact, records
from mining_platform.patches import read_labels
from tests.conftest import Installation, Line
from tests.review_homes import Served, home_like, review_page

REVIEW = ("review", "--dataset", "sim_ranges", "--year", "2024")
COLUMNS = ["window_id", "decision", "range", "reviewer", "reason"]


@pytest.fixture(scope="module")
def home(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return home_like(line, tmp_path_factory.mktemp("review") / "home")


def table(installation: Installation, stage: str, partition: str) -> pd.DataFrame:
    store = ArtifactStore(installation.home / "artifacts")
    return pd.read_parquet(open_artifact(store, Ref(f"sim_ranges/{stage}", partition)).path / f"{stage}.parquet")


def write_csv(path: Path, *rows: tuple[str, ...], columns: list[str] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([columns, *rows])
    return path


def log_of(installation: Installation) -> str:
    """The log of decisions as it stands; empty before the first."""
    log = installation.home / "reviews" / "sim_ranges.jsonl"
    return log.read_text() if log.exists() else ""


def ranges_of(installation: Installation, region: str) -> tuple[str, str, str]:
    """A range of which the region has more windows than it gives, and two that all regions together cannot fill."""
    quotas = table(installation, "quotas", "2024").query("range != '000'")
    own = quotas[quotas["region"] == region].set_index("range")
    total = quotas.groupby("range")["found"].sum()
    short = own[(total < own["wanted"]) & (own["taken"] > 0)].index
    return str(own[own["found"] > own["taken"]].index[0]), str(short[0]), str(short[-1])


def first_of(installation: Installation, region: str, name: str, place: int = 0) -> str:
    """A drawn window of a range."""
    sample = table(installation, "sample", f"{region}|2024")
    return str(sample.loc[sample["range"] == name, "window_id"].iloc[place])


@pytest.mark.slow
def test_the_whole_line_honours_what_people_decided_and_leaves_the_other_region_alone(home: Installation, tmp_path: Path) -> None:
    key, other = "sim-serra|2024", "sim-igarape|2024"
    before, sample = home.digests(), table(home, "sample", key)
    plenty, short, goal = ranges_of(home, "sim-serra")
    rejected, accepted, moved = (
        *(first_of(home, "sim-serra", plenty, place) for place in (0, 1)),
        first_of(home, "sim-serra", short),
    )
    rows = [
        (rejected, "reject", "", "Ana", "cloud, over the river"),
        (moved, "relabel", goal, "Ana", "a pit that the map lacks"),
        (accepted, "accept", "", "Rui", ""),
    ]
    published = json.loads(home.run(*REVIEW, "--apply", str(write_csv(tmp_path / "it.csv", *rows)), "--json"))["published"]
    assert list(published) == [f"sim_ranges/reviews@{key}"]

    status = json.loads(home.run("status", "--assets", "sim_ranges/sample,sim_ranges/patches", "--years", "2024", "--json"))
    states = {f"{row['asset']}@{row['partition']}": row for row in status}
    assert states[f"sim_ranges/sample@{key}"]["why"] == f"input sim_ranges/reviews@{key} is new"
    assert states[f"sim_ranges/sample@{other}"]["state"] == "fresh"

    made = home.states("--assets", "sim_ranges/manifest", "--years", "2024")
    assert made[f"sim_ranges/patches@{other}"]["state"] == "skipped"
    for stage in ("sample", "patches"):
        name = f"sim_ranges/{stage}/@sim-igarape+2024"
        assert home.digests()[name] == before[name]

    drawn = table(home, "sample", key).set_index("window_id")
    assert set(sample["window_id"]) - set(drawn.index) == {rejected}
    assert drawn.loc[list(set(drawn.index) - set(sample["window_id"])), "range"].tolist() == [plenty], "the next takes its place"
    assert drawn.loc[moved, ["range", "is_mining", "relabelled"]].tolist() == [goal, True, True]

    manifest = table(home, "manifest", "2024").set_index("window_id")
    row = manifest.loc[moved]
    assert row[["range", "review", "reviewer", "review_reason"]].tolist() == [goal, "relabel", "Ana", "a pit that the map lacks"]
    assert row["share"] == sample.set_index("window_id").loc[moved, "share"]
    assert manifest.loc[accepted, ["review", "reviewer"]].tolist() == ["accept", "Rui"]
    store = ArtifactStore(home.home / "artifacts")
    (label,) = read_labels(open_artifact(store, Ref("sim_ranges/patches", key)).path, [int(row["store_row"])])
    assert (label == 255).all()

    named = {(each.asset, each.partition): each.digest for each in records(store, Ref("sim_ranges/sample", key))[-1].inputs}
    assert named["sim_ranges/reviews", key] == published[f"sim_ranges/reviews@{key}"]
    assert json.loads(home.run("plan", "--assets", "sim_ranges/manifest", "--years", "2024", "--json")) == []


def test_dagster_knows_the_published_decisions_by_their_digest(home: Installation, tmp_path: Path) -> None:
    import dagster as dg

    key = "sim-serra|2024"
    seen = (first_of(home, "sim-serra", "000"), "accept", "", "Rui", "forest")
    home.run(*REVIEW, "--apply", str(write_csv(tmp_path / "seen.csv", seen)))
    digest = current_digest(ArtifactStore(home.home / "artifacts"), Ref("sim_ranges/reviews", key))
    with dg.DagsterInstance.from_config(str(home.home / "dagster")) as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["sim_ranges", "reviews"]), asset_partitions=[key])
        (newest,) = instance.fetch_materializations(wanted, limit=1).records
    assert newest.asset_materialization is not None
    assert (newest.asset_materialization.tags or {})["dagster/data_version"] == digest


def test_every_bad_row_of_a_file_is_named_and_nothing_is_taken_down(home: Installation, tmp_path: Path) -> None:
    good = str(table(home, "sample", "sim-serra|2024")["window_id"].iloc[0])
    before = log_of(home)
    rows = [
        (good, "accept", "", "Ana", ""),
        (good, "reject", "", "Ana", "twice"),
        ("32722_1_1_128", "reject", "", "Ana", "nowhere"),
        (good, "reject", "", "", "nobody"),
        (good, "relabel", "085", "Ana", "odd"),
    ]
    printed = home.run(*REVIEW, "--apply", str(write_csv(tmp_path / "bad.csv", *rows)), code=2)
    for part in (
        "Nothing was taken down.",
        f"decision 2 ('{good}'): it is decided on twice here",
        "decision 3 ('32722_1_1_128'): it is not among the windows of 2024",
        "decision 4",
        "it lacks a reviewer",
        "'085' is nothing to relabel to",
    ):
        assert part in " ".join(printed.split())
    assert log_of(home) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"window_id,decision\n1,accept\n", "it needs window_id, decision, range, reviewer, reason"),
        (b"window_id,decision,range,reviewer,reason\n1,accept\n", "row 2 has 2 values for 5 columns"),
        (b"\xff\xfe\x00", "is not a readable CSV file in UTF-8"),
        (b'window_id,decision,range,reviewer,reason\n"1,accept,,,\n', "is no CSV"),
    ],
)
def test_a_file_that_is_no_table_of_decisions_is_refused(
    home: Installation, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)
    assert message in " ".join(home.run(*REVIEW, "--apply", str(path), code=2).split())


def test_a_relabel_to_the_maps_own_range_is_refused(home: Installation, tmp_path: Path) -> None:
    window = table(home, "sample", "sim-serra|2024").iloc[0]
    path = write_csv(tmp_path / "own.csv", (window["window_id"], "relabel", window["range"], "Ana", "same"))
    assert "is the map's own range; accept it instead" in " ".join(home.run(*REVIEW, "--apply", str(path), code=2).split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("review", "--dataset", "nonsense", "--year", "2024"), "Unknown dataset 'nonsense'"),
        (("review", "--dataset", "sim_ranges", "--year", "1999"), "has the years 2023, 2024, not 1999"),
        ((*REVIEW, "--region", "lourenco"), "sim_ranges has no region lourenco; it has sim-igarape, sim-serra"),
        ((*REVIEW, "--list", "--static", "x.html"), "Choose one of --static, --apply and --list"),
        (("review", "--dataset", "ranges", "--year", "2024"), "mining-platform materialize --assets ranges/patches --years 2024"),
        ((*REVIEW, "--static", "no/such/folder/x.html"), "There is no folder no/such/folder"),
    ],
)
def test_a_wrong_request_is_refused_in_a_line(home: Installation, arguments: tuple[str, ...], message: str) -> None:
    printed = home.run(*arguments, code=2)
    assert message in " ".join(printed.split())
    assert "Traceback" not in printed


@pytest.mark.slow
def test_a_torn_log_is_told_and_an_altered_one_keeps_everything_from_being_decided(line: Line, tmp_path: Path) -> None:
    own = home_like(line, tmp_path / "home")
    window = first_of(own, "sim-igarape", "000")
    decisions = write_csv(tmp_path / "one.csv", (window, "reject", "", "Ana", "haze"))
    own.run(*REVIEW, "--apply", str(decisions))
    log = own.home / "reviews" / "sim_ranges.jsonl"
    whole = log.read_text()
    log.write_text(whole + '{"dataset": "sim_ra')
    printed = own.run(*REVIEW, "--list")
    assert "is torn (19 bytes): a crash cut it off" in " ".join(printed.split())
    assert window in printed
    log.write_text(whole.replace("haze", "hail"))
    assert "line 1 was altered" in " ".join(own.run(*REVIEW, "--apply", str(decisions), code=2).split())


@pytest.fixture(scope="module")
def served(home: Installation) -> Iterator[Served]:
    with review_page(home) as page:
        yield page


def request(served: Served, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and body of a raw request; headers with `_` for `-`."""
    host = served.url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    named = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in named.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def token_of(served: Served) -> str:
    (found,) = re.findall(r'"token":"([\w-]{40,})"', request(served, "GET", "/")[1])
    return str(found)


def page_headers(served: Served) -> dict[str, str]:
    return {
        "Origin": served.url.rstrip("/"),
        "Content_Type": "application/json",
        "X_Review_Token": token_of(served),
    }


def body_of(window_id: str, **told: Any) -> bytes:
    return json.dumps(
        {"window_id": window_id, "decision": "accept", "range": "", "reviewer": "Eve", "reason": "", **told}
    ).encode()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X_Review_Token": "guessed"}, 403),
        ({"X_Review_Token": "ünïcode"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_only_the_page_itself_can_decide(home: Installation, served: Served, change: dict[str, str], status: int) -> None:
    window = first_of(home, "sim-igarape", "000")
    before = log_of(home)
    assert request(served, "POST", "/decisions", body_of(window), **{**page_headers(served), **change})[0] == status
    assert log_of(home) == before


def test_no_get_decides_and_nothing_else_is_served(served: Served) -> None:
    assert request(served, "GET", "/", Host="evil.example")[0] == 403
    before = request(served, "GET", "/decisions")[1]
    assert request(served, "GET", "/decisions?window_id=x&decision=reject")[0] == 404
    for path in ("/../../etc/passwd", "/pictures/../../x.png", "/pictures/nothing.png", "/outlines/%2e%2e.svg", "/x"):
        assert request(served, "GET", path)[0] == 404
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert request(served, method, "/decisions")[0] == 501
    assert request(served, "GET", "/decisions")[1] == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"window_id": 1}', b'{"window_id": "x"}', b"\xff", b"[" * 16_000])
def test_what_is_no_decision_is_refused_with_what_one_is(served: Served, body: bytes) -> None:
    status, answer = request(served, "POST", "/decisions", body, **page_headers(served))
    assert (status, "A decision is a JSON object of the texts" in answer) == (400, True)


def test_a_body_that_is_too_large_or_of_no_length_is_refused(served: Served) -> None:
    assert request(served, "POST", "/decisions", b"x" * 20_000, **page_headers(served))[0] == 413
    assert request(served, "POST", "/decisions", **page_headers(served))[0] == 413


def test_a_decision_on_the_page_is_in_the_log_at_once(home: Installation, served: Served) -> None:
    window = first_of(home, "sim-igarape", "000")
    status, answer = request(served, "POST", "/decisions", body_of(window, reason="fine"), **page_headers(served))
    assert status == 200
    assert json.loads(answer)["region"] == "sim-igarape"
    last = json.loads(log_of(home).splitlines()[-1])
    store = ArtifactStore(home.home / "artifacts")
    assert (last["window_id"], last["decision"]) == (window, "accept")
    assert last["seen"] == current_digest(store, Ref("sim_ranges/patches", "sim-igarape|2024"))


def test_pictures_are_the_patches_and_the_page_allows_no_foreign_code(home: Installation, served: Served) -> None:
    from io import BytesIO
    from urllib.request import urlopen

    from PIL import Image

    patch = f"{first_of(home, 'sim-igarape', '000')}_2024"
    with urlopen(f"{served.url}pictures/{patch}.png", timeout=20) as answer, Image.open(BytesIO(answer.read())) as picture:
        assert (picture.size, picture.mode) == ((128, 128), "RGB")
    with urlopen(f"{served.url}outlines/{patch}.svg", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "image/svg+xml"
    with urlopen(served.url, timeout=20) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_a_port_in_use_is_told(home: Installation, served: Served) -> None:
    port = served.url.rstrip("/").rpartition(":")[2]
    assert f"Port {port} cannot be used" in home.run(*REVIEW, "--port", port, "--no-browser", code=2)


def test_the_page_ends_by_itself_after_its_time(home: Installation) -> None:
    printed = home.run(*REVIEW, "--port", "0", "--no-browser", "--for-seconds", "0.5", timeout=60)
    assert "0 decisions taken down." in printed
