"""What all tests share; the tiny experiment is `tests/tiny_world.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nas_steps.provenance.task import ONE_THREAD

# before numpy and torch are loaded, here and in what tests start: more threads only wait for one another
os.environ.update(ONE_THREAD)

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

#: the files that take longest, longest first: begun at the end, one would keep a single worker busy
FIRST = (
    "test_workflow",
    "test_training_kills",
    "test_paths",
    "test_profiles",
    "test_training_together",
    "test_commands",
    "test_search_samplers",
    "test_models_networks",
    "test_training_checkpoint",
    "test_forecast",
    "test_search_simulated",
    "test_search_spent",
    "test_models_kernels",
    "test_search_tools",
    "test_models_convolutions",
    "test_search_without_float64",
    "test_rungs",
    "test_language",
    "test_calibration",
    "test_reproduction",
    "test_keys",
    "test_scaling_factorial",
    "test_gpu_benchmark",
    "test_export_models",
    "test_scale",
    "test_table",
    "test_training_precision",
    "test_blocks",
    "test_forkserver",
    "test_retraining_recommend",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(FIRST)))
    for item in items:
        if item.path.stem in LONG:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def data() -> str:
    """The folder of the prepared digits."""
    from tiny_world import prepared

    return prepared()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tests that say otherwise set it back."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
