"""A made-up results tree that follows results/README.md: every figure in it is invented."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from scipy import stats
from stepping import run, settings_files

from nas_steps.config.derive import score_name
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency
from nas_steps.config.space import filled
from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.models.latency import agreement
from nas_steps.provenance.files import write_csv, write_json, write_text
from nas_steps.ranking import calibrate, compare
from nas_steps.ranking.pool import Member
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.report.results import Results
from nas_steps.retraining.contests import CONTESTS, contests
from nas_steps.scaling.effects import EFFECTS, effects
from nas_steps.scaling.factorial import CELLS, gather_cells
from nas_steps.spaces.cells.space import CellArchitecture
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, write_costs
from nas_steps.spaces.declare import declared

NAN = math.nan
BASELINES = {"resnet20": (272_474, 2_550_000), "mobilenet_v2_x0.5": (701_000, 1_100_000)}
#: mean test accuracy of each kind, where nothing else is said
USUAL = {
    "random": 0.962,
    "evolution": 0.964,
    "darts": 0.961,
    "uniform": 0.955,
    "resnet20": 0.968,
    "mobilenet_v2_x0.5": 0.949,
}


@dataclass
class MadeUp:
    """What the invented experiment is to show. `means` are test accuracies by strategy or baseline."""

    config: dict[str, Any] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.001
    diverged: Sequence[str] = ()  # entries none of whose trainings ended; "all" for every one
    parameter_free: float = 0.5
    entropy: float = 1.2
    seconds: Mapping[str, float] = field(default_factory=dict)  # of one search by strategy
    classes: Sequence[str] = tuple("0123456789")
    valid_known: bool = True
    tau: tuple[float, float, float] | None = (0.41, -0.2, 0.81)
    scaled: bool = True
    #: what search is worth over random, and compound scaling over none, where the config asks for a factorial
    of_search: float = 0.02
    of_scaling: float = 0.03
    #: of predicted latencies, and the load of the machine with two processors, where the config limits them
    latency_error: float = 0.02
    load: float = 0.5


def write(folder: Path, made: MadeUp) -> tuple[Path, Path]:
    """Write the tree, prepared data beside it; return its folder and the report's settings file."""
    config = Config.model_validate(made.config)
    folder = folder / "results" / config.experiment
    settings = settings_files(config, folder.parent)["report"]
    dice = random.Random(7)
    _data(folder.parent / "data", config, made)
    _searches(folder, config, made, dice)
    entries = _ranking(folder, config, made, dice)
    _retraining(folder, config, made, entries, dice)
    if made.scaled:
        _scaling(folder, config, entries)
    if config.scaling.factorial.enabled:
        _factorial(folder, config, made, dice)
    _export(folder, entries)
    return folder, Path(settings)


def report(folder: Path, settings: Path) -> None:
    """Write the report of the tree."""
    run("report", settings=settings, data=folder.parent / "data", output=folder / "report")


def cost(path: Path, stage: str, seconds: float) -> None:
    write_json(
        path,
        {"stage": stage, "step": path.stem, "device": "cpu", "threads": 1, "seconds": seconds,
         "cpu_seconds": 0.97 * seconds, "peak_memory_mb": 512.5, "peak_gpu_memory_mb": 0.0, "machine": "x86_64",
         "extra": {}},
    )  # fmt: skip


def _data(data: Path, config: Config, made: MadeUp) -> None:
    names = [f"{split}_{kind}.npy" for split in ("train", "valid", "test") for kind in ("images", "labels")]
    meta = {
        "source": config.data.source,
        "file": None,
        "classes": list(made.classes),
        "counts": {
            split: dict.fromkeys(made.classes, each) for split, each in (("train", 108), ("valid", 36), ("test", 36))
        },
        "shape": [1, 8, 8],
        "mean": [0.3],
        "std": [0.4],
        "converted": {},
        "skipped": [],
        "ignored": 0,
        "duplicates": {"groups": 0, "same_class_left_out": 2, "other_class_left_out": 0, "files": []},
        "duplicates_across_splits": 0,
        "checksums": {name: f"{place:064x}" for place, name in enumerate(names, start=11)},
        "content": "ab" * 32,
    }
    write_json(data / "meta.json", meta)
    cost(data / "cost.json", "data", 2.5)


