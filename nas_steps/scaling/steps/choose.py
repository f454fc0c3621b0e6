"""Choose the triple and describe the members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ScalingSettings, read_settings
from nas_steps.data.store import read_meta
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser
from nas_steps.scaling import family
from nas_steps.scaling.compound import Design, Factors
from nas_steps.scaling.winner import NO_WINNER, activations, measure, winner

MODULE = "nas_steps.scaling choose"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--ranked", required=True)
    options.add_argument("--triples", required=True)
    options.add_argument("--scores", nargs="+", required=True)
    options.add_argument("--output", required=True, help="folder of chosen.json and members.csv")
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    step = read_settings(given.settings, ScalingSettings)
    output = Path(given.output)
    with measured(given.cost, "scaling", "choose"):
        architecture, meta = winner(given.ranked), read_meta(given.data)
        if not architecture:
            write_csv(output / "members.csv", [], family.MEMBERS)
            write_json(output / "chosen.json", {"architecture": None, "why": NO_WINNER})
            return
        scores = [row for path in given.scores for row in read_csv(path)]
        chosen = family.choose(read_csv(given.triples), scores, step.scaling.factors)
        factors = Factors(chosen["depth"], chosen["width"], chosen["resolution"])
        base = Design(architecture, step.network, meta.shape[-1])
        members = family.describe_members(
            step.scaling, factors, base, measure(meta), activations(meta), step.recipe.drop_path
        )
        write_csv(output / "members.csv", members, family.MEMBERS)
        write_json(output / "chosen.json", {"architecture": architecture, **chosen})
