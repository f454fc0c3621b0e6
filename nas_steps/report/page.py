"""The page: figures, tables and sentences in one self-contained HTML file."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nas_steps.config.data import Data
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost
from nas_steps.config.text import TextData
from nas_steps.errors import UserError
from nas_steps.metrics import ACCURACY
from nas_steps.report import (
    factorial,
    figures,
    fronts,
    numbers,
    predictions,
    reproduced,
    rungs,
    signals,
    spending,
    thumbnails,
)
from nas_steps.report.cells import draw_cell
from nas_steps.report.columns import Table
from nas_steps.report.corpus import corpus, language_space, trained_text
from nas_steps.report.forest import forest
from nas_steps.report.language import draw_language, of_frame
from nas_steps.report.mobile import draw_mobile
from nas_steps.report.predictions import LARGEST_MATRIX, Tested
from nas_steps.report.recommendation import Recommendation, recommend
from nas_steps.report.results import Results
from nas_steps.report.verdict import Verdict
from nas_steps.spaces.cells.space import parse_architecture
from nas_steps.spaces.language.parsing import is_language, parse_language
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.wording import in_words

PACKAGES = ("nas-steps", "torch", "torchvision", "snakemake", "numpy", "scipy", "pandas", "onnx", "onnxruntime")
CELL_TITLES = {"normal": "Normal cell", "reduce": "Reduction cell", "cell": "Cell"}
SPLITS = ("train", "valid", "test")
#: parts of the page that no words are changed in
VERBATIM = re.compile(r"(<style>.*?</style>|<pre.*?</pre>|<code>.*?</code>|<!--plain-->.*?<!--/plain-->)", re.DOTALL)


def render(
    results: Results,
    made: Mapping[str, Table],
    verdict: Verdict,
    tested: Tested | None,
    folder: Path,
    drawn_figures: Mapping[str, Markup | None] | None = None,
) -> str:
    """Make the text of report.html, to be written into `folder`/report/; `drawn_figures` are those of `all_figures`."""
    loader = PackageLoader("nas_steps.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    config = results.config
    links = export_links(results, folder)
    pick = recommend(results, links)
    small = tested is not None and len(tested.classes) <= LARGEST_MATRIX
    page = environment.get_template("page.html.j2").render(
        # our own file: the only text, with the figures, that is not escaped
        css=Markup(loader.get_source(environment, "style.css")[0]),
        config=config,
        config_yaml=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        verdict=verdict,
        pick=pick,
        tables=made,
        images=None if results.meta is None or results.text else images(results.meta, config.data),
        corpus=corpus(results.meta, config.data) if results.meta is not None and results.text else None,
        space=results.space,
        mobile=isinstance(results.space, MobileSpace),
        language=language_space(results.space) if isinstance(results.space, LanguageSpace) else None,
        trained_text=trained_text(config.retrain.recipe),
        space_size=spelled_size(results.space.size()),
        results=results,
        estimated=estimated(results),
        cells=drawn(results, pick),
        figures=all_figures(results) if drawn_figures is None else drawn_figures,
        calibrated=signals.calibrated(results),
        chosen=dict(chosen(results.chosen or {})),
        timing=timing(results),
        factorial=factorial.sentences(results),
        factorial_rules=factorial.RULES,
        rungs=rungs.section(folder) if config.scaling.rungs.enabled else None,
        reproduced=reproduced.sentences(results),
        reproduced_rules=reproduced.RULES,
        tested=tested,
        calibration=predictions.calibration(tested, results),
        squares=predictions.matrix(tested) if tested is not None and small else [],
        pairs=predictions.confused_pairs(made["confusion"]),
        thumbnails=thumbnails.mistakes(tested, config.report.mistakes),
        energy_note=spending.energy_note(results),
        links=links,
        versions={package: _version(package) for package in PACKAGES},
        n=numbers,
    )
    return spoken(page, config.metric)


def spoken(page: str, metric: str) -> str:
    """Return the page in the words of the experiment's metric, codes and plain accuracies aside.

    The page is written for accuracy, and is left as it is then. Comments `plain` surround what is accuracy indeed.
    """
    if metric == ACCURACY:
        return page
    parts = VERBATIM.split(page)
    return "".join(part if place % 2 else in_words(part, metric) for place, part in enumerate(parts))


def all_figures(results: Results) -> dict[str, Markup | None]:
    """Draw every figure, by its name; None if there is nothing to draw."""
    drawings = {
        "forest": forest(results),
        "sampling": figures.sampling_curves(results),
        "darts": figures.darts_curves(results),
        "fronts": fronts.fronts_figure(results),
        "dots": figures.dots(results),
        "family": figures.family_curve(results),
    } | {size: figures.accuracy_against(results, size, f"by-{size}") for size in ("parameters", "macs")}
    return {name: None if text is None else Markup(text) for name, text in drawings.items()}


def estimated(results: Results) -> str:
    """Tell how the search evaluates."""
    estimator, screen = results.config.search.estimator, results.config.search.screen
    whole = trained_text(estimator) if results.text and isinstance(estimator, Training) else ""
    if isinstance(estimator, ShortTraining):
        text = f"{whole or numbers.plural(estimator.epochs, 'epoch')} an evaluation"
        if estimator.halving is not None:
            trained = numbers.listed([str(one) for one in results.rungs])
            spent = f"{trained} of {estimator.epochs} parts of {whole}" if whole else f"{trained} epochs"
            text = f"{spent} by successive halving"
        text += f", the mean of {estimator.seeds} seeds" if estimator.seeds > 1 else ""
    elif isinstance(estimator, Extrapolation):
        unit = f"parts of {whole}" if whole else "epochs"
        text = f"{estimator.observe} of {estimator.epochs} {unit} an evaluation, the curve extrapolated"
    elif isinstance(estimator, ZeroCost):
        one = "context" if results.text else "image"
        text = f"scored untrained by {estimator.proxy} on {numbers.plural(estimator.batch_size, one)}"
    elif isinstance(estimator, SharedWeights):
        trained, sampling = numbers.plural(estimator.supernet.epochs, "epoch"), estimator.supernet.sampling
        text = f"scored by the weights of a supernet, trained for {trained} with {sampling} sampling"
    else:
        text = "looked up in a table"
    if isinstance(estimator, Training):
        text += f", on {numbers.share(estimator.images)} of the training images" if estimator.images < 1 else ""
        text += f", at {estimator.resolution} × {estimator.resolution} pixels" if estimator.resolution else ""
    if screen:
        text += f"; of {screen.proposals_per_evaluation} proposals the best by {screen.proxy} was evaluated"
    return text


def images(meta: Mapping[str, Any], data: Data | TextData) -> dict[str, Any]:
    """Spell the facts of data/meta.json."""
    assert isinstance(data, Data)
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


@dataclass(frozen=True)
class Drawn:
    """A network's titled cells or stages as SVG; `problem` says why there are none. `words` follow its name."""

    entry: str
    architecture: str
    cells: tuple[tuple[str, Markup], ...] = ()
    genotype: str = ""
    problem: str = ""
    words: str = ""
    open: bool = False


