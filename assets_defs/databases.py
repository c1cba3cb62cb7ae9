"""Where Dagster keeps runs and events: in files of its home, or on a Postgres server that the environment names.

What belongs here: what `dagster.yaml` says of it, and failures of the server told so that a person knows what to do. The
address is read from the environment by each process and stands in no file, for it may hold a password.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from assets_defs.causes import chain
from assets_defs.home_disks import database_failure, refuse_database_failure, writable_databases
from mining_platform.sessions import RunnerError

POSTGRES_VARIABLE = "MINING_PLATFORM_POSTGRES"
"""Environment variable: `postgresql://user:password@host:port/database`, as SQLAlchemy and libpq read it."""
POSTGRES_YAML = f"""\
# Runs and events are kept on the Postgres server that the environment names; the address stands in no file.
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_VARIABLE}
"""
FIRST_START_LOCK = 7_201_385_904_611  # any number that no other program uses as an advisory lock of this database
CONNECT_TIMEOUT_S = 10
_DRIVERS = ("postgresql", "postgresql+psycopg2")
_TOLD = re.compile(r"\(psycopg2\.OperationalError\) (?P<why>.*)")


class UnreachableDatabase(RunnerError):  # noqa: N818 - named by what is wrong
    """The Postgres server that keeps Dagster's runs and events did not answer, or let nobody in."""


class DatabaseSettingError(RunnerError):
    """Environment and `dagster.yaml` do not agree on where Dagster keeps its runs and events."""


def postgres_url() -> str:
    """The server's address out of the environment; empty where files are used.

    Raises DatabaseSettingError where it is no address of a Postgres database; its words do not repeat it.
    """
    told = os.environ.get(POSTGRES_VARIABLE, "").strip()
    if not told:
        return ""
    try:
        url = make_url(told)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _DRIVERS or not url.database:
        raise DatabaseSettingError(
            f"{POSTGRES_VARIABLE} is no address of a Postgres database. Write postgresql://user:password@host:5432/database, "
            "with signs other than letters and digits in user and password percent-encoded."
        )
    return told


def storage_yaml() -> str:
    """What a new `dagster.yaml` says of storage: the server where the environment names one, else nothing."""
    return POSTGRES_YAML if postgres_url() else ""


def check_settings(settings: Path) -> None:
    """DatabaseSettingError where `dagster.yaml` uses no server although the environment names one, or needs one not named."""
    named = bool(postgres_url())
    text = "\n".join(line for line in settings.read_text().splitlines() if not line.lstrip().startswith("#"))
    if not named and re.search(rf"\benv:\s*['\"]?{POSTGRES_VARIABLE}\b", text):
        raise DatabaseSettingError(
            f"{settings} keeps Dagster's runs on a Postgres server whose address {POSTGRES_VARIABLE} has to tell, and it is not "
            f"set. Set it to postgresql://user:password@host:5432/database (docs/postgres.md)."
        )
    if named and find_spec("dagster_postgres") is None:
        raise DatabaseSettingError(f"{POSTGRES_VARIABLE} needs packages that are not installed: pip install -e '.[postgres]'.")
    if named and "postgres" not in text:
        raise DatabaseSettingError(
            f"{POSTGRES_VARIABLE} is set, and {settings} keeps Dagster's runs in files. Unset it; or add the lines of "
            "docs/postgres.md to that file and run `mining-platform reconcile`, which tells the server of every artifact. "
            "Earlier runs and their logs stay behind in the files."
        )


@contextmanager
def usable_databases() -> Iterator[None]:
    """Turn failures of the databases, files or server, within the body into errors that say what to do; other errors pass."""
    try:
        with writable_databases():
            yield
    except Exception as error:
        failure = server_failure(error)
        if failure is None:
            raise
        raise UnreachableDatabase(_words(str(failure.orig))) from None


def is_of_databases(error: BaseException) -> bool:
    """Whether a failure of the databases, files or server, is behind an error."""
    return database_failure(error) is not None or server_failure(error) is not None


def server_failure(error: BaseException) -> OperationalError | None:
    """The failure of the Postgres server that is behind an error, or is it; None where there is none."""
    failures = (each for each in chain(error) if isinstance(each, OperationalError))
    return next((each for each in failures if type(each.orig).__module__.startswith("psycopg2")), None)


def refuse_failure_of_databases(told: str) -> None:
    """UnwritableHome or UnreachableDatabase where what a step told of its error is a failure of the databases in its midst."""
    refuse_database_failure(told)
    found = _TOLD.search(told)
    if found:
        raise UnreachableDatabase(_words(found["why"]))


def _words(why: str) -> str:
    url = make_url(postgres_url()) if postgres_url() else None
    place = f"{url.host or 'its socket'}:{url.port or 5432}, database {url.database!r}," if url else "that dagster.yaml names"
    return (
        f"The Postgres server {place} does not serve Dagster: {' '.join(why.split())}. What was published before is whole. Start "
        f"the server, or mend {POSTGRES_VARIABLE}, run the command again, then `mining-platform reconcile`."
    )


@contextmanager
def first_start_alone() -> Iterator[None]:
    """Only one process of all machines at a time is in the body, where a server is used; else the body as it is.

    Two that make the tables of an empty database at once leave two marks of its version, which Dagster cannot migrate.
    """
    url = postgres_url()
    if not url:
        yield
        return
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.pool.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S}
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:number)"), {"number": FIRST_START_LOCK})
        yield  # the lock goes with the connection, however the body ends
