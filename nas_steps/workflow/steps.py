"""The declarations of all steps, in the order of a run. Imports no torch."""

from nas_steps.data.steps import STEPS as DATA
from nas_steps.export.steps import STEPS as EXPORT
from nas_steps.pretrained.steps import STEPS as PRETRAINED
from nas_steps.provenance.step import Step, steps
from nas_steps.ranking.steps import STEPS as RANKING
from nas_steps.report.steps import STEPS as REPORT
from nas_steps.retraining.steps import STEPS as RETRAINING
from nas_steps.scaling.steps import STEPS as SCALING
from nas_steps.search.steps import STEPS as SEARCH

MANIFEST = steps(
    "nas_steps.manifest",
    Step(
        "manifest",
        "Write what there is in the end: every file with its hash and what it was made with.",
        module="nas_steps.workflow.manifest.write",
        writes={"manifest": ("manifest.json", "every file above: bytes, sha256, what it was made with")},
    ),
)
STEPS: dict[str, Step] = {
    **DATA,
    **PRETRAINED,
    **SEARCH,
    **RANKING,
    **RETRAINING,
    **SCALING,
    **EXPORT,
    **REPORT,
    **MANIFEST,
}