def drawn(results: Results, pick: Recommendation) -> list[Drawn]:
    """Draw the recommended network and the winners; it and the best ranked one of each strategy are `open`, the others
    fold."""
    winners = [winner for winner in results.winners if winner.kind != "baseline"]
    best = {}
    for winner in sorted(winners, key=lambda one: -math.inf if one.score is None else one.score):
        best[winner.strategy] = winner.entry
    words = {entry: f"best ranked winner of {strategy}" for strategy, entry in best.items()}
    networks = {winner.entry: winner.architecture for winner in winners}
    if pick.card is not None and pick.architecture:
        networks = {pick.card.entry: pick.architecture} | networks
        words[pick.card.entry] = f"recommended; {pick.card.origin}"
    pictures = [replace(_drawing(*network), words=words.get(network[0], "")) for network in networks.items()]
    return [replace(one, open=bool(one.words)) for one in pictures]


def _drawing(entry: str, text: str) -> Drawn:
    if not text:
        return Drawn(entry, text, problem="The search found no architecture that could be trained.")
    try:
        if is_language(text):
            found = parse_language(text)
            drawing = draw_language(found, f"Layers of {entry}")
            return Drawn(entry, text, ((f"Layers: {of_frame(found.frame)}", Markup(drawing)),))
        if is_mobile(text):
            title = "Stages of MBConv blocks"
            drawing = draw_mobile(parse_mobile(text), f"{title} of {entry}")
            return Drawn(entry, text, ((title, Markup(drawing)),))
        architecture = parse_architecture(text)
    except UserError as error:
        return Drawn(entry, text, problem=f"The architecture cannot be drawn: {error}")
    cells = []
    for kind, cell in architecture.cells.items():
        label = f"{CELL_TITLES[kind]} of {entry}"
        drawing = draw_cell(cell, label, architecture.inputs, architecture.concat[kind])
        cells.append((CELL_TITLES[kind], Markup(drawing)))
    return Drawn(entry, text, tuple(cells), architecture.genotype() or "")


def chosen(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Spell scaling/chosen.json in the words of the page; empty if there is no such file."""
    factors = [f"{name} {record[name]:g}" for name in ("depth", "width", "resolution") if name in record]
    if factors:
        yield "Factors at φ = 1", ", ".join(factors)
        product, ratio = numbers.plain(record.get("product")), numbers.ratio(record.get("macs_ratio"))
        yield "Growth", f"depth · width² · resolution² = {product}; counted {ratio} times the MACs"
    if record.get("score") is not None:
        yield "Validation accuracy", numbers.share(record["score"])
    if record.get("why"):
        yield "Why", str(record["why"])
    if record.get("left_out"):
        triples = [
            f"{' · '.join(f'{factor:g}' for factor in one['triple'])} ({numbers.ratio(one['macs_ratio'])} times)"
            for one in record["left_out"]
        ]
        yield "Left out, MACs not near twice the winner's", ", ".join(triples)
    if record.get("architecture"):
        yield "Base", str(record["architecture"])


def timing(results: Results) -> str:
    """Tell the basis of the family's predicted times; empty if nothing was predicted."""
    known = next((row for row in results.family if row["predicted_seconds"] is not None), None)
    if known is None:
        return ""
    text = f"Predicted times of one training on this device: {known['predicted_seconds_note']}"
    if (error := known["predicted_seconds_error"]) is not None:
        text += f", off by {numbers.share(error, 0)} in the mean where a trained member is left out"
    return f"{text}. For larger members it is an extrapolation. Activations: what all layers put out for one image."


def export_links(results: Results, folder: Path) -> dict[str, str]:
    """Map the files in the tables of exports to their addresses from the page, if they exist."""
    links = {}
    for name in {row["file"] for row in (*results.exports, *results.performance)} - {""}:
        places = (folder / "export" / name, folder / name, Path(name))
        place = next((place for place in places if place.is_file()), None)
        if place is not None:
            links[name] = quote(Path(os.path.relpath(place, folder / "report")).as_posix())
    return links


def spelled_size(size: int) -> str:
    """Spell the size of a space: `1,234,567`, or `1.05 × 10^18` with a real exponent."""
    if size < 10**9:
        return numbers.count(size)
    digits, _, exponent = f"{size:.2e}".partition("e+")
    return f"{digits} × 10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
