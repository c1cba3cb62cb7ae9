"""The disk that Dagster's home is on: when its databases cannot be written, what a person reads.

What belongs here: telling such failures from others. They come as errors of the operating system while the home is prepared,
and later as errors of SQLite, bare or behind those of Dagster and SQLAlchemy.
"""

import errno
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from assets_defs.causes import chain
from mining_platform.homes import dagster_home
from mining_platform.sessions import RunnerError

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
_OF_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
_PRIMARY = 0xFF  # the lowest byte of an extended result code, https://www.sqlite.org/rescode.html
_TOLD = re.compile(
    r"\(sqlite3\.OperationalError\) (database or disk is full|disk I/O error|unable to open database|attempt to write)"
)
ROOM_BYTES = 1_000_000  # less than one run writes into the databases


class UnwritableHome(RunnerError):  # noqa: N818 - named by what is wrong
    """Dagster's databases could not be written."""


@contextmanager
def writable_databases() -> Iterator[None]:
    """Turn a failure of the databases' disk within the body into UnwritableHome, which says what to do; other errors pass."""
    try:
        yield
    except Exception as error:
        failure = database_failure(error)
        if failure is None:
            raise
        raise UnwritableHome(_words(str(failure))) from error


@contextmanager
def writable_home() -> Iterator[None]:
    """As `writable_databases`, and for files of the home too: for a body that touches nothing else."""
    try:
        with writable_databases():
            yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        raise UnwritableHome(_words(error.strerror or str(error))) from error


def database_failure(error: BaseException) -> sqlite3.Error | None:
    """The failure of SQLite's disk that is behind an error, or is it; None where there is none."""
    failures = (each for each in chain(error) if isinstance(each, sqlite3.Error))
    codes = ((each, getattr(each, "sqlite_errorcode", None) or 0) for each in failures)
    return next((each for each, code in codes if code & _PRIMARY in _OF_SQLITE), None)


def refuse_database_failure(told: str) -> None:
    """UnwritableHome where what a step told of its error is a failure of the databases, which met it in its midst."""
    if _TOLD.match(told):
        raise UnwritableHome(_words(told.splitlines()[0]))


def _words(why: str) -> str:
    home = dagster_home()
    free = shutil.disk_usage(next(each for each in (home, *home.parents) if each.is_dir())).free
    full = f": its disk is full ({free / 1e6:.1f} MB free)" if free < ROOM_BYTES else ""
    return (
        f"Dagster's home {home} cannot be written ({why}){full}. What was published before is whole. Make room or mend the disk, "
        "run the command again, then `mining-platform reconcile`."
    )
