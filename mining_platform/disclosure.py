"""What may not be told: secrets, taken out of texts before anybody keeps them.

Secrets come from the environment or from files that it names, never from a row or a region file, so that they are known here:
the values of variables that are named as secrets, what Google's key files hold as such, and whatever a URL has in its query,
where services put signatures and tokens. `discreetly` surrounds a production, whose errors go to Dagster's databases and logs.
"""

import json
import os
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(
    r"(?:^|_)(?:key|apikey|token|secret|password|passwd|credentials?|signature|sig|sas|webhook)(?:_|$)", re.IGNORECASE
)
"""Names of environment variables and of parameters in a URL whose values are secrets, `-` read as `_`."""
_KEY_FILES = ("MINING_PLATFORM_EARTH_ENGINE_KEY", "GOOGLE_APPLICATION_CREDENTIALS")
_STORED_LOGIN = "~/.config/earthengine/credentials"  # where `earthengine authenticate` puts it
_OF_KEY_FILES = ("private_key", "private_key_id", "client_secret", "refresh_token")
_VARIABLES = re.compile(r"(?:\$\{[A-Z_]+\})+")
MIN_LENGTH = 8  # shorter values are no secrets, and would hide words
MAX_KEY_FILE_BYTES = 65_536
_QUERY = re.compile(r"(?P<place>\b[a-z][a-z0-9+.-]*://[^\s'\"?]*|\.[a-z0-9]+)\?[^\s'\")>]*", re.IGNORECASE)
_USER = re.compile(r"(?<=//)[^/\s'\"@]*@")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

Result = TypeVar("Result")


class ScrubbedError(RuntimeError):
    """An error whose own words, or those of what caused it, held a secret; it has its text and nothing of its origin."""


def scrubbed(text: str) -> str:
    """The text without secrets: known ones, queries and users of URLs, and headers of authorization."""
    for secret in known_secrets():
        text = text.replace(secret, HIDDEN)
    return _BEARER.sub(rf"\1 {HIDDEN}", _USER.sub("", _QUERY.sub(r"\g<place>", text)))


def known_secrets() -> list[str]:
    """What is kept secret in this environment, longest first; each line of a text of several lines is one."""
    values = [value for name, value in os.environ.items() if SECRET_NAME.search(name) and not _is_file(value)]
    places = [*(os.environ.get(name, "") for name in _KEY_FILES), str(Path(_STORED_LOGIN).expanduser())]
    values += [text for place in places for text in _of_key_file(place)]
    parts = {part.strip() for value in values for part in (value, *value.splitlines(), json.dumps(value)[1:-1])}
    return sorted((part for part in parts if len(part) >= MIN_LENGTH and "-----" not in part), key=len, reverse=True)


def _is_file(value: str) -> bool:
    """Whether a value is the path of a file, which may be told."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def _of_key_file(place: str) -> list[str]:
    """Secrets of a JSON key file; none where it is missing or something else."""
    try:
        if not place or Path(place).stat().st_size > MAX_KEY_FILE_BYTES:
            return []
        told = json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [str(told[name]) for name in _OF_KEY_FILES if told.get(name)] if isinstance(told, dict) else []


def secret_parameter(href: str) -> str | None:
    """The first parameter of a URL that has a secret written out; None where there is none, or variables stand for them."""
    for name, value in parse_qsl(href.partition("?")[2].partition("#")[0]):
        if SECRET_NAME.search(name.replace("-", "_")) and not _VARIABLES.fullmatch(value):
            return name
    return None


def discreetly(work: Callable[[], Result]) -> Result:
    """What a piece of work gives; ScrubbedError in place of an error of it that tells a secret, other errors as they are."""
    try:
        return work()
    except Exception as error:
        if all(scrubbed(words) == words for words in _words(error)):
            raise
        told = scrubbed(str(error))
    raise ScrubbedError(told)  # outside of the handler, so that it has no context


def _words(error: BaseException | None) -> Iterator[str]:
    """What an error and all that led to it say, as tracebacks print them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield "".join(traceback.format_exception_only(each))
        waiting += [each.__cause__, each.__context__, *(each.exceptions if isinstance(each, BaseExceptionGroup) else ())]
