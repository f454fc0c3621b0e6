"""A made-up results tree that follows docs/reference/reading_results.md: every figure in it is invented."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from scipy import stats
from stepping import run, settings_files

from nas_steps.config.derive import score_name
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency, needs_costs
from nas_steps.config.space import filled
from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.models.latency import agreement
from nas_steps.provenance.files import read_csv, write_csv, write_json, write_text
from nas_steps.provenance.settings import read_settings
from nas_steps.ranking import calibrate
from nas_steps.ranking import compare as comparing
from nas_steps.ranking.pool import Member
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.report.results import Results, load_results
from nas_steps.report.settings import ReportSettings
from nas_steps.retraining.contests import CONTESTS, contests
from nas_steps.retraining.names import rival_names
from nas_steps.retraining.recommend import BY_RANKING, BY_VALID, RULES
from nas_steps.retraining.summary import BY_METRIC, COMPARISONS, RETRAINED, SUMMARY, compare
from nas_steps.scaling.effects import EFFECTS, effects
from nas_steps.scaling.factorial import CELLS, gather_cells
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, write_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.baselines import baseline
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language

NAN = math.nan
CHANCE = 0.1
#: tokens that a language model sees at once
CONTEXT = 256
OPPONENTS = ("strategy", "search_seed", "random", "entry", "evaluations", "of", "cost", "random_cost", "matched",
             "seconds", "random_seconds", "note")  # fmt: skip
SEARCH_COSTS = ("strategy", "search_seed", "training_macs", "evaluations", "search_seconds", "ranking_seconds", "note")
RECIPES = ("recipe", "entry", "kind", "strategy", "trainings", "diverged", "test_mean", "test_std", "test_low",
           "test_high")  # fmt: skip
BASELINES = {"resnet20": (272_474, 2_550_000), "mobilenet_v2_x0.5": (701_000, 1_100_000)}
#: evaluations and training MACs per image of one search
BUDGETS = {"random": (24, 3.1e7), "evolution": (16, 2.1e7), "nsga2": (16, 2.1e7), "darts": (None, 3.0e7)}
#: mean test accuracy of each kind, where nothing else is said
USUAL = {
    "random": 0.962,
    "evolution": 0.964,
    "darts": 0.961,
    "uniform": 0.955,
    "resnet20": 0.968,
    "mobilenet_v2_x0.5": 0.949,
}
#: an experiment on text, and minus the bits per byte of its networks
OF_TEXT: dict[str, Any] = {
    "data": {"source": "stdlib", "context": 256},
    "space": {"preset": "language_small"},
    "search": {"strategies": {"random": {}, "evolution": {}}, "estimator": {"compute": 5e11}},
    "ranking": {"recipe": {"compute": 1e12}},
    "retrain": {"recipe": {"compute": 1.2e12, "learning_rates": [1e-3, 3e-3]}, "seeds": 3},
}
USUAL_BITS = {"random": -1.902, "evolution": -1.89, "uniform": -1.971, "gpt2": -1.96, "llama": -1.905,
              "primer_ez": -1.93, "nanogpt_speedrun": -1.911}  # fmt: skip


@dataclass
class MadeUp:
    """What the invented experiment is to show. `means` are test accuracies by strategy or baseline."""

    config: dict[str, Any] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.001  # of trainings of one network
    between: float = 0.001  # of the networks of one strategy
    searches: int = 4  # where the config does not say
    diverged: Sequence[str] = ()  # entries none of whose trainings ended; "all" for every one
    failed: Mapping[str, int] = field(default_factory=dict)  # by entry, how many of its trainings diverged
    by_chance: Mapping[str, int] = field(default_factory=dict)  # by entry, how many ended at chance level
    recipes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # means under further recipes
    matched: bool = True  # random search had each strategy's own budget
    nothing_to_recommend: bool = False
    parameter_free: float = 0.5
    entropy: float = 1.2
    seconds: Mapping[str, float] = field(default_factory=dict)  # of one search by strategy
    classes: Sequence[str] = tuple("0123456789")
    valid_known: bool = True
    tau: tuple[float, float, float] | None = (0.41, -0.2, 0.81)
    scaled: bool = True
    #: what search is worth over random, and compound scaling over none, where the config asks for a factorial
    of_search: float = 0.02
    #: language models: all accuracies are minus bits per byte
    text: bool = False
    documents: int = 41  # of the test part
    of_scaling: float = 0.03
    #: of predicted latencies, and the load of the machine with two processors, where the config limits them
    latency_error: float = 0.02
    load: float = 0.5

    @property
    def usual(self) -> Mapping[str, float]:
        return USUAL_BITS if self.text else USUAL

    def figure(self, accuracy: float) -> float:
        """An accuracy as it is, or minus the bits per byte in its place."""
        return accuracy - 2.89 if self.text else accuracy

    @property
    def chance(self) -> float:
        return -8.0 if self.text else CHANCE

    def validated(self) -> Config:
        config = {**(OF_TEXT if self.text else {}), **self.config}
        search = {"seeds": self.searches, **config.get("search", {})}
        given = {**config, "search": search}
        if self.recipes:
            recipes = {name: {"epochs": 100 + number} for number, name in enumerate(self.recipes)}
            given["retrain"] = {**config.get("retrain", {}), "recipes": recipes}
        return Config.model_validate(given)


def write(folder: Path, made: MadeUp) -> tuple[Path, Path]:
    """Write the tree, prepared data beside it; return its folder and the report's settings file."""
    config = made.validated()
    folder = folder / "results" / config.experiment
    settings = settings_files(config, folder.parent)["report"]
    dice = random.Random(7)
    if not in_table(config):
        (_text if made.text else _data)(folder.parent / "data", config, made)
    _searches(folder, config, made, dice)
    entries = _ranking(folder, config, made, dice)
    _retraining(folder, config, made, entries, dice)
    if in_table(config):
        return folder, Path(settings)
    if made.scaled and not made.text:
        _scaling(folder, config, entries)
    if config.scaling.factorial.enabled:
        _factorial(folder, config, made, dice)
    _export(folder, entries, made)
    return folder, Path(settings)


