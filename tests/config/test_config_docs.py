"""docs/reference/configuration.md tells every key of the schema, its default and its type, each once."""

from __future__ import annotations

import re

from nas_steps.config.docs import SHARED, page
from nas_steps.config.estimators import ESTIMATORS
from nas_steps.config.recipe import Optimisation, Recipe
from nas_steps.config.strategies import STRATEGIES
from nas_steps.config.walk import NAME, Key, keys

PAGE = page()


def rows_of(heading: str) -> set[str]:
    """The keys that the table below a heading tells."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| \**`([^`]+)`", table, re.MULTILINE))


def is_told(key: Key) -> bool:
    """Whether a key has a row by its path, or in the table of the shared section that its section takes it of."""
    every_kind = {**STRATEGIES, **ESTIMATORS}
    # a section inside a kind is told below it
    kinds = [kind for kind, one in every_kind.items() if issubclass(one, key.section)] or list(every_kind)
    path = ".".join(key.path)
    every = set(re.findall(r"^\| \**`([^`]+)`", PAGE, re.MULTILINE))
    if key.path[-1] == "kind":
        return f"kind: {kinds[0]}" in every
    if every & {path, *(path.replace(NAME, kind) for kind in kinds)}:
        return True
    shared = next((one for one in SHARED if issubclass(key.section, one)), None)
    shared = Recipe if issubclass(key.section, Optimisation) else shared
    return shared is not None and bool({path, key.path[-1]} & rows_of(f"Keys of {SHARED[shared]}"))


def test_every_key_is_told() -> None:
    assert [key.path for key in keys() if not is_told(key)] == []


def test_a_shared_section_is_told_once_and_its_uses_refer_to_it() -> None:
    lines = PAGE.splitlines()
    assert len(lines) <= 540
    assert sum("| Zero padding in pixels" in line for line in lines) == 1
    assert "| `retrain.network` | keys of [a network](#keys-of-a-network) | `{cells: 5}` |" in PAGE
    assert "| `scaling.factorial.recipe` | keys of [a recipe](#keys-of-a-recipe) | `null` |" in PAGE
    for link in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert f"## {link.replace('-', ' ').capitalize()}\n" in PAGE


def test_types_are_told_in_words_with_their_limits() -> None:
    assert "typing" not in PAGE
    for row in (
        "| `data.max_train` | integer > 0 or null | `null` |",
        "| `space.edges_per_node` | integer ≥ 1, ≤ 8 or `all` or null | `null` |",
        "| `space.stages` | list of keys and values or null | `null` |",
        "| `scaling.depth` | list of number ≥ 1 | `[1.0, 1.2, 1.4]` |",
        "| `search.strategies` | keys of one kind, below | `{random: {}, evolution: {}, darts: {}}` |",
        "| `search.estimator.path` | text | `required` |",
    ):
        assert row in PAGE
