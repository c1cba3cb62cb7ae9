"""Tests of definitions begin without what an instance of an earlier test left in Dagster's context; people listen on loopback."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from mining_platform import webhooks
from mining_platform.notifications import EMAIL_VARIABLE, WEBHOOK_VARIABLE
from tests.file_service import FileService, file_service


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Instances that are closed in another order than they were opened leave one behind, which is gone when it is asked."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileService]:
    """Where people are told of failures."""
    monkeypatch.delenv(EMAIL_VARIABLE, raising=False)
    monkeypatch.setattr(webhooks, "WAIT_S", 0.0)
    with file_service() as service:
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"{service.url}/hook")
        yield service