def report(folder: Path, settings: Path) -> None:
    """Write the report of the tree."""
    data = folder.parent / "data"
    run("report", settings=settings, data=data if data.is_dir() else None, output=folder / "report")


def in_table(config: Config) -> bool:
    return config.search.estimator.kind == "table"


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
    generator = np.random.default_rng(3)
    for split, each in (("valid", 36), ("test", 36)):
        images = generator.integers(0, 256, (each * len(made.classes), 1, 8, 8), dtype=np.uint8)
        np.save(data / f"{split}_images.npy", images)
        np.save(data / f"{split}_labels.npy", np.repeat(np.arange(len(made.classes)), each))
    cost(data / "cost.json", "data", 2.5)


def _text(data: Path, config: Config, made: MadeUp) -> None:
    sizes = {"train": (520, 9_400_000), "valid": (66, 1_170_000), "test": (made.documents, 1_180_000)}
    parts = {
        part: {"documents": documents, "bytes": size, "tokens": size + documents}
        for part, (documents, size) in sizes.items()
    }
    names = [f"{part}_{kind}" for part in parts for kind in ("tokens.npy", "documents.csv")]
    meta = {
        "source": config.data.source,
        "seed": 0,
        "tokens": "bytes",
        "vocabulary": 256,
        "context": CONTEXT,
        "own_parts": [],
        "read": {"documents": 640, "bytes": 11_800_000, "empty": 9, "fingerprint": "ef" * 8, "python": "3.11.7"},
        "copies": {"left_out": 3, "groups": 2, "files": []},
        "almost_the_same": {"documents": 8, "groups": 4, "files": []},
        "across_parts": {},
        "parts": parts,
        "checksums": {name: f"{place:064x}" for place, name in enumerate(names, start=11)},
        "content": "ab" * 32,
    }
    write_json(data / "meta.json", meta)
    cost(data / "cost.json", "data", 2.5)


