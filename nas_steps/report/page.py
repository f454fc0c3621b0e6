"""The page itself: figures, tables and sentences put into one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nas_steps.config.data import Data
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost, rungs
from nas_steps.config.schema import Config
from nas_steps.errors import UserError
from nas_steps.report import factorial, figures, fronts, numbers, signals
from nas_steps.report.cells import draw_cell
from nas_steps.report.columns import Table
from nas_steps.report.mobile import draw_mobile
from nas_steps.report.records import Winner
from nas_steps.report.results import Results
from nas_steps.report.retraining_tables import best_of_kind
from nas_steps.report.verdict import Verdict
from nas_steps.spaces.cells.space import parse_architecture
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.space import MobileSpace

PACKAGES = ("nas-steps", "torch", "torchvision", "snakemake", "numpy", "scipy", "pandas", "onnx", "onnxruntime")
CELL_TITLES = {"normal": "Normal cell", "reduce": "Reduction cell", "cell": "Cell"}
SPLITS = ("train", "valid", "test")


def render(results: Results, tables: Mapping[str, Table], verdict: Verdict, folder: Path) -> str:
    """The text of report.html, to be written into `folder`/report/."""
    environment = Environment(
        loader=PackageLoader("nas_steps.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader = environment.loader
    assert loader is not None
    css = loader.get_source(environment, "style.css")[0]
    config, space = results.config, results.space
    assert space is not None
    return environment.get_template("page.html.j2").render(
        css=Markup(css),  # our own file: the only text, with the figures, that is not escaped
        config=config,
        config_yaml=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        verdict=verdict,
        tables=tables,
        tiles=tiles(results),
        images=None if results.meta is None else images(results.meta, results.config.data),
        table=results.table,
        space=space,
        mobile=isinstance(space, MobileSpace),
        space_size=spelled_size(space.size()),
        budget=results.budget,
        supernets=results.supernets,
        estimated=estimated(results.config),
        cells=drawn(results),
        figures=all_figures(results),
        calibrated=signals.calibrated(results),
        chosen=chosen(results),
        chosen_score=(results.chosen or {}).get("score") is not None,
        timing=timing(results),
        factorial=factorial.sentences(results),
        factorial_rules=factorial.RULES,
        links=export_links(results, folder),
        test_files=results.test_files,
        versions=versions(),
        n=numbers,
    )


def all_figures(results: Results) -> dict[str, Markup | None]:
    """Every figure by its name; None where there is nothing to draw."""
    found = {
        "sampling": figures.sampling_curves(results),
        "darts": figures.darts_curves(results),
        "fronts": fronts.fronts_figure(results),
        "parameters": figures.accuracy_against(results, "parameters", "by-parameters"),
        "macs": figures.accuracy_against(results, "macs", "by-macs"),
        "dots": figures.dots(results),
        "family": figures.family_curve(results),
    }
    return {name: None if text is None else Markup(text) for name, text in found.items()}


def tiles(results: Results) -> list[dict[str, str]]:
    """The figures at the top: one network of each kind, and what everything cost."""
    found = []
    words = {"searched": "Searched", "random": "Random search", "baseline": "Hand-designed"}
    for kind, title in words.items():
        entry = best_of_kind(results, kind)
        if entry is None and kind == "baseline" and results.table is not None:
            continue  # a table has no hand-designed networks
        if entry is None:
            found.append({"title": title, "figure": "no figure", "note": "none was trained to the end", "kind": kind})
            continue
        low, high = entry.test_low, entry.test_high
        spread = f"{numbers.interval(low, high)} · " if low is not None else ""
        size = "" if entry.macs is None else f"{numbers.macs(entry.macs)} MACs"
        note = " · ".join(filter(None, [entry.entry, spread.removesuffix(" · "), size]))
        found.append({"title": title, "figure": numbers.share(entry.test_mean), "note": note, "kind": kind})
    total = sum(cost.seconds for cost in results.costs)
    search = sum(cost.seconds for cost in results.costs if cost.stage == "search")
    note = f"of all jobs, {numbers.seconds(search)} of it for searching" if results.costs else "no job left its cost"
    figure = numbers.seconds(total) if results.costs else "not measured"
    return [*found, {"title": "Time", "figure": figure, "note": note, "kind": "time"}]


def estimated(config: Config) -> str:
    """What an evaluation of the search is, in words."""
    told, screen = config.search.estimator, config.search.screen
    if isinstance(told, ShortTraining):
        text = f"{numbers.plural(told.epochs, 'epoch')} an evaluation"
        if told.halving is not None:
            text = f"{numbers.listed([str(one) for one in rungs(told)])} epochs by successive halving"
        text += f", the mean of {told.seeds} seeds" if told.seeds > 1 else ""
    elif isinstance(told, Extrapolation):
        text = f"{told.observe} of {told.epochs} epochs an evaluation, the curve extrapolated"
    elif isinstance(told, ZeroCost):
        text = f"scored untrained by {told.proxy} on {numbers.plural(told.batch_size, 'image')}"
    elif isinstance(told, SharedWeights):
        trained = numbers.plural(told.supernet.epochs, "epoch")
        text = f"scored by the weights of a supernet, trained for {trained} with {told.supernet.sampling} sampling"
    else:
        text = "looked up in a table"
    if isinstance(told, Training):
        text += f", on {numbers.share(told.images)} of the training images" if told.images < 1 else ""
        text += f", at {told.resolution} × {told.resolution} pixels" if told.resolution else ""
    return text + (
        f"; of {screen.proposals_per_evaluation} proposals the best by {screen.proxy} was evaluated" if screen else ""
    )


def images(meta: Mapping[str, Any], data: Data) -> dict[str, Any]:
    """What data/meta.json says, in the words of the page, and what the images are called."""
    channels, height, width = meta["shape"]
    duplicates = meta.get("duplicates") or {}
    left_out = sum(duplicates.get(f"{which}_class_left_out", 0) for which in ("same", "other"))
    done = [f"{text}: {numbers.count(number)}" for text, number in sorted((meta.get("converted") or {}).items())]
    counted = {
        "skipped as unreadable": len(meta.get("skipped") or []),
        "left out as duplicates": left_out,
        "duplicates across the source's own splits, kept": meta.get("duplicates_across_splits") or 0,
    }
    return {
        "source": ", ".join([meta["source"], *([Path(data.path).name or data.path] if data.path else [])]),
        "classes": [str(name) for name in meta["classes"]],
        "shape": f"{height} × {width} pixels, {'grey' if channels == 1 else 'RGB'}",
        "counts": [(split, numbers.count(sum(meta["counts"][split].values()))) for split in SPLITS],
        "remarks": done + [f"{what}: {numbers.count(number)}" for what, number in counted.items() if number],
        "content": str(meta.get("content") or "not recorded"),
        "checksums": sorted((meta.get("checksums") or {}).items()),
    }


def drawn(results: Results) -> list[dict[str, Any]]:
    """The winners with their cells; the best ranked one of each strategy is `open`, the others fold."""
    winners = [winner for winner in results.winners if winner.kind != "baseline"]
    best: dict[str, Winner] = {}
    for winner in winners:
        if winner.strategy not in best or _rank(winner) > _rank(best[winner.strategy]):
            best[winner.strategy] = winner
    found = []
    for winner in winners:
        told: dict[str, Any] = {"winner": winner, "open": best[winner.strategy] is winner, "problem": "", "cells": []}
        found.append(told)
        if not winner.architecture:
            told["problem"] = "The search found no architecture that could be trained."
            continue
        try:
            if is_mobile(winner.architecture):
                title = "Stages of MBConv blocks"
                drawing = draw_mobile(parse_mobile(winner.architecture), f"{title} of {winner.entry}")
                told["cells"].append((title, Markup(drawing)))
                continue
            architecture = parse_architecture(winner.architecture)
        except UserError as error:
            told["problem"] = f"The architecture cannot be drawn: {error}"
            continue
        if (genotype := architecture.genotype()) is not None:
            told["genotype"] = genotype
        for kind, cell in architecture.cells.items():
            title = CELL_TITLES[kind]
            drawing = draw_cell(cell, f"{title} of {winner.entry}", architecture.inputs, architecture.concat[kind])
            told["cells"].append((title, Markup(drawing)))
    return found


def chosen(results: Results) -> list[tuple[str, str]]:
    """What scaling/chosen.json says, in the words of the page; empty where there is no such file."""
    told = results.chosen or {}
    factors = [f"{name} {told[name]:g}" for name in ("depth", "width", "resolution") if name in told]
    lines = []
    if factors:
        lines.append(("Factors at φ = 1", ", ".join(factors)))
        product, ratio = told.get("product"), told.get("macs_ratio")
        growth = (
            f"depth · width² · resolution² = {numbers.plain(product)}; counted {numbers.ratio(ratio)} times the MACs"
        )
        lines.append(("Growth", growth))
    if told.get("score") is not None:
        lines.append(("Validation accuracy", numbers.share(told["score"])))
    if told.get("why"):
        lines.append(("Why", str(told["why"])))
    if told.get("left_out"):
        words = [
            f"{' · '.join(f'{factor:g}' for factor in one['triple'])} ({numbers.ratio(one['macs_ratio'])} times)"
            for one in told["left_out"]
        ]
        lines.append(("Left out, MACs not near twice the winner's", ", ".join(words)))
    if told.get("architecture"):
        lines.append(("Base", str(told["architecture"])))
    return lines


def timing(results: Results) -> str:
    """What the predicted times of the family rest on; empty where nothing was predicted."""
    known = next((one for one in results.family or () if one.predicted_seconds is not None), None)
    if known is None:
        return ""
    error = known.predicted_seconds_error
    text = f"Predicted times of one training on this device: {known.predicted_seconds_note}"
    if error is not None:
        text += f", off by {numbers.share(error, 0)} in the mean where a trained member is left out"
    return f"{text}. For larger members it is an extrapolation. Activations: what all layers put out for one image."


def export_links(results: Results, folder: Path) -> dict[str, str]:
    """File as named in the tables of exports -> its address as seen from the page, for the files that are there."""
    found = {}
    names = {exported.file for exported in results.exports} | {measured.file for measured in results.performance}
    for name in sorted(names - {""}):
        places = (folder / "export" / name, folder / name, Path(name))
        place = next((place for place in places if place.is_file()), None)
        if place is not None:
            found[name] = quote(Path(os.path.relpath(place, folder / "report")).as_posix())
    return found


def versions() -> list[tuple[str, str]]:
    """The packages that shape results, with the versions that are installed now."""
    found = []
    for package in PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            found.append((package, "not installed"))
    return found


def spelled_size(size: int) -> str:
    """The size of a space: `1,234,567`, or `1.05 × 10^18` as text with a real exponent."""
    if size < 10**9:
        return numbers.count(size)
    digits, _, exponent = f"{size:.2e}".partition("e+")
    return f"{digits} × 10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _rank(winner: Winner) -> float:
    return -1.0 if winner.score is None else winner.score