def _searches(folder: Path, config: Config, made: MadeUp, dice: random.Random) -> None:
    space = declared(filled(config.space))
    budgets = {"random": (24, 3.1e7), "evolution": (16, 2.1e7), "nsga2": (16, 2.1e7), "darts": (None, 3.0e7)}
    told = {}
    for name, strategy in config.search.strategies.items():
        evaluations, macs = budgets[strategy.kind]
        told[name] = {
            "kind": strategy.kind,
            "evaluations": evaluations,
            "training_macs": macs,
            "relative": macs / 3.1e7,
        }
        for seed in range(config.search.seeds):
            place = folder / f"search/{name}-{seed}"
            rows = (
                _epochs(made, space, dice) if strategy.kind == "darts" else _evaluations(evaluations or 8, space, dice)
            )
            write_csv(
                place / "history.csv",
                rows,
                (
                    "step",
                    "round",
                    "architecture",
                    "score",
                    "best",
                    "status",
                    "loss",
                    "entropy",
                    "parameter_free",
                    "inherited_accuracy",
                    "discrete_accuracy",
                    "chosen",
                ),
            )
            candidates = [
                {
                    "rank": 1,
                    "architecture": str(space.sample(dice)),
                    "score": 0.9,
                    "estimator": "short_training",
                    "status": "ok",
                }
            ]
            write_csv(place / "candidates.csv", candidates, ("rank", "architecture", "score", "estimator", "status"))
            seconds = made.seconds.get(name, 60.0)
            if strategy.kind == "darts":
                cost(place / "cost.json", "search", seconds)
            else:
                for shard in range(2):
                    cost(place / f"round-0/shard-{shard}.cost.json", "search", seconds / 2)
    write_json(
        folder / "search/budget.json",
        {"unit": "training multiply-accumulates for each image of the training set", "supernet_macs": 250_000,
         "candidate_macs": 61_234.5, "matched_to": "darts" if "darts" in told else None, "strategies": told},
    )  # fmt: skip
    cost(folder / "search/budget.cost.json", "search", 3.2)
    if measured_latency(config.search) is not None:
        _latencies(folder / "search", config, made, dice)


def _latencies(search: Path, config: Config, made: MadeUp, dice: random.Random) -> None:
    space = declared(filled(config.space))
    parts = blocks_of(space, config.retrain.network)
    write_costs(
        search / "blocks.csv", parts, Shape(1, 8, 10), {name: 0.01 + 0.1 * dice.random() for name in parts.names()}
    )
    networks = [
        {"architecture": str(space.sample(dice)), "predicted_ms": ms * (1 + error), "measured_ms": ms}
        for ms, error in ((2.5, made.latency_error), (1.25, -made.latency_error), (5.0, 0.0))
    ]
    validation = agreement(*([one[key] for one in networks] for key in ("predicted_ms", "measured_ms")))
    write_json(
        search / "latency.json",
        {"runtime": "onnxruntime", "batch": 1, "threads": 1, "device": "cpu (x86_64)", "load": [made.load, 0.1, 0.1],
         "processors": 2, "validation": {**validation, "networks": networks}},
    )  # fmt: skip


def _epochs(made: MadeUp, space: Any, dice: random.Random) -> list[dict[str, Any]]:
    epochs, largest = 20, math.log(len(space.operations))
    return [
        {
            "step": epoch,
            "architecture": str(space.sample(dice)),
            "score": 0.95 - 0.8 * math.exp(-epoch / 4) + dice.gauss(0, 0.006),
            "loss": 2 * math.exp(-epoch / 6),
            "entropy": largest + (made.entropy - largest) * epoch / epochs,
            "parameter_free": made.parameter_free if epoch > 14 else round(made.parameter_free * epoch / 14 * 6) / 6,
            "inherited_accuracy": 0.4,
            "discrete_accuracy": 0.7,
            "chosen": int(epoch == epochs),
        }
        for epoch in range(1, epochs + 1)
    ]


def _evaluations(number: int, space: Any, dice: random.Random) -> list[dict[str, Any]]:
    best, rows = NAN, []
    for step in range(1, number + 1):
        score = NAN if step == 3 else 0.86 + 0.08 * dice.random()
        best = score if math.isnan(best) else best if math.isnan(score) else max(best, score)
        status = "diverged" if math.isnan(score) else "ok"
        rows.append(
            {"step": step, "round": (step - 1) // 4, "architecture": str(space.sample(dice)), "score": score,
             "best": best, "status": status}
        )  # fmt: skip
    return rows


