"""What decides whether a rule's files are stale: the code that it runs, its settings, the versions that count."""

from __future__ import annotations

from dataclasses import dataclass

from nas_steps.provenance.versions import TRAINS


@dataclass(frozen=True)
class Watched:
    """What decides, its input files aside, whether a rule's files are stale.

    `module` is what its command runs: that and all it imports are fingerprinted. `settings` is its slice of the
    config (empty: none; `search_` stands for the strategy's). The versions of `packages` count where they shape the
    numbers: a torch update changes what trains, not what counts or gathers.
    """

    module: str
    settings: str = ""
    packages: tuple[str, ...] = ()


CONVERTS = ("torch", "onnx", "onnxscript", "onnxruntime")
#: by rule; the version of nas_steps itself is not among them, since the fingerprint of its code says more
WATCHED = {
    "data": Watched("nas_steps.data.__main__", "data"),
    "measure_costs": Watched("nas_steps.search.steps.measure_costs", "costs", (*TRAINS, "onnxruntime")),
    "budget": Watched("nas_steps.search.steps.budget", "budget"),
    "propose": Watched("nas_steps.search.steps.propose", "search_"),
    "screen": Watched("nas_steps.estimation.steps.screen", "screen", TRAINS),
    # the estimator's module, by its kind
    "evaluate": Watched("nas_steps.estimation.steps.{estimator}", "evaluation", TRAINS),
    "gather_search": Watched("nas_steps.search.steps.gather"),
    "enas": Watched("nas_steps.search.steps.enas", "search_", TRAINS),
    "darts": Watched("nas_steps.search.steps.darts", "search_", TRAINS),
    "replay": Watched("nas_steps.search.steps.replay", "search_"),
    "supernet": Watched("nas_steps.search.steps.supernet", "supernet", TRAINS),
    "supernet_statistics": Watched("nas_steps.search.steps.supernet_statistics", "shared_weights", TRAINS),
    "one_shot": Watched("nas_steps.search.steps.one_shot", "search_", TRAINS),
    "sample": Watched("nas_steps.ranking.steps.sample", "sample"),
    "train_sample": Watched("nas_steps.estimation.steps.short_training", "ranking", TRAINS),
    "score_sample": Watched("nas_steps.estimation.steps.{estimator}", "evaluation", TRAINS),
    "score_sample_by_supernet": Watched("nas_steps.search.steps.rank_paths", "shared_weights", TRAINS),
    "screen_sample": Watched("nas_steps.estimation.steps.zero_cost", "screening", TRAINS),
    "calibrate": Watched("nas_steps.ranking.steps.calibrate", "calibration"),
    "shortlist": Watched("nas_steps.ranking.steps.shortlist", "shortlist"),
    "train_shortlist": Watched("nas_steps.estimation.steps.short_training", "ranking", TRAINS),
    "rank": Watched("nas_steps.ranking.steps.rank"),
    "compare": Watched("nas_steps.ranking.steps.compare", "comparison"),
    "retrain": Watched("nas_steps.retraining.steps.train", "retraining", TRAINS),
    "gather_retraining": Watched("nas_steps.retraining.steps.gather"),
    "rank_in_table": Watched("nas_steps.ranking.steps.in_table", "lookup"),
    "lookup": Watched("nas_steps.retraining.steps.lookup", "lookup"),
    "describe_grid": Watched("nas_steps.scaling.steps.describe", "scaling_grid"),
    "train_grid": Watched("nas_steps.scaling.steps.grid", "scaling_grid", TRAINS),
    "choose_scaling": Watched("nas_steps.scaling.steps.choose", "scaling_members"),
    "train_member": Watched("nas_steps.scaling.steps.train", "scaling_members", TRAINS),
    "gather_family": Watched("nas_steps.scaling.steps.gather"),
    "describe_designs": Watched("nas_steps.scaling.steps.designs", "factorial"),
    "train_design": Watched("nas_steps.scaling.steps.train_design", "factorial", TRAINS),
    "gather_factorial": Watched("nas_steps.scaling.steps.gather_factorial", "factorial"),
    "export_entry": Watched("nas_steps.export.steps.entry", "export", CONVERTS),
    "export_scaled": Watched("nas_steps.export.steps.scaled", "export", CONVERTS),
    "gather_exports": Watched("nas_steps.export.steps.gather"),
    "report": Watched("nas_steps.report.__main__", "report"),
    "manifest": Watched("nas_steps.workflow.manifest.write"),
}
