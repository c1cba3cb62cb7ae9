"""Failures of the databases' disk are told from all others. Full disks themselves are in tests/faults/test_full_disks.py."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from assets_defs.home_disks import UnwritableHome, database_failure, refuse_database_failure, writable_databases, writable_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINING_PLATFORM_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "dagster"


def test_a_database_that_cannot_be_opened_is_told_with_its_home_and_what_to_do(tmp_path: Path, home: Path) -> None:
    words = r"cannot be written .*unable to open database file.*mining-platform reconcile"
    engine = create_engine(f"sqlite:///{tmp_path}/absent/runs.db")
    with pytest.raises(UnwritableHome, match=words) as told, writable_databases():
        engine.connect()
    assert str(home) in str(told.value)
    assert "is full" not in str(told.value), "the disk of this test has room"


def test_a_failure_behind_another_error_is_found(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as told:
        sqlite3.connect(tmp_path / "absent" / "runs.db")
    outer = RuntimeError("a run could not be made")
    assert database_failure(outer) is None
    outer.__cause__ = told.value
    assert database_failure(outer) is told.value


def test_a_wrong_statement_is_no_failure_of_the_disk() -> None:
    with pytest.raises(SQLAlchemyError), writable_databases(), create_engine("sqlite://").connect() as connection:
        connection.execute(text("SELECT * FROM absent"))


def test_an_error_of_the_work_itself_passes_unchanged() -> None:
    error = ValueError("no such region")
    with pytest.raises(ValueError, match="no such region") as told, writable_home():
        raise error
    assert told.value is error


def test_a_file_that_is_absent_is_no_failure_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writable_home():
        (tmp_path / "absent").read_text()


def test_a_step_that_met_the_full_database_in_its_midst_is_not_taken_for_a_failure_of_its_own() -> None:
    with pytest.raises(UnwritableHome, match="database or disk is full"):
        refuse_database_failure("(sqlite3.OperationalError) database or disk is full\n(Background on this error at: ...)")
    refuse_database_failure("the map cannot be read")
