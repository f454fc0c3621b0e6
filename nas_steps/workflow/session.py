"""A Snakemake that reads the workflow: its plan, the checks before anything runs, the run that it claims."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.export.packages import check_installed
from nas_steps.provenance.died import SHELL
from nas_steps.provenance.files import MENDABLE, in_words
from nas_steps.provenance.forkserver import SOCKET, Forkserver
from nas_steps.provenance.runs import Run, claim_while_executing, progress_file
from nas_steps.retraining.refusing import check_baselines
from nas_steps.training.gpu_places import MOST, VARIABLE
from nas_steps.workflow.blocks import one_at_a_time
from nas_steps.workflow.console.answer import answer_lines
from nas_steps.workflow.console.console import follow
from nas_steps.workflow.machine import check_conda, count_gpus, gpus_of_a_job, let_jobs_find_the_package
from nas_steps.workflow.manifest.devices import check_device
from nas_steps.workflow.manifest.left import Left
from nas_steps.workflow.manifest.trust import check_trust, records
from nas_steps.workflow.plan import Plan, check_files
from nas_steps.workflow.tracking import Tracker, check_tracking


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what the user can mend into Snakemake's own error, which it prints without a traceback."""
    from snakemake.exceptions import WorkflowError

    try:
        yield
    except UserError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        raise WorkflowError(in_words(error)) from None


def origin_of(workflow: Any, default: str) -> str:
    """Return where the config comes from, checked before Snakemake reads the default file."""
    if not workflow.modifier.is_main_snakefile():
        return f"the config of module {workflow.modifier.namespace}"
    with in_one_line():
        return check_files(workflow.config_settings.configfiles or [default])


class Session:
    """The plan of `config`, checked; and the run, claimed while Snakemake executes jobs.

    `alone` is whether the workflow is no module of another one. A job in a process of its own reads the workflow too,
    but has nothing to ask; records in a database are not lost with a copy of results/.
    """

    def __init__(self, workflow: Any, config: dict[str, Any], origin: str, home: Path, alone: bool) -> None:
        self.workflow = workflow
        self.alone = alone
        self._since = time.time()
        self._placed = workflow.modifier.path_modifier.modify
        self.left: Left | None = None
        self._forkserver: Forkserver | None = None
        in_a_database = "DB" in str(getattr(workflow.workflow_settings, "persistence_backend", ""))
        with in_one_line():
            deployment = workflow.deployment_settings
            let_jobs_find_the_package(home, alone, elsewhere=bool(deployment.deployment_method))
            if workflow.is_main_process:
                check_conda(deployment)
            self.plan = Plan(config, origin, placed=self.placed, warn=workflow.is_main_process)
            if workflow.is_main_process:
                if not in_a_database:
                    check_trust(self.plan)
                    self.left = Left(self.plan)
                    self.left.check()
                check_device(self.plan)
                check_tracking(self.plan.config.tracking)
                check_baselines(self.plan.config, self.plan.store)
                if self.plan.trains:
                    check_installed(self.plan.config.export.formats)
        self.run = Run(self.placed(self.plan.folder), self.placed(self.plan.data_folder), records)
        if workflow.is_main_process:
            remade = self.left.to_remake() if self.left is not None else []
            claim_while_executing(workflow, self.run, remade, self._begin, self.tell)
        # files that a run made and that are gone: nothing stale reads them, so they must be asked for
        self.lost = self.left.lost() if self.left is not None else []
        self.gpu = self._gpus_of_a_job()
        # as a module, the terminal is not this workflow's
        follows = alone and workflow.is_main_process
        self.follower = follow(workflow, progress_file(self.placed(self.plan.folder))) if follows else None
        self._tracker: Tracker | None = None

    def placed(self, file: str) -> str:
        """Return where a file of the rules lies: a module's prefix goes before it."""
        return str(self._placed(file))

    def _begin(self) -> None:
        """Do what comes before the first job, now that this run has waited for the others."""
        self.plan.check_prepared()
        if self.left is not None:
            self.left.accept()

    def start(self) -> None:
        """Do what needs Snakemake's jobs, before the first of them."""
        self.run.planned(self.workflow)
        one_at_a_time(self.workflow, self.plan)
        self.tell()
        if self.follower is not None:
            from nas_steps.workflow.forecast.telling import expected

            self.follower.progress.expect(expected(self.workflow, self.plan, self.gpu))
            if self.plan.config.tracking is not None:
                self._tracker = Tracker(self.plan.config.tracking, self.plan.config.experiment)
                self.follower.done.append(self._tracker)
        self.preload()

    def tell(self) -> None:
        """Say how long the jobs take that Snakemake would run; a module does not know the jobs of the whole."""
        if self.alone and self.workflow.is_main_process:
            from nas_steps.workflow.forecast.telling import tell  # not needed by the processes of jobs

            tell(self.workflow, self.plan, self.gpu)

    def preload(self) -> None:
        """Start the process that forks the jobs of this run, if they run here, by this Python, and are several.

        NAS_STEPS_FORKSERVER=off lets each job be a Python of its own.
        """
        jobs = list(self.workflow.dag.needrun_jobs())
        here = self.workflow.local_exec and not self.workflow.deployment_settings.deployment_method
        if self.alone and here and len(jobs) > 1 and sys.platform == "linux" and SOCKET not in os.environ:
            steps = [(job.rule.name, dict(job.wildcards.items())) for job in jobs]
            self._forkserver = Forkserver(self.plan.loaded(steps))

    def end(self, succeeded: bool) -> None:
        """Write down what the jobs left, so that it is noticed if their files are replaced later, and their seconds."""
        if self._tracker is not None:
            self._tracker.close()
        if self.follower is not None:
            self.follower.end("done" if succeeded else "failed")
        if self.left is not None:
            Left(self.plan)
        if self._forkserver is not None:
            self._forkserver.close()
        if self.alone:
            from nas_steps.workflow.forecast.telling import keep_speeds

            keep_speeds(self.plan, self._since)

    def conclude(self) -> None:
        """Say what came out, if the run made the report."""
        report = Path(self.placed(self.plan.report))
        if report.exists():
            print("\n".join(answer_lines(report)), flush=True)

    def _gpus_of_a_job(self) -> int:
        """Return the GPUs of a training. A submitting Snakemake cannot tell its executor here: jobs and
        default-resources are what a cluster's profile has."""
        settings, resources = self.workflow.resource_settings, self.workflow.global_resources
        submits = settings.nodes is not None and settings.default_resources is not None
        cluster = self.workflow.remote_exec or submits
        sharing = 1 if cluster else self.plan.config.trainings_per_gpu
        os.environ[VARIABLE] = str(sharing)
        self.places = MOST if sharing == "auto" else sharing
        if not cluster and "gpu" not in resources:
            # as many GPU jobs at once as the devices have places; `--resources gpu=N` or a profile says otherwise
            resources["gpu"] = max(1, count_gpus()) * self.places
        return gpus_of_a_job(self.plan.config.device, cluster, submitted=self.workflow.remote_exec)

    def gpus(self, processes: int = 1, *, alone: bool = False) -> int:
        """Return what a job asks of `gpu`: one for each process that trains; all places of a GPU if it is its alone."""
        return self.gpu * processes * (self.places if alone or processes > 1 else 1)


def shell_prefix(executable: str | None) -> str:
    """Return what comes before each command, so that a job that dies of a signal says so in its log; only bash can."""
    return SHELL.replace("{", "{{").replace("}", "}}") if Path(executable or "").name == "bash" else ""