def _searches(folder: Path, config: Config, made: MadeUp, dice: random.Random) -> None:
    space = declared(filled(config.space))
    told = {}
    for name, strategy in config.search.strategies.items():
        evaluations, macs = BUDGETS[strategy.kind]
        told[name] = {
            "kind": strategy.kind,
            "evaluations": evaluations,
            "training_macs": macs,
            "relative": macs / 3.1e7,
        }
        for seed in range(config.search.seeds):
            place = folder / f"search/{name}-{seed}"
            rows = (
                _epochs(made, space, dice)
                if strategy.kind == "darts"
                else _evaluations(made, evaluations or 8, space, dice)
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
                    "score": made.figure(0.9),
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
         "candidate_macs": 61_234.5, "matched_to": "darts" if "darts" in told else None, "strategies": told,
         "table": {"architectures": 100, "report_of_best_search": 0.94, "best_report": 0.95, "mean_report": 0.9}},
    )  # fmt: skip
    cost(folder / "search/budget.cost.json", "search", 3.2)
    if needs_costs(config.search):
        _latencies(folder / "search", config, made, dice)


def _latencies(search: Path, config: Config, made: MadeUp, dice: random.Random) -> None:
    space = declared(filled(config.space))
    parts = blocks_of(space, config.retrain.network)
    write_costs(
        search / "blocks.csv", parts, Shape(1, 8, 10), {name: 0.01 + 0.1 * dice.random() for name in parts.names()}
    )
    if measured_latency(config.search) is None:
        return
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


def _evaluations(made: MadeUp, number: int, space: Any, dice: random.Random) -> list[dict[str, Any]]:
    best, rows = NAN, []
    for step in range(1, number + 1):
        score = NAN if step == 3 else made.figure(0.86 + 0.08 * dice.random())
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
            architecture = space.sample(dice)
            entries.append(
                {"entry": f"{name}-{seed}", "kind": "random" if strategy.kind == "random" else "searched",
                 "strategy": name, "search_seed": seed, "architecture": str(architecture),
                 "score": made.figure(0.93 + seed / 1000)}
            )  # fmt: skip
    columns = ("strategy", "estimator", "architectures", "kendall_tau", "low", "high", "p_value", "note")
    write_csv(folder / "ranking/agreement.csv", agreement, columns)
    if not in_table(config):
        _pool(folder / "ranking", config, made)
    opponents = _opponents(config, made)
    entries += [
        {"entry": name, "kind": "random", "strategy": name.partition(".")[0], "search_seed": name.rpartition("-")[2],
         "architecture": str(space.sample(dice)), "score": made.figure(0.93)}
        for name in sorted({row["entry"] for row in opponents if "." in row["entry"]})
    ]  # fmt: skip
    write_csv(folder / "ranking/opponents.csv", opponents, OPPONENTS)
    spent = [
        {"strategy": name, "search_seed": seed, "training_macs": BUDGETS[strategy.kind][1],
         "evaluations": BUDGETS[strategy.kind][0] or "", "search_seconds": made.seconds.get(name, 60.0),
         "ranking_seconds": 12.5, "note": ""}
        for name, strategy in config.search.strategies.items()
        for seed in range(config.search.seeds)
    ]  # fmt: skip
    write_csv(folder / "ranking/search_costs.csv", spent, SEARCH_COSTS)
    written = [] if "all" in made.diverged else entries
    write_csv(
        folder / "ranking/winners.csv", written, ("entry", "kind", "strategy", "search_seed", "architecture", "score")
    )
    cost(folder / "ranking/seed-0-shard-0.cost.json", "ranking", 33.0)
    return entries


def _opponents(config: Config, made: MadeUp) -> list[dict[str, Any]]:
    """Random search within each search's budget: DARTS meets all of it, others its first 16 evaluations."""
    kinds = {name: strategy.kind for name, strategy in config.search.strategies.items()}
    of, whole = BUDGETS["random"]
    rows = []
    for name, kind in kinds.items():
        for random_name in (one for one, other in kinds.items() if other == "random" and kind != "random"):
            for seed in range(config.search.seeds):
                evaluations = of if kind == "darts" else BUDGETS[kind][0]
                # of odd seeds the first 16 evaluations hold the same winner
                other = kind != "darts" and seed % 2 == 0 and not in_table(config)
                wanted, had = BUDGETS[kind][1] * (1 if made.matched else 2.5), whole * (evaluations or 0) / (of or 1)
                rows.append(
                    {"strategy": name, "search_seed": seed, "random": random_name,
                     "entry": f"{random_name}{'.2' if other else ''}-{seed}", "evaluations": evaluations, "of": of,
                     "cost": wanted, "random_cost": had, "matched": int(made.matched),
                     "seconds": made.seconds.get(name, 60.0) + 12.5,
                     "random_seconds": made.seconds.get(random_name, 60.0) * (evaluations or 0) / (of or 1) + 12.5,
                     "note": "" if made.matched else "random search ended before"}
                )  # fmt: skip
    return rows


