"""`nas_steps.why` and the manifest name the keys of the config that changed, and no others."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from tiny_world import TINY

from nas_steps.config.schema import Config
from nas_steps.config.walk import NAME, alternatives, keys, nearest_key
from nas_steps.errors import UserError
from nas_steps.provenance.changes import changed_values
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

SHARED: dict[str, Any] = {"kind": "shared_weights", "supernet": {"sampling": "uniform"}}
#: configs that together have every section
WORLDS: dict[str, dict[str, Any]] = {
    "cells": {},
    "every kind of DARTS": {
        "search": {
            "strategies": {
                "random": {},
                **{
                    kind: {"epochs": 12}
                    for kind in [
                        "darts_second_order",
                        "darts_plus",
                        "early_stop_eigenvalue",
                        "fair_darts",
                        "sdarts_rs",
                        "sdarts_adv",
                        "pc_darts",
                        "gdas",
                        "drnas",
                        "rsws",
                        "setn",
                        "enas",
                    ]
                },
            }
        }
    },
    "samplers": {
        "search": {
            "strategies": {
                kind: {}
                for kind in (
                    "random",
                    "nsga2",
                    "reinforce",
                    "predictor",
                    "evolution",
                    "local_search",
                    "bayesian",
                    "milp",
                )
            }
        }
    },
    "stages": {
        "search": {
            "network": {"channels": 12},
            "strategies": {"random": {}, "drnas": {"stages": [{"epochs": 2, "parts": 2}, {"epochs": 2}]}},
        }
    },
    "halving and a screen": {
        "search": {
            "estimator": {"epochs": 9, "halving": {}},
            "screen": {},
            "strategies": {"random": {"rounds": 3}, "evolution": {}},
        }
    },
    "extrapolation": {
        "search": {"estimator": {"kind": "extrapolation"}, "strategies": {"random": {}, "evolution": {}}}
    },
    "zero cost": {"search": {"estimator": {"kind": "zero_cost"}, "strategies": {"random": {}, "evolution": {}}}},
    "shared weights": {"search": {"estimator": SHARED, "strategies": {"random": {}, "evolution": {}}}},
    "constraints": {
        "search": {"constraints": {"macs": 1e9, "latency_ms": 9}, "strategies": {"random": {}, "evolution": {}}}
    },
    "a mobile space": {
        "space": {"preset": "mobile_small"},
        "data": {"source": "cifar10"},
        "search": {"estimator": SHARED, "strategies": {"random": {}, "evolution": {}, "enas": {}}},
    },
    "pretrained weights": {
        "space": {"preset": "efficientnet_b0", "resolution": [32, 64]},
        "data": {"source": "cifar10", "resolution": 64},
        "weights": {"source": "imagenet"},
        "search": {
            "estimator": {**SHARED, "supernet": {"sampling": "sandwich", "entangled": True}},
            "strategies": {"random": {}, "evolution": {}},
        },
        "retrain": {"start": "supernet", "recipes": {"short": {"epochs": 9}}},
        "scaling": {"enabled": False},
    },
    "a share of the final recipe": {"ranking": {"final_share": 0.5}, "retrain": {"budget": {"macs": 1e9}}},
    "two more recipes": {
        "retrain": {"recipes": {"short": {"epochs": 9}, "mixed": {"mixup": 0.2, "augment": {"crop": 1}}}}
    },
    "augmentation of photos": {"retrain": {"recipe": {"augment": {"resized_crop": {}, "jitter": {"contrast": 0.2}}}}},
    "text": {
        "data": {"source": "stdlib"},
        "search": {
            "estimator": {"compute": 1e12, "epochs": 4, "halving": {}},
            "strategies": {"random": {"rounds": 2}, "bayesian": {}, "reinforce": {}},
            "screen": {"proxy": "params"},
            "constraints": {"macs": 1e12},
        },
        "ranking": {"recipe": {"compute": 1e12}},
        "retrain": {"recipe": {"compute": 1e12, "learning_rates": [1e-3, 1e-2]}, "budget": {"macs": 1e8}},
        "scaling": {"rungs": {"enabled": True, "compute": 1e12, "recipe": {"epochs": 3}}},
    },
    "a factorial": {"scaling": {"factorial": {"enabled": True}}},
    "a factorial by a recipe of its own": {"scaling": {"factorial": {"enabled": True, "recipe": {"epochs": 3}}}},
}
#: keys whose other value is no number and no truth
OTHERS: dict[str, Any] = {
    "experiment": "another",
    "space.preset": "darts",
    "space.operations": ["skip_connect", "nor_conv_3x3"],
    "retrain.baselines": ["resnet20", "resnet56"],
    "retrain.budget": {"macs": 9e9},
    "weights.licence": "MIT",
    "scaling.depth": [1.0, 1.3],
    "scaling.width": [1.0, 1.15],
    "scaling.resolution": [1.0, 1.2],
    "scaling.factorial.bases": ["searched", "random"],
    "scaling.factorial.scalings": ["none", "compound"],
    "scaling.factorial.hand_designed": "resnet56",
    "search.strategies.<name>.objectives": ["accuracy", "parameters"],
}


def changed(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    section = raw
    for key in path[:-1]:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    section[path[-1]] = value
    return raw


def others(path: str, now: Any, annotation: Any) -> Iterator[Any]:
    """Other values of a key, of which one may be allowed."""
    if path in OTHERS:
        yield OTHERS[path]
    if isinstance(now, bool):
        yield not now
    elif isinstance(now, int):
        yield from (now + 1, now + 4, now * 2, now - 1)
    elif isinstance(now, float):
        yield from (now * 1.01, now / 2, now + 0.001, now * 2)
    for one in alternatives(annotation):
        if get_origin(one) is Literal:
            yield from (value for value in get_args(one) if value != now)
        elif one in (int, float) and now is None:
            yield from (2, 1000, 0.5)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each key of a config that is no section, with its value."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key), item


def generic(path: tuple[str, ...]) -> str:
    """A path with the name of a strategy or recipe left open."""
    named = path[:2] in (("search", "strategies"), ("retrain", "recipes"))
    return ".".join(NAME if named and at == 2 else key for at, key in enumerate(path))


ANNOTATIONS = {".".join(key.path): key.field.annotation for key in keys(Config)}


def settings(plan: Plan) -> dict[str, dict[str, Any]]:
    """The settings of every job, by the name of their file."""
    found = {}
    for name, step in STEPS.items():
        for job in plan.jobs(name) if step.reads else []:
            variant = step.variant(job)
            found["-".join(filter(None, (name, variant)))] = plan.values(step, variant)
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_every_key_that_changes_is_named(world: str, tmp_path: Path) -> None:
    raw = {**{key: value for key, value in TINY.items() if key in ("experiment", "data")}, **WORLDS[world]}
    plan = Plan(raw, root=str(tmp_path))
    before, written_out = settings(plan), plan.config.model_dump(mode="json")
    named_of: dict[str, set[str]] = {}
    for path, now in leaves(written_out):
        key = ".".join(path)
        for value in others(generic(path), now, ANNOTATIONS.get(generic(path))):
            try:
                after = Plan(changed(written_out, path, value), root=str(tmp_path))
            except UserError:
                continue
            for name, values in settings(after).items():
                for place, _, _ in changed_values(before.get(name, values), values):
                    named_of.setdefault(key, set()).add(after.config_key(name, place))
            break
    assert len(named_of) > 40
    for key, named in named_of.items():
        assert key in named, f"{key}: {named}"  # the report's settings hold it
        for one in named:
            assert one
            assert nearest_key(one) == one, f"{key}: there is no key {one}"
            assert related(key, one), f"{key}: {one}"


def test_the_keys_of_weights_reach_what_starts_from_them(tmp_path: Path) -> None:
    world = {**{key: value for key, value in TINY.items() if key == "experiment"}, **WORLDS["pretrained weights"]}
    plan = Plan(world, root=str(tmp_path))
    before, written_out = settings(plan), plan.config.model_dump(mode="json")
    starting = {
        "supernet", "one_shot-random", "one_shot-evolution", "score_by_supernet", "supernet_statistics", "train_sample",
        "train_shortlist", "retrain", "retrain_by_recipe-short", "weights", "report",
    }  # fmt: skip
    for key, value, wanted in (
        ("importance", "bn", starting),
        ("normalisation", "lite", starting | {"data"}),
        ("licence", "MIT", {"export_networks", "report"}),
    ):
        plan = Plan(changed(written_out, ("weights", key), value), root=str(tmp_path))
        after = settings(plan)
        assert {name for name in before if before[name] != after[name]} == wanted
    gone = set(before) - set(settings(Plan(changed(written_out, ("weights", "source"), "none"), root=str(tmp_path))))
    assert gone == {"weights"}


def test_another_content_of_a_file_of_weights_makes_them_anew(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    raw = {
        "data": {"source": "digits", "channels": 3, "resolution": 16},
        "space": {"preset": "mobile_small"},
        "weights": {"source": str(file)},
        "search": {"strategies": {"random": {}, "evolution": {}}},
        "scaling": {"enabled": False},
    }
    seen = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        seen.append(settings(Plan(raw, root=str(tmp_path))))
    assert {name for name in seen[0] if seen[0][name] != seen[1][name]} == {"weights"}
    # where the file lies counts in no settings but the report's and the manifest's, which show the config
    moved = file.rename(tmp_path / "moved.pth")
    there = settings(Plan({**raw, "weights": {"source": str(moved)}}, root=str(tmp_path)))
    assert {name for name in seen[1] if seen[1][name] != there[name]} == {"report"}


def related(key: str, named: str) -> bool:
    """Whether a change of `key` may be called one of `named`: it is the key, or above it, or follows from it."""
    if key.startswith("space."):
        return named.startswith("space")  # a preset is what its keys are
    if key == "ranking.final_share":
        return named == key or named.startswith("retrain.recipe")  # it says by which recipe is trained
    above = key.removesuffix(".kind")  # a kind has keys of its own
    return f"{key}.".startswith(f"{named}.") or f"{named}.".startswith(f"{above}.")


def test_every_declared_path_is_a_key(tmp_path: Path) -> None:
    for world, raw in WORLDS.items():
        plan = Plan({"data": TINY["data"], **raw}, root=str(tmp_path))
        for step in STEPS.values():
            for source in step.sources().values():
                path = source.path_in(plan.config, "random") if source.path != "" else ""
                assert nearest_key(path) == path, f"{world}, {step.name}: {path}"


def test_the_worlds_have_every_section() -> None:
    seen: set[str] = set()
    for raw in WORLDS.values():
        config = Config.model_validate({"data": TINY["data"], **raw})
        seen |= {type(one).__name__ for one in sections_of(config)}
    all_of_them = {key.section.__name__ for key in keys(Config)} - {
        "Table",
        "TableColumn",
        "TableImages",
        "Published",
        "Tracking",
    }  # whose file is not here, or that no step reads
    assert all_of_them <= seen, all_of_them - seen


def sections_of(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from sections_of(getattr(value, name))
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from sections_of(item)
