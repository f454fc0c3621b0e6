"""What all tests share; the tiny experiment is `tests/tiny_world.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny_world import prepared

#: files that run whole workflows again and again: `make test-long`
LONG = (
    "test_interrupted",
    "test_chaos",
    "test_manifest",
    "test_why",
    "test_shared_data",
    "test_stale",
    "test_training_distributed",
    "test_rounds",
    "test_one_shot",
    "test_factorial",
    "test_limits",
    "test_together",
    "test_without_test_set",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in LONG:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def data() -> str:
    """The folder of the prepared digits."""
    return prepared()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """On a busy machine more threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