def _pool(folder: Path, config: Config, made: MadeUp) -> None:
    sampled = config.ranking.uniform
    compared, told, foretold = judged(sampled, "all" in made.diverged, score_name(config), middle=made.figure(0.95))
    write_csv(folder / "estimators.csv", compared, comparing.COLUMNS)
    if sampled:
        write_csv(folder / "sufficiency.csv", foretold, calibrate.COLUMNS)
        write_json(folder / "calibration.json", told)


@cache
def judged(
    sampled: int, lost: bool, name: str, seeds: int = 2, middle: float = 0.95, **settings: Any
) -> tuple[Any, Any, Any]:
    """What the ranking's own steps say of a made-up sample with four more architectures in the shortlist."""
    dice = random.Random(11)
    members = []
    for place in range(sampled + 4):
        worth = middle + 0.01 * dice.gauss(0, 1)
        accuracies = tuple(NAN if lost else worth + 0.003 * dice.gauss(0, 1) for _ in range(seeds))
        counts = (50_000 + round(1e5 * dice.random()), 400_000 + round(1e6 * dice.random()))
        scores = {name: worth + 0.01 * dice.gauss(0, 1)}
        members.append(Member(f"a{place}", place < sampled, place >= sampled - 1, accuracies, *counts, scores))
    given = {"seed": 0, "estimator": name, "shortlist": 3, "tolerance": 0.005, "most": 10, **settings}
    told, foretold = calibrate.calibrate(members[:sampled], 24, CalibrationSettings(**given))
    return comparing.compare(members, [name], 5), told, foretold


def _retraining(folder: Path, config: Config, made: MadeUp, entries: list[dict[str, Any]], dice: random.Random) -> None:
    everything = [*entries]
    wanted = 0 if in_table(config) else config.retrain.uniform
    everything += [
        {"entry": f"uniform-{place}", "kind": "uniform", "strategy": "uniform",
         "architecture": entries[0]["architecture"]}
        for place in range(8 if wanted is True else int(wanted))
    ]  # fmt: skip
    everything += [
        {"entry": name, "kind": "baseline", "strategy": "", "architecture": _designed(made, name)}
        for name in ([] if in_table(config) else config.retrain.baselines)
    ]
    everything += _rivals(config, entries)
    seeds = 1 if in_table(config) else config.retrain.seeds
    for place, entry in enumerate(everything):
        parameters, macs = BASELINES.get(entry["entry"], (70_000 + 9_000 * place, 800_000 + 170_000 * place))
        if made.text:
            parameters, macs = count_architecture(parse_language(entry["architecture"]), CONTEXT)
        entry |= {"parameters": parameters, "macs": macs, "train_seconds": 21.0 + place}
    trained = _trained(made, made.means, everything, seeds, dice)
    retrained = _records(made, everything, trained)
    for place, entry in enumerate([] if in_table(config) else everything):
        name = entry["entry"]
        for seed, accuracy in enumerate(trained[name]):
            lost = math.isnan(accuracy)
            place_of = folder / f"retraining/{name}-s{seed}"
            file = "test_tokens.npy" if made.text else "test_images.npy"
            tested = None if lost else {"name": file, "sha256": "cd" * 32}
            write_json(place_of / "metrics.json", {"entry": name, "seed": seed, "test_file": tested})
            cost(place_of / "cost.json", "retraining", 25.0 + place)
            if made.text:
                _parts(place_of / "history.csv", accuracy, entry["train_seconds"])
            else:
                _predictions(place_of / "predictions.safetensors", made, accuracy, config.retrain.train_on == "train")
    summary = [_summarised(made, entry, trained[entry["entry"]]) for entry in everything]
    rivals = read_csv(folder / "ranking/opponents.csv")
    columns = (*RETRAINED, *BY_METRIC) if made.text else RETRAINED
    write_csv(folder / "retraining/retrained.csv", [{key: one[key] for key in columns} for one in retrained], columns)
    write_csv(folder / "retraining/summary.csv", summary, SUMMARY)
    write_csv(
        folder / "retraining/comparisons.csv", [] if in_table(config) else compare(retrained, rivals), COMPARISONS
    )
    write_csv(folder / "retraining/contests.csv", contests(retrained, rivals), CONTESTS)
    if made.recipes:
        _recipes(folder, made, everything, seeds, trained, dice)
    _recommended(folder, made, summary)


