# The validated config as `plan`, and the words that the rules are written in.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# as a module of another workflow: the config is what that workflow hands over
ALONE = workflow.modifier.is_main_snakefile()

# where this file lies: on a disk, or in a git repository that another workflow names
PLACE = workflow.current_basedir
# the package lies beside this workflow in a checkout, and is installed where the workflow came with a wheel or by git
HOME = Path(PLACE.get_path_or_uri(secret_free=True)).parent
if (HOME / "nas_steps").is_dir():
    sys.path.insert(0, str(HOME))


def requirement():
    """What pip installs that brings the package of this very workflow."""
    if hasattr(PLACE, "repo_path"):
        return f"nas-steps @ git+file://{PLACE.repo_path}@{PLACE.ref}"
    if hasattr(PLACE, "repo"):
        return f"nas-steps @ git+https://{PLACE.host}/{PLACE.repo}@{PLACE.ref}"
    return "nas-steps"


try:
    import nas_steps

    # the package is found; what lies beside it, such as a random.py, is not to go before Python's own
    while ALONE and str(HOME) in sys.path:
        sys.path.remove(str(HOME))
    from nas_steps.workflow.attached import Attached
    from nas_steps.workflow.session import Session, origin_of, shell_prefix
    from nas_steps.workflow.wiring import RUN, wired
except ImportError as error:
    raise WorkflowError(
        f"{error}: the package nas_steps lies neither beside the Snakefile ({HOME if HOME.is_dir() else PLACE}) nor, in "
        f"this version, in this Python ({sys.executable}); run the Snakefile of a checkout, or install the package where "
        f"Snakemake is: {sys.executable} -m pip install '{requirement()}'"
    ) from None

# an experiment's file stands alone: it is not laid over the default one
if Path("config/config.yaml").exists():
    DEFAULT = "config/config.yaml"
elif HOME.is_dir():
    DEFAULT = str(HOME / "config" / "config.yaml")
else:
    DEFAULT = str(workflow.source_path("../config/config.yaml"))
origin = origin_of(workflow, DEFAULT)
if ALONE and not workflow.config_settings.configfiles:

    configfile: DEFAULT


session = Session(workflow, config, origin, HOME, ALONE)
plan = session.plan
attached = Attached(plan, session.placed)
# a job that dies of a signal says so in its log; as a module of another workflow, its shell is not ours to set
if ALONE:
    shell.prefix(shell_prefix(shell.get_executable()))

# The words of the rules. `step("darts")` is the declaration of a step (nas_steps/*/steps/__init__.py): which config keys
# it reads, which files it writes. `every("darts", "candidates")` are the files of all jobs of a step.
step = wired(plan)
every = plan.every
DATA = plan.data
BLOCKS = plan.every("measure_blocks", "blocks")
THREADS = plan.config.threads
# the environment that all rules run in, set at the end of the Snakefile; and their image, for
# --software-deployment-method apptainer
ENVIRONMENT = "../workflow/envs/nas-steps.yaml"
if plan.config.container is not None:

    container: plan.config.container


# the cache between workflows, for who asks for it by --cache; without it Snakemake would warn at each start
CACHE = workflow.workflow_settings.cache is not None
# what jobs ask of a cluster: seconds without torch; counting; scoring networks; training one for hours
GATHERING = {"mem_mb": 1000, "runtime": 10}
COUNTING = {"mem_mb": 2000, "runtime": 30}
EXPORTING = {"mem_mb": 4000, "runtime": 120}
SCORING = {"gpu": session.gpu, "mem_mb": 8000, "runtime": 480}
TRAINING = {"gpu": session.gpu, "mem_mb": 16000, "runtime": 1440}


def processes(name, times):
    """As many threads as the processes that train one network together need."""
    return lambda wildcards: times * plan.processes(name, dict(wildcards.items()))


def together(name):
    """What a training of several processes asks of a cluster."""

    def gpu(wildcards):
        return session.gpus(plan.processes(name, dict(wildcards.items())))

    return {**TRAINING, "gpu": gpu}


# seconds without torch, between rounds or at the end of a stage: no cluster job is worth its wait in the queue
localrules:
    propose,
    gather_search,
    sample,
    calibrate,
    match,
    shortlist,
    rank,
    compare,
    gather_retraining,
    recommend,
    gather_recipes,
    gather_family,
    gather_factorial,
    gather_exports,


wildcard_constraints:
    strategy="[A-Za-z0-9_]+",
    recipe="[A-Za-z0-9_]+",
    seed=r"\d+",
    round=r"\d+",
    shard=r"\d+",
    member=r"\d+",
    entry=r"[A-Za-z0-9_.-]+?",
    base="[a-z_]+",
    scaling="[a-z]+",
    network="[A-Za-z0-9_]+",
    factor=r"[0-9.]+",


onstart:
    session.start()


onsuccess:
    session.end()
    if Path(session.placed(plan.report)).exists():
        print(f"The report is at {session.placed(plan.report)}")


onerror:
    session.end()
