# The validated config as `plan`: what every rule is filled in with.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the package lies beside this workflow, whether or not it is installed
sys.path.insert(0, str(Path(workflow.main_snakefile).resolve().parent))

from nas_steps.errors import UserError
from nas_steps.manifest.trust import check_trust
from nas_steps.plan import Plan, check_files, launcher
from nas_steps.provenance.runs import claim_run

# an experiment's file stands alone: it is not laid over the default one
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


try:
    origin = check_files(workflow.config_settings.configfiles or ["config/config.yaml"])
    plan = Plan(config, origin)
    # a job in a process of its own has nothing to ask; records in a database are not lost with a copy of results/
    in_a_database = "DB" in str(
        getattr(workflow.workflow_settings, "persistence_backend", "")
    )
    if workflow.is_main_process and not in_a_database:
        check_trust(plan)
    # for as long as this process lives
    run = (
        claim_run(plan.folder, Path(".snakemake"))
        if workflow.is_main_process and not workflow.dryrun
        else None
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

R = plan.folder
ENVIRONMENT = "../workflow/envs/nas-steps.yaml"
GPU = min(1, plan.gpus)
THREADS = plan.config.threads
# the cache between workflows, for who asks for it by --cache; without it Snakemake would warn at each start
CACHE = workflow.workflow_settings.cache is not None


def data_folder(wildcards, input):
    """Where the prepared data lie."""
    return str(Path(str(input.data).split()[0]).parent)


def data_path(wildcards, output):
    """Where the user's images lie. A function of the output, so that Snakemake does not watch it: their content does
    count, and is in the settings; a folder that was moved is the same data."""
    return plan.data_path


def output_folder(wildcards, output):
    """Where a rule's files go."""
    return str(Path(output[0]).parent)


def results_folder(wildcards, output):
    """The experiment's folder, seen from the report."""
    return str(Path(output.report).parents[1])


wildcard_constraints:
    strategy="[A-Za-z0-9_]+",
    seed=r"\d+",
    number=r"\d+",
    shard=r"\d+",
    entry=r"[A-Za-z0-9_.-]+?",


onsuccess:
    print(f"The report is at {plan.report}")