def _ranking(folder: Path, config: Config, made: MadeUp, dice: random.Random) -> list[dict[str, Any]]:
    space = declared(filled(config.space))
    entries, agreement = [], []
    for name, strategy in config.search.strategies.items():
        tau, low, high = made.tau or (NAN, NAN, NAN)
        note = (
            "few architectures: the interval is rough" if made.tau else "2 architectures are too few for a correlation"
        )
        estimator = "supernet" if strategy.kind == "darts" else "short_training"
        agreement.append(
            {"strategy": name, "estimator": estimator, "architectures": 5, "kendall_tau": tau, "low": low, "high": high,
             "p_value": 0.3 if made.tau else NAN, "note": note}
        )  # fmt: skip
        for seed in range(config.search.seeds):
            architecture: CellArchitecture = space.sample(dice)
            entries.append(
                {"entry": f"{name}-{seed}", "kind": "random" if strategy.kind == "random" else "searched",
                 "strategy": name, "search_seed": seed, "architecture": str(architecture), "score": 0.93 + seed / 1000}
            )  # fmt: skip
    columns = ("strategy", "estimator", "architectures", "kendall_tau", "low", "high", "p_value", "note")
    write_csv(folder / "ranking/agreement.csv", agreement, columns)
    _pool(folder / "ranking", config, made)
    written = [] if "all" in made.diverged else entries
    write_csv(
        folder / "ranking/winners.csv", written, ("entry", "kind", "strategy", "search_seed", "architecture", "score")
    )
    cost(folder / "ranking/seed-0-shard-0.cost.json", "ranking", 33.0)
    return entries


def _pool(folder: Path, config: Config, made: MadeUp) -> None:
    sampled = config.ranking.uniform
    compared, told, foretold = judged(sampled, "all" in made.diverged, score_name(config))
    write_csv(folder / "estimators.csv", compared, compare.COLUMNS)
    if sampled:
        write_csv(folder / "sufficiency.csv", foretold, calibrate.COLUMNS)
        write_json(folder / "calibration.json", told)


@cache
def judged(sampled: int, lost: bool, name: str, seeds: int = 2, **settings: Any) -> tuple[Any, Any, Any]:
    """What the ranking's own steps say of a made-up sample with four more architectures in the shortlist."""
    dice = random.Random(11)
    members = []
    for place in range(sampled + 4):
        worth = 0.95 + 0.01 * dice.gauss(0, 1)
        accuracies = tuple(NAN if lost else worth + 0.003 * dice.gauss(0, 1) for _ in range(seeds))
        counts = (50_000 + round(1e5 * dice.random()), 400_000 + round(1e6 * dice.random()))
        scores = {name: worth + 0.01 * dice.gauss(0, 1)}
        members.append(Member(f"a{place}", place < sampled, place >= sampled - 1, accuracies, *counts, scores))
    given = {"seed": 0, "estimator": name, "shortlist": 3, "tolerance": 0.005, "most": 10, **settings}
    told, foretold = calibrate.calibrate(members[:sampled], 24, CalibrationSettings(**given))
    return compare.compare(members, [name], 5), told, foretold


