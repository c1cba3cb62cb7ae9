"""No secret is told, whoever raised it and whatever it stood in."""

import json
from pathlib import Path

import pytest

from mining_platform.disclosure import ScrubbedError, discreetly, scrubbed, secret_parameter
from mining_platform.region_fields import Fields
from mining_platform.regions import RegionError

CANARY = "canary-5f3a9c1e"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("MINING_PLATFORM_TOKEN", CANARY)
    return monkeypatch


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a/b.tif?sig=abc&se=1 answers 403", "https://host/a/b.tif answers 403"),
        ("('/vsicurl/https://host/b.tif?sv=2&sig=abc')", "('/vsicurl/https://host/b.tif')"),
        ("url: /token/b.tif?sig=abc (Caused by", "url: /token/b.tif (Caused by"),
        ("https://user:word@host/x", "https://host/x"),
        ("Authorization: Bearer ya29.a0AfH6SMBxyz", "Authorization: Bearer [hidden]"),
        (f"login with {CANARY} failed", "login with [hidden] failed"),
        ("Is the disk full? Free some.", "Is the disk full? Free some."),
        ("Run `mining-platform materialize --assets mosaic`.", "Run `mining-platform materialize --assets mosaic`."),
    ],
)
@pytest.mark.usefixtures("environment")
def test_what_is_secret_is_taken_out_and_the_rest_stays(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


def test_a_key_file_is_told_by_its_path_and_never_by_its_content(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    lines = "-----BEGIN PRIVATE KEY-----\nMIIEcanary0001\nMIIEcanary0002\n-----END PRIVATE KEY-----\n"
    key.write_text(json.dumps({"client_email": "me@example.org", "private_key": lines, "private_key_id": "id-canary-77"}))
    environment.setenv("MINING_PLATFORM_EARTH_ENGINE_KEY", str(key))
    told = scrubbed(f"{key} is rejected: {json.loads(key.read_text())} {key.read_text()}")
    assert str(key) in told
    assert "me@example.org" in told
    assert "canary" not in told


def test_the_address_of_a_webhook_is_a_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MINING_PLATFORM_NOTIFY_WEBHOOK", "https://chat.example.org/hooks/T00/B00")
    assert scrubbed("POST https://chat.example.org/hooks/T00/B00 failed") == "POST [hidden] failed"


@pytest.mark.parametrize("secret", ["/begins+as/a/path==", "x" * 4_000, "two words"])
def test_a_secret_may_look_like_a_path_or_like_anything(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("SERVICE_PASSWORD", secret)
    assert scrubbed(f"login with {secret} failed") == "login with [hidden] failed"


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """What gets out of `discreetly`."""

    def work() -> None:
        raise error from cause

    with pytest.raises(Exception) as caught:  # noqa: PT011 - any
        discreetly(work)
    return caught.value


def chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


@pytest.mark.usefixtures("environment")
def test_an_error_without_secrets_passes_as_it_is() -> None:
    error = ValueError("The year 2031 lies outside the collection.")
    assert raised(error, OSError("no such file")) is error


@pytest.mark.usefixtures("environment")
def test_an_error_that_tells_a_secret_keeps_its_words_alone() -> None:
    error = raised(ValueError(f"https://host/b.tif?sig={CANARY} is refused. Renew {CANARY}."))
    assert isinstance(error, ScrubbedError)
    assert str(error) == "https://host/b.tif is refused. Renew [hidden]."
    assert chain(error) == [error]


@pytest.mark.usefixtures("environment")
def test_a_secret_in_what_caused_an_error_goes_too() -> None:
    for error in (raised(ValueError("no answer"), OSError(CANARY)), raised(KeyError("x"), ValueError({"Authorization": CANARY}))):
        assert isinstance(error, ScrubbedError)
        assert chain(error) == [error]
    noted = ValueError("no answer")
    noted.add_note(f"with {CANARY}")
    assert isinstance(raised(noted), ScrubbedError)


@pytest.mark.usefixtures("environment")
def test_a_secret_in_one_of_several_errors_that_stand_together_goes_too() -> None:
    inner = ExceptionGroup("two requests failed", [OSError("no answer"), ValueError(f"Authorization: {CANARY}")])
    for error in (raised(inner), raised(ValueError("no map"), inner), raised(ExceptionGroup("all failed", [inner]))):
        assert isinstance(error, ScrubbedError)
        assert chain(error) == [error]
    plain = ExceptionGroup("two requests failed", [OSError("no answer")])
    assert raised(plain) is plain


@pytest.mark.usefixtures("environment")
def test_a_key_file_that_nests_without_end_hides_nothing_and_stops_nothing(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text("[" * 60_000)
    environment.setenv("MINING_PLATFORM_EARTH_ENGINE_KEY", str(tmp_path / "key.json"))
    assert scrubbed(f"login with {CANARY} failed") == "login with [hidden] failed"


def test_a_secret_written_out_in_an_address_is_named() -> None:
    assert secret_parameter("https://host/a.tif?sv=2020&sig=abc") == "sig"
    assert secret_parameter("https://host/a.tif?X-Amz-Signature=abc") == "X-Amz-Signature"
    assert secret_parameter("https://host/a.tif?subscription-key=abc") == "subscription-key"
    assert secret_parameter("https://host/a.tif?sig=${MINING_PLATFORM_SIGNATURE}abc") == "sig"
    assert secret_parameter("https://[host/a.tif?sig=abc#part") == "sig"
    assert secret_parameter("https://host/a.tif?sig=${MINING_PLATFORM_SIGNATURE}") is None
    assert secret_parameter("https://host/a.tif?sig=${MINING_PLATFORM_A}${MINING_PLATFORM_B}&se=1") is None
    assert secret_parameter("https://host/a_{year}.tif?version=3") is None
    assert secret_parameter("${MINING_PLATFORM_HOME}/archive/a.tif") is None


def test_a_region_file_with_a_secret_written_out_is_refused_without_telling_it() -> None:
    fields = Fields({"href": f"https://host/a_{{year}}.tif?sig={CANARY}"}, "feature 3, land_cover")
    with pytest.raises(RegionError, match=r"feature 3, land_cover.*'sig' of the address is a secret.*environment") as error:
        fields.href("href", with_year=True)
    assert CANARY not in str(error.value)
