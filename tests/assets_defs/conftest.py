"""Tests of definitions begin without what an instance of an earlier test left in Dagster's context."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Instances that are closed in another order than they were opened leave one behind, which is gone when it is asked."""
    with set_defs_state_storage(None):
        yield
