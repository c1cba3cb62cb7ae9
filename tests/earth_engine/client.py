"""The real client pointed at a stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import ee
from google.auth.credentials import AnonymousCredentials

PROJECT = "stand-in"


@contextmanager
def offline_client() -> Iterator[None]:
    """A client without state, that looks up nothing elsewhere; the state made in the block is dropped at its end.

    `ee` keeps one state a process, and `ee.Initialize` fetches a list of deprecated assets from storage.googleapis.com.
    For tests of code that calls `ee.Initialize` itself.
    """
    ee.Reset()
    with mock.patch("ee.deprecation._FetchDataCatalogStac", dict):
        try:
            yield
        finally:
            session = ee.data._get_state().requests_session
            if session is not None:
                session.close()
            ee.Reset()


@contextmanager
def earth_engine(url: str, *, credentials: Any = None, retries: int = 0) -> Iterator[None]:
    """The client initialised against a stand-in; `retries` is what the client itself does on 429 and 5xx."""
    with offline_client():
        ee.data.setMaxRetries(retries)
        ee.Initialize(credentials or AnonymousCredentials(), url=url, project=PROJECT)
        yield