def _retraining(folder: Path, config: Config, made: MadeUp, entries: list[dict[str, Any]], dice: random.Random) -> None:
    everything = [*entries]
    everything += [
        {
            "entry": f"uniform-{seed}",
            "kind": "uniform",
            "strategy": "uniform",
            "architecture": entries[0]["architecture"],
        }
        for seed in range(config.search.seeds)
        if config.retrain.uniform
    ]
    everything += [
        {"entry": name, "kind": "baseline", "strategy": "", "architecture": ""} for name in config.retrain.baselines
    ]
    retrained, summary = [], []
    accuracies: dict[str, list[float]] = {}
    for place, entry in enumerate(everything):
        name = entry["entry"]
        key = entry["strategy"] or name
        parameters, macs = BASELINES.get(name, (70_000 + 9_000 * place, 800_000 + 170_000 * place))
        lost = name in made.diverged or "all" in made.diverged
        mean = made.means.get(key, USUAL.get(key, 0.96))
        own = [NAN if lost else mean + made.spread * dice.gauss(0, 1) for _ in range(config.retrain.seeds)]
        accuracies[name] = own
        for seed, accuracy in enumerate(own):
            valid = accuracy - 0.003 if made.valid_known else NAN
            retrained.append(
                {"entry": name, "kind": entry["kind"], "seed": seed, "status": "diverged" if lost else "ok",
                 "architecture": entry["architecture"], "parameters": parameters, "macs": macs, "valid_accuracy": valid,
                 "test_accuracy": accuracy, "test_loss": 0.1, "test_images": 360, "train_seconds": 21.0 + place}
            )  # fmt: skip
            place_of = folder / f"retraining/{name}-s{seed}"
            tested = None if lost else {"name": "test_images.npy", "sha256": "cd" * 32}
            write_json(place_of / "metrics.json", {"entry": name, "seed": seed, "test_file": tested})
            cost(place_of / "cost.json", "retraining", 25.0 + place)
        mean, low, high, std = _interval(own)
        summary.append(
            {**{column: entry[column] for column in ("entry", "kind", "strategy", "architecture")},
             "parameters": parameters, "macs": macs, "trainings": 0 if lost else len(own),
             "diverged": len(own) if lost else 0,
             "valid_mean": mean - 0.003 if made.valid_known else NAN, "test_mean": mean, "test_std": std,
             "test_low": low, "test_high": high, "train_seconds": NAN if lost else 21.0 + place}
        )  # fmt: skip
    write_csv(folder / "retraining/contests.csv", contests(retrained), CONTESTS)
    columns = ("entry", "kind", "seed", "status", "architecture", "parameters", "macs", "valid_accuracy",
               "test_accuracy", "test_loss", "test_images", "train_seconds")  # fmt: skip
    write_csv(folder / "retraining/retrained.csv", retrained, columns)
    columns = ("entry", "kind", "strategy", "architecture", "parameters", "macs", "trainings", "diverged", "valid_mean",
               "test_mean", "test_std", "test_low", "test_high", "train_seconds")  # fmt: skip
    write_csv(folder / "retraining/summary.csv", summary, columns)
    columns = (
        "entry",
        "strategy",
        "against",
        "role",
        "pairs",
        "difference",
        "low",
        "high",
        "p_value",
        "p_holm",
        "note",
    )
    write_csv(folder / "retraining/comparisons.csv", _comparisons(everything, accuracies), columns)


def _comparisons(entries: list[dict[str, Any]], accuracies: dict[str, list[float]]) -> list[dict[str, Any]]:
    rows = []
    for one in entries:
        for other in entries:
            if one["kind"] != "searched" or other["kind"] == "searched":
                continue
            pairs = zip(accuracies[one["entry"]], accuracies[other["entry"]], strict=True)
            own = [a - b for a, b in pairs if not math.isnan(a - b)]
            row = {"entry": one["entry"], "strategy": one["strategy"], "against": other["entry"], "role": other["kind"],
                   "pairs": len(own), "difference": sum(own) / len(own) if own else NAN}  # fmt: skip
            if len(own) < 3:
                row["note"] = f"{len(own)} of the 3 seeds that a claim needs" if own else "no pair of sound trainings"
            else:
                _, low, high, _ = _interval(own)
                row |= {"low": low, "high": high, "p_value": float(stats.ttest_1samp(own, 0).pvalue)}
            rows.append(row)
    known = sorted((row for row in rows if "p_value" in row), key=lambda row: row["p_value"])
    largest = 0.0
    for place, row in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - place) * row["p_value"]))
        row["p_holm"] = largest
    return rows


def _interval(values: list[float]) -> tuple[float, float, float, float]:
    """Mean, low, high and standard deviation; NaN where they cannot be had."""
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return NAN, NAN, NAN, NAN
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, NAN, NAN, NAN
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * std / math.sqrt(len(values))
    return mean, mean - half, mean + half, std


