# The validated config as `plan`, and the environment of the jobs: what every rule is filled in with.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# as a module of another workflow: the config is what that workflow hands over
ALONE = workflow.modifier.is_main_snakefile()

# the package lies beside this workflow in a checkout, and is installed where the workflow came with a wheel
HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent
if (HOME / "nas_steps").is_dir():
    sys.path.insert(0, str(HOME))

try:
    import nas_steps

    # the package is found; what lies beside it, such as a random.py, is not to go before Python's own
    while ALONE and str(HOME) in sys.path:
        sys.path.remove(str(HOME))
    from nas_steps.workflow.machine import (
        count_gpus,
        gpus_of_a_job,
        let_jobs_find_the_package,
    )
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{error}: the package nas_steps lies neither beside the Snakefile ({HOME}) nor in this Python ({sys.executable}); "
        "run the Snakefile of a checkout, or install nas-steps here with pip"
    ) from None

from nas_steps.errors import UserError
from nas_steps.workflow.manifest.devices import check_device
from nas_steps.workflow.manifest.left import Left
from nas_steps.workflow.manifest.trust import check_trust, records
from nas_steps.workflow.plan import Plan, check_files
from nas_steps.workflow.wiring import RUN, wired
from nas_steps.provenance.died import SHELL
from nas_steps.provenance.files import MENDABLE, in_words
from nas_steps.provenance.runs import Run, claim_while_executing
from nas_steps.retraining.refusing import check_baselines

# an experiment's file stands alone: it is not laid over the default one
DEFAULT = (
    "config/config.yaml"
    if Path("config/config.yaml").exists()
    else str(HOME / "config" / "config.yaml")
)
origin = f"the config of module {workflow.modifier.namespace}"
if ALONE:
    # before Snakemake reads the default one; those that the command names it has read already
    try:
        origin = check_files(workflow.config_settings.configfiles or [DEFAULT])
    except UserError as error:
        raise WorkflowError(str(error)) from None
if ALONE and not workflow.config_settings.configfiles:

    configfile: DEFAULT


PREFIXED = workflow.modifier.path_modifier.modify


def placed(file):
    """Where a file of the rules lies: a module's prefix goes before it."""
    return str(PREFIXED(file))


try:
    let_jobs_find_the_package(HOME, ALONE)
    plan = Plan(config, origin, placed=placed)
    # a job in a process of its own has nothing to ask; records in a database are not lost with a copy of results/
    in_a_database = "DB" in str(
        getattr(workflow.workflow_settings, "persistence_backend", "")
    )
    left = None
    if workflow.is_main_process and not in_a_database:
        check_trust(plan)
        left = Left(plan)
        left.check()
    if workflow.is_main_process:
        check_device(plan)
    if workflow.is_main_process:
        check_baselines(plan.config, plan.store)
except UserError as error:
    raise WorkflowError(str(error)) from None
except OSError as error:
    if error.errno not in MENDABLE:
        raise
    raise WorkflowError(in_words(error)) from None


def begun():
    """What is done before the first job, now that this run has waited for the others."""
    plan.check_prepared()
    if left is not None:
        left.accept()


run = Run(placed(plan.folder), placed(plan.data_folder), records)
if workflow.is_main_process:
    claim_while_executing(
        workflow, run, left.to_remake() if left is not None else [], begun
    )


onstart:
    run.planned(workflow)


# files that a run made and that are gone: nothing stale reads them, so they must be asked for
LOST = left.lost() if left is not None else []
RESULTS = plan.folder
ENVIRONMENT = "../workflow/envs/nas-steps.yaml"
# A submitting Snakemake cannot tell its executor here: jobs and default-resources are what a cluster's profile has.
settings = workflow.resource_settings
CLUSTER = workflow.remote_exec or (
    settings.nodes is not None and settings.default_resources is not None
)
GPU = gpus_of_a_job(plan.config.device, CLUSTER, submitted=workflow.remote_exec)
if not CLUSTER and "gpu" not in workflow.global_resources:
    # as many GPU jobs at once as there are devices; `--resources gpu=N` or a profile says otherwise
    workflow.global_resources["gpu"] = max(1, count_gpus())

# The words of the rules. `step("darts")` is the declaration of a step (nas_steps/*/steps/__init__.py): which config keys
# it reads, which files it writes. `every("darts", "candidates")` are the files of all jobs of a step.
step = wired(plan)
every = plan.every
DATA = plan.data
BLOCKS = plan.every("measure_blocks", "blocks")
THREADS = plan.config.threads
# what jobs ask of a cluster: seconds without torch; counting; scoring networks; training one for hours
GATHERING = {"mem_mb": 1000, "runtime": 10}
COUNTING = {"mem_mb": 2000, "runtime": 30}
EXPORTING = {"mem_mb": 4000, "runtime": 120}
SCORING = {"gpu": GPU, "mem_mb": 8000, "runtime": 480}
TRAINING = {"gpu": GPU, "mem_mb": 16000, "runtime": 1440}


def processes(name, times):
    """As many threads or GPUs as the processes that train one network together need."""
    return lambda wildcards: times * plan.processes(name, wildcards.get("strategy", ""))


def together(name):
    """What a training of several processes asks of a cluster."""
    return {**TRAINING, "gpu": processes(name, GPU)}


# seconds without torch, between rounds or at the end of a stage: no cluster job is worth its wait in the queue
localrules:
    propose,
    gather_search,
    sample,
    calibrate,
    shortlist,
    rank,
    compare,
    gather_retraining,
    gather_family,
    gather_factorial,
    gather_exports,


# a job that dies of a signal says so in its log; as a module of another workflow, its shell is not ours to set
if ALONE and Path(shell.get_executable() or "").name == "bash":
    shell.prefix(SHELL.replace("{", "{{").replace("}", "}}"))


# the cache between workflows, for who asks for it by --cache; without it Snakemake would warn at each start
CACHE = workflow.workflow_settings.cache is not None


wildcard_constraints:
    strategy="[A-Za-z0-9_]+",
    seed=r"\d+",
    round=r"\d+",
    shard=r"\d+",
    member=r"\d+",
    entry=r"[A-Za-z0-9_.-]+?",
    base="[a-z_]+",
    scaling="[a-z]+",


def end_run():
    """Write down what the jobs left, so that it is noticed if their files are replaced later."""
    if left is not None:
        Left(plan)


onsuccess:
    end_run()
    if Path(placed(plan.report)).exists():
        print(f"The report is at {placed(plan.report)}")


onerror:
    end_run()
