"""Where runs and events are, as settings say it, and failures of a server (a real one: tests/faults/test_postgres.py)."""

from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from assets_defs.databases import (
    POSTGRES_VARIABLE,
    DatabaseSettingError,
    UnreachableDatabase,
    check_settings,
    first_start_alone,
    is_of_databases,
    postgres_url,
    refuse_failure_of_databases,
    server_failure,
    storage_yaml,
    usable_databases,
)
from assets_defs.instances import DAGSTER_YAML, prepare_instance
from tests.ui.test_web_ui import free_port

SECRET = "canary-5f1d"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINING_PLATFORM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")
    return tmp_path / "home" / "dagster"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server that is not there, with a password."""
    address = f"postgresql://dagster:{SECRET}@127.0.0.1:{free_port()}/runs"
    monkeypatch.setenv(POSTGRES_VARIABLE, address)
    return address


def settings(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dagster.yaml"
    path.write_text(text)
    return path


def test_without_the_variable_nothing_is_said_of_storage_and_files_are_used() -> None:
    assert storage_yaml() == ""
    assert "storage" not in yaml.safe_load(DAGSTER_YAML)


@pytest.mark.usefixtures("away")
def test_with_it_the_settings_name_the_variable_and_not_the_address() -> None:
    told = yaml.safe_load(DAGSTER_YAML + storage_yaml())
    assert told["storage"] == {"postgres": {"postgres_url": {"env": POSTGRES_VARIABLE}}}
    assert SECRET not in storage_yaml()


@pytest.mark.parametrize(
    "wrong",
    [
        f"postgres://dagster:{SECRET}@host/runs",
        f"mysql://dagster:{SECRET}@host/runs",
        f"dagster:{SECRET}@host",
        f"postgresql://dagster:{SECRET}@host:port/runs",
        f"postgresql://dagster:{SECRET}@host",
    ],
)
def test_what_is_no_address_of_a_database_is_refused_without_repeating_it(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, wrong)
    with pytest.raises(DatabaseSettingError, match="is no address of a Postgres database") as told:
        postgres_url()
    assert SECRET not in str(told.value)


def test_settings_that_need_an_address_are_refused_without_one(tmp_path: Path) -> None:
    text = f"storage:\n  postgres:\n    postgres_url:\n      env: {POSTGRES_VARIABLE}\n"
    with pytest.raises(DatabaseSettingError, match=f"{POSTGRES_VARIABLE} has to tell, and it is not set"):
        check_settings(settings(tmp_path, text))


@pytest.mark.usefixtures("away")
def test_settings_that_use_files_are_refused_where_a_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseSettingError, match="keeps Dagster's runs in files"):
        check_settings(settings(tmp_path, DAGSTER_YAML + "# storage: postgres\n"))
    check_settings(settings(tmp_path, DAGSTER_YAML + storage_yaml()))
    chart = "run_storage:\n  module: dagster_postgres.run_storage\n  class: PostgresRunStorage\n"
    check_settings(settings(tmp_path, chart))


def test_a_home_that_was_begun_with_files_is_not_moved_to_a_server_in_silence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_instance()
    assert (home / "history").is_dir() or list(home.rglob("*.db"))
    monkeypatch.setenv(POSTGRES_VARIABLE, f"postgresql://dagster:{SECRET}@127.0.0.1:{free_port()}/runs")
    with pytest.raises(DatabaseSettingError, match="mining-platform reconcile"):
        prepare_instance()


def test_a_server_that_is_away_is_told_with_its_place_and_without_its_password(away: str) -> None:
    port = away.rsplit(":", maxsplit=1)[-1].partition("/")[0]
    words = rf"127\.0\.0\.1:{port}, database 'runs', does not serve Dagster: .*refused.* Start the server"
    with pytest.raises(UnreachableDatabase, match=words) as told:
        prepare_instance()
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None, "a cause would be printed with the server's own words"


def failure(address: str) -> OperationalError:
    with pytest.raises(OperationalError) as told:
        create_engine(address).connect()
    return told.value


def test_a_failure_of_the_server_behind_another_error_is_found(away: str) -> None:
    outer = RuntimeError("too many retries for DB connection")
    assert not is_of_databases(outer)
    outer.__cause__ = failure(away)
    assert server_failure(outer) is outer.__cause__
    assert is_of_databases(outer)


def test_a_failure_of_files_is_none_of_a_server(tmp_path: Path) -> None:
    found = failure(f"sqlite:///{tmp_path}/absent/runs.db")
    assert server_failure(found) is None
    assert is_of_databases(found)


def test_an_error_of_the_work_itself_passes_unchanged() -> None:
    error = ValueError("no such region")
    with pytest.raises(ValueError, match="no such region") as told, usable_databases():
        raise error
    assert told.value is error


@pytest.mark.usefixtures("away")
def test_a_step_that_met_the_lost_server_in_its_midst_is_not_taken_for_a_failure_of_its_own() -> None:
    words = '(psycopg2.OperationalError) connection to server at "127.0.0.1" failed: Connection refused\n(Background on ...)'
    with pytest.raises(UnreachableDatabase, match="Connection refused"):
        refuse_failure_of_databases(words)
    refuse_failure_of_databases("the map cannot be read")


def test_without_a_server_a_first_start_waits_for_no_lock_of_one() -> None:
    with first_start_alone():
        assert postgres_url() == ""