def _scaling(folder: Path, config: Config, entries: list[dict[str, Any]]) -> None:
    chosen = {"architecture": entries[0]["architecture"], "depth": 1.2, "width": 1.1, "resolution": 1.15,
              "product": 1.92, "macs_ratio": 2.04, "score": 0.951, "tried": 5,
              "why": "highest validation accuracy of 5 triples after a short training at phi = 1"}  # fmt: skip
    write_json(folder / "scaling/chosen.json", chosen)
    rows = []
    for phi in range(config.scaling.members):
        macs = round(800_000 * 1.96**phi)
        row = {"member": f"B{phi}", "phi": phi, "depth": 1.2**phi, "width": 1.1**phi, "resolution": 1.15**phi,
               "cells": 5 + phi, "channels": 8 + 4 * (phi // 2), "side": round(8 * 1.15**phi),
               "parameters": 70_000 * 2**phi, "macs": macs, "within_budget": "no", "trainings": 0,
               "test_mean": NAN, "test_std": NAN, "test_low": NAN, "test_high": NAN,
               "status": "over budget"}  # fmt: skip
        if macs <= config.scaling.mac_budget:
            mean = 0.962 + 0.004 * phi
            row |= {"within_budget": "yes", "trainings": 2, "test_mean": mean, "test_std": 0.002,
                    "test_low": mean - 0.006, "test_high": mean + 0.006, "status": "ok"}  # fmt: skip
        rows.append(row)
    columns = ("member", "phi", "depth", "width", "resolution", "cells", "channels", "side", "parameters", "macs",
               "within_budget", "trainings", "test_mean", "test_std", "test_low", "test_high", "status")  # fmt: skip
    write_csv(folder / "scaling/family.csv", rows, columns)
    cost(folder / "scaling/grid-0.cost.json", "scaling", 7300.0)


def _factorial(folder: Path, config: Config, made: MadeUp, dice: random.Random) -> None:
    wanted = config.scaling.factorial
    of_base = {"searched": made.of_search, "random": 0.0, "hand_designed": made.of_search / 2}
    of_way = {"none": 0.0, "compound": made.of_scaling}
    trainings, designs = [], []
    for base in wanted.bases:
        for way in wanted.scalings:
            for seed in range(wanted.seeds):
                accuracy = 0.9 + of_base[base] + of_way.get(way, made.of_scaling / 2) + dice.gauss(0, made.spread)
                head = {"entry": f"{base}-{way}", "seed": seed, "status": "ok"}
                trainings.append({**head, "test_accuracy": accuracy, "train_seconds": 20.0})
                mismatch = 0.08 if (base, way) == ("random", "depth") else 0.001
                designs.append({"base": base, "scaling": way, "architecture": f"{base} {seed}", "parameters": "70000",
                                "macs": "800000", "target_macs": "800000", "mismatch": str(mismatch)})  # fmt: skip
    write_csv(folder / "scaling/factorial.csv", gather_cells(designs, trainings), CELLS)
    write_csv(folder / "scaling/effects.csv", effects(wanted.bases, wanted.scalings, trainings), EFFECTS)


def _export(folder: Path, entries: list[dict[str, Any]]) -> None:
    rows, measured = [], []
    for entry in entries:
        name = entry["entry"]
        rows.append(
            {"name": name, "file": f"{name}/model.onnx", "kind": entry["kind"], "status": "ok", "seed": 0,
             "parameters": 70_000, "macs": 800_000, "bytes": 301_234, "images": 256, "largest_difference": 2.4e-6,
             "top1_agreement": 1.0, "test_accuracy": 0.962, "opset": 18, "int8_status": "ok",
             "int8_file": f"{name}/model_int8.onnx", "int8_bytes": 101_234, "int8_valid_loss": 0.0,
             "int8_test_accuracy": 0.958, "int8_test_loss": 0.004, "int8_test_loss_low": -0.001,
             "int8_test_loss_high": 0.009}
        )  # fmt: skip
        for precision, file, latency in (("float32", "model.onnx", 0.1), ("int8", "model_int8.onnx", 0.125)):
            measured.append(
                {"name": name, "file": f"{name}/{file}", "precision": precision, "bytes": 301_234, "threads": 1,
                 "repeats_1": 20, "latency_1_ms": latency, "latency_1_p25_ms": 0.09, "latency_1_p75_ms": 0.13,
                 "repeats_32": 20, "latency_32_ms": 2.0, "latency_32_p25_ms": 1.9, "latency_32_p75_ms": 2.3,
                 "memory_idle_mb": 49.5, "memory_1_mb": 61.2, "memory_32_mb": 72.0}
            )  # fmt: skip
            write_text(folder / f"export/{name}/{file}", "not really a network")
    rows.append({"name": "resnet20", "file": "", "kind": "baseline", "status": "diverged"})
    write_csv(folder / "export/exports.csv", rows, EXPORTS)
    write_csv(folder / "export/performance.csv", measured, PERFORMANCE)
    cost(folder / "export/cost.json", "export", 12.0)


def results_of(config: Config, *given: Any, **more: Any) -> Results:
    """Results without files."""
    return Results(config, *given, space=declared(filled(config.space)), **more)