def _designed(made: MadeUp, name: str) -> str:
    """The architecture of a hand-designed language model; empty for images."""
    return str(baseline(name, depth=4, width=128, vocabulary=256, positions=CONTEXT)) if made.text else ""


def _rivals(config: Config, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries that pretrained weights bring; the first searched one is the best ranked winner."""
    if config.weights.source == "none":
        return []
    space = declared(filled(config.space))
    winner = next(entry["architecture"] for entry in entries if entry["kind"] == "searched")
    whole = str(space.largest(strict=False))
    return [
        {"entry": name, "kind": kind, "strategy": "", "architecture": winner if kind == "from_nothing" else whole}
        for name, kind in rival_names(space.resolution).items()
    ]


def weights_config(folder: Path, **given: Any) -> dict[str, Any]:
    """A config of slices of the network in a file, which is looked at but not read."""
    (folder / "weights.pth").write_bytes(b"tensors")
    return {
        "data": {"source": "digits", "channels": 3, "resolution": 16},
        "space": {"preset": "mobile_small", "resolution": [8, 16]},
        "weights": str(folder / "weights.pth"),
        "search": {"strategies": {"random": {}, "evolution": {}}},
        "scaling": {"enabled": False},
        **given,
    }


def _records(made: MadeUp, entries: list[dict[str, Any]], trained: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """The records of final trainings, as metrics.json has them."""
    return [
        {**{key: entry[key] for key in ("entry", "kind", "strategy", "architecture", "parameters", "macs")},
         "seed": seed, "status": "diverged" if math.isnan(accuracy) else "ok",
         "valid_accuracy": accuracy - 0.003 if made.valid_known else NAN, "test_accuracy": accuracy, "test_loss": 0.1,
         "test_images": 0 if made.text else 360, "train_seconds": entry["train_seconds"], "chance_level": made.chance}
        | _bits(made, accuracy)
        for entry in entries
        for seed, accuracy in enumerate(trained[entry["entry"]])
    ]  # fmt: skip


def _bits(made: MadeUp, bits: float) -> dict[str, Any]:
    """What the record of a language model's training has besides."""
    if not made.text:
        return {}
    valid = bits - 0.003 if made.valid_known else NAN
    metric = {"metric": "neg_bits_per_byte", "valid_metric": valid, "test_metric": bits}
    return {**metric, "valid_accuracy": 0.55, "test_accuracy": 0.56}


def _trained(
    made: MadeUp, means: Mapping[str, float], entries: list[dict[str, Any]], seeds: int, dice: random.Random
) -> dict[str, list[float]]:
    """Draw test accuracies by entry: NaN for a training that diverged."""
    accuracies = {}
    for entry in entries:
        name, key = entry["entry"], entry["strategy"] or entry["entry"]
        lost = name in made.diverged or "all" in made.diverged
        mean = means.get(key, made.means.get(key, made.usual.get(key, made.figure(0.96)))) + made.between * dice.gauss(
            0, 1
        )
        own = [NAN if lost else mean + made.spread * dice.gauss(0, 1) for _ in range(seeds)]
        for place in range(made.failed.get(name, 0)):
            own[place] = NAN
        for place in range(made.by_chance.get(name, 0)):
            own[place] = made.chance + 0.003
        accuracies[name] = own
    return accuracies


def _predictions(path: Path, made: MadeUp, accuracy: float, judged: bool) -> None:
    """Write predictions that have about the accuracy: every so many images of a class are taken for the next class."""
    if math.isnan(accuracy):
        return save_file({}, path)
    tensors = {}
    for split in ("valid", "test") if judged else ("test",):
        labels = np.repeat(np.arange(len(made.classes)), 36)
        wrong = np.zeros(len(labels), bool)
        count = round((1 - accuracy) * len(labels))
        wrong[np.random.default_rng(5).permutation(len(labels))[:count]] = True
        tensors[split] = np.where(wrong, (labels + 1) % len(made.classes), labels).astype(np.int64)
        tensors[f"{split}_confidence"] = np.where(wrong, 0.7, 0.99).astype(np.float32)
    return save_file(tensors, path)


def _parts(path: Path, figure: float, seconds: float) -> None:
    """Write how the training of a language model went, in four equal parts."""
    rows = [
        {"epoch": part, "seconds": seconds / 4, "tokens": 250_000 * part, "valid_metric": figure - 0.1 * (4 - part)}
        for part in range(1, 5)
    ]
    write_csv(path, rows, ("epoch", "seconds", "tokens", "valid_metric"))


def _summarised(made: MadeUp, entry: Mapping[str, Any], own: list[float]) -> dict[str, Any]:
    mean, low, high, std = _interval(own)
    sound = [value for value in own if not math.isnan(value)]
    return {
        **{key: entry[key] for key in ("entry", "kind", "strategy", "architecture", "parameters", "macs")},
        "trainings": len(sound),
        "diverged": len(own) - len(sound),
        "chance": sum(value < made.chance + 0.05 for value in sound),
        "valid_mean": mean - 0.003 if made.valid_known else NAN,
        **{"test_mean": mean, "test_std": std, "test_low": low, "test_high": high},
        "train_seconds": entry["train_seconds"] if sound else NAN,
        "note": "",
    }


def _recipes(
    folder: Path, made: MadeUp, entries: list[dict[str, Any]], seeds: int, trained: Mapping[str, list[float]],
    dice: random.Random,
) -> None:  # fmt: skip
    by_recipe = {"main": trained}
    by_recipe |= {name: _trained(made, means, entries, seeds, dice) for name, means in made.recipes.items()}
    rows, judged_by, agreement = [], [], []
    rivals = read_csv(folder / "ranking/opponents.csv")
    for recipe, accuracies in by_recipe.items():
        for entry in entries:
            row = _summarised(made, entry, accuracies[entry["entry"]])
            rows.append({"recipe": recipe, **{key: row[key] for key in RECIPES[1:]}})
        judged_by += [{"recipe": recipe, **row} for row in contests(_records(made, entries, accuracies), rivals)]
    names = [entry["entry"] for entry in entries]
    for recipe in made.recipes:
        means = [[_mean(_sound(by_recipe[one][name])) for name in names] for one in ("main", recipe)]
        tau = stats.kendalltau(*means)
        agreement.append(
            {"recipe": "main", "other": recipe, "entries": len(names), "kendall_tau": float(tau.statistic),
             "low": float(tau.statistic) - 0.2, "high": float(tau.statistic) + 0.2, "p_value": float(tau.pvalue),
             "note": ""}
        )  # fmt: skip
    write_csv(folder / "retraining/recipes.csv", rows, RECIPES)
    write_csv(folder / "retraining/recipe_contests.csv", judged_by, ("recipe", *CONTESTS))
    write_csv(folder / "retraining/recipe_agreement.csv", agreement, tuple(agreement[0]))


def _recommended(folder: Path, made: MadeUp, summary: list[dict[str, Any]]) -> None:
    known = [row for row in summary if not math.isnan(row["test_mean"])]
    if not known or made.nothing_to_recommend:
        write_json(folder / "recommended.json", {"entry": None, "reason": "no training ended", "alternatives": []})
        return
    ordered = sorted(known, key=lambda row: -row["test_mean"])
    taken, behind = ordered[min(1, len(ordered) - 1)], ordered[0]

    def told(row: Mapping[str, Any]) -> dict[str, Any]:
        name = row["entry"]
        return {
            **{key: row[key] for key in ("entry", "kind", "strategy", "architecture", "parameters", "macs")},
            **{"seed": 0, "file": f"export/{name}/model.onnx", "valid_accuracy": row["valid_mean"]},
            "sound": row["trainings"],
            **{"test_accuracy": row["test_mean"], "test_low": row["test_low"], "test_high": row["test_high"]},
        }

    alternatives = [{"role": "more accurate", **told(behind)}] if behind is not taken else []
    smaller = [row for row in known if row["macs"] < taken["macs"]]
    alternatives += [{"role": "smaller", **told(max(smaller, key=lambda row: row["test_mean"]))}] if smaller else []
    names = [taken["entry"], *(one["entry"] for one in alternatives)]
    judged_by = BY_VALID if made.valid_known else BY_RANKING
    best = {"entry": behind["entry"], "difference": 0.001, "low": -0.004, "high": 0.006}
    write_json(
        folder / "recommended.json",
        {**told(taken), "rule": RULES[judged_by], "judged_by": judged_by,
         "behind_best": best if behind is not taken and made.valid_known else None, "alternatives": alternatives,
         "considered": [row["entry"] for row in known], "export": list(dict.fromkeys(names))},
    )  # fmt: skip


def _sound(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NAN


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


def _export(folder: Path, entries: list[dict[str, Any]], made: MadeUp) -> None:
    rows, measured = [], []
    kinds = [("float32", "model.onnx", 0.1), ("int8", "model_int8.onnx", 0.125)][: 1 if made.text else 2]
    for entry in entries:
        name = entry["entry"]
        rows.append(
            {"name": name, "file": f"{name}/model.onnx", "kind": entry["kind"], "status": "ok", "seed": 0,
             "parameters": 70_000, "macs": 800_000, "bytes": 301_234, "images": 256, "largest_difference": 2.4e-6,
             "top1_agreement": 1.0, "test_accuracy": 0.962, "opset": 18}
            | (int8_of(name) if kinds[1:] else {})
        )  # fmt: skip
        for precision, file, latency in kinds:
            measured.append(
                {"name": name, "file": f"{name}/{file}", "precision": precision, "bytes": 301_234, "threads": 1,
                 "repeats_1": 20, "latency_1_ms": latency, "latency_1_p25_ms": 0.09, "latency_1_p75_ms": 0.13,
                 "repeats_32": 20, "latency_32_ms": 2.0, "latency_32_p25_ms": 1.9, "latency_32_p75_ms": 2.3,
                 "memory_idle_mb": 49.5, "memory_1_mb": 61.2, "memory_32_mb": 72.0}
            )  # fmt: skip
            write_text(folder / f"export/{name}/{file}", "not really a network")
    lost = "gpt2" if made.text else "resnet20"
    rows.append({"name": lost, "file": "", "kind": "baseline", "status": "diverged"})
    write_csv(folder / "export/exports.csv", rows, EXPORTS)
    write_csv(folder / "export/performance.csv", measured, PERFORMANCE)
    cost(folder / "export/cost.json", "export", 12.0)


def int8_of(name: str) -> dict[str, Any]:
    """What the INT8 file adds to the row of an exported network."""
    return {
        "int8_status": "ok", "int8_file": f"{name}/model_int8.onnx", "int8_bytes": 101_234, "int8_valid_loss": 0.0,
        "int8_test_accuracy": 0.958, "int8_test_loss": 0.004, "int8_test_loss_low": -0.001,
        "int8_test_loss_high": 0.009,
    }  # fmt: skip


def loaded(made: MadeUp) -> Results:
    """The results of a made-up tree, as the report reads them."""
    with TemporaryDirectory() as place:
        folder, settings = write(Path(place), made)
        data = folder.parent / "data"
        return load_results(read_settings(settings, ReportSettings), folder, data if data.is_dir() else None)


def results_of(config: Config, *given: Any, **more: Any) -> Results:
    """Results without files."""
    return Results(config, *given, space=declared(filled(config.space)), **more)
