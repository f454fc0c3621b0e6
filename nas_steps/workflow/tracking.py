"""Log finished trainings to MLflow or TensorBoard, from the files that their jobs wrote.

Snakemake's own process does it, after a job has ended. So no training waits for a server or imports a client, a resumed
training is logged once, and jobs on a cluster need no way to the server. A server that does not answer ends the logging
with one warning, and nothing else.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from nas_steps.config.tracking import Tracking
from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, read_json
from nas_steps.workflow.console.progress import Job

#: modules by kind
MODULES = {"mlflow": "mlflow", "tensorboard": "tensorboard"}
#: seconds that the end of a run waits for what is still to be logged
PATIENCE = 60.0
#: MLflow takes so many figures in one call, and so many letters of a parameter
BATCH, LETTERS = 1000, 500
#: what names a step of a table, the first that it has
STEPS = ("epoch", "evaluation", "index", "round")
#: text of a training that is a parameter of its run
PARAMETERS = ("entry", "kind", "architecture", "seed", "status", "device", "metric")

#: name of a figure, value, step
Figure = tuple[str, float, int]


class Client(Protocol):
    """What logs one job: a name, parameters, and figures by step."""

    def log(self, name: str, parameters: Mapping[str, str], figures: Sequence[Figure]) -> None: ...


def check_tracking(tracking: Tracking | None) -> None:
    """Raise UserError if the package of the kind is missing."""
    if tracking is not None and find_spec(MODULES[tracking.kind]) is None:
        raise UserError(
            f"tracking.kind is {tracking.kind}, but {MODULES[tracking.kind]} cannot be imported; run "
            f"`pip install -e '.[{tracking.kind}]'`, or take tracking out"
        )


class MlflowClient:
    """A run for each job, in the MLflow experiment of this experiment's name."""

    def __init__(self, uri: str, experiment: str) -> None:
        if "://" not in uri and not uri.startswith("file:"):
            uri = Path(uri).absolute().as_uri()
        if uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        # a server that is down is noticed in seconds, not in minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow.tracking import MlflowClient as Their

        self._client = Their(tracking_uri=uri)
        known = self._client.get_experiment_by_name(experiment)
        self._experiment = known.experiment_id if known else self._client.create_experiment(experiment)

    def log(self, name: str, parameters: Mapping[str, str], figures: Sequence[Figure]) -> None:
        from mlflow.entities import Metric, Param

        now = round(1000 * time.time())
        run = self._client.create_run(self._experiment, run_name=name).info.run_id
        metrics = [Metric(key, value, now, step) for key, value, step in figures]
        params = [Param(key, value[:LETTERS]) for key, value in parameters.items()]
        self._client.log_batch(run, metrics=metrics[:BATCH], params=params)
        for start in range(BATCH, len(metrics), BATCH):
            self._client.log_batch(run, metrics=metrics[start : start + BATCH])
        self._client.set_terminated(run)


class TensorboardClient:
    """A folder for each job, below one of the experiment's name."""

    def __init__(self, folder: str, experiment: str) -> None:
        self._folder = Path(folder) / experiment

    def log(self, name: str, parameters: Mapping[str, str], figures: Sequence[Figure]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self._folder / name.replace("/", "-")))
        # a table of the page TEXT, in Markdown
        table = "\n".join(
            ["| key | value |", "|---|---|", *(f"| {key} | {value} |" for key, value in parameters.items())]
        )
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[table.encode()], tensor_shape=shape)
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(tag="parameters", metadata=metadata, tensor=tensor)
        writer.add_event(Event(wall_time=time.time(), summary=Summary(value=[value])))
        for key, figure, step in figures:
            summary = Summary(value=[Summary.Value(tag=key, simple_value=figure)])
            writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        writer.close()


def client_of(tracking: Tracking, experiment: str) -> Client:
    """Return what logs; it may raise whatever its library does."""
    made = MlflowClient if tracking.kind == "mlflow" else TensorboardClient
    return made(tracking.uri, experiment)


class Tracker:
    """Log jobs one after another, in a thread of its own, as long as that works."""

    def __init__(self, tracking: Tracking, experiment: str) -> None:
        self._tracking, self._experiment = tracking, experiment
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def __call__(self, job: Job) -> None:
        """Log a job that is done, soon."""
        self._jobs.put(job)

    def close(self) -> None:
        """Wait until all jobs are logged, but not for long."""
        self._jobs.put(None)
        self._thread.join(PATIENCE)

    def _work(self) -> None:
        client: Client | None = None
        while (job := self._jobs.get()) is not None:
            try:
                told = logged(job)
                if told is not None:
                    client = client or client_of(self._tracking, self._experiment)
                    client.log(str(job), *told)
            except Exception as error:  # noqa: BLE001 - whatever a client raises, the run goes on
                first = str(error).splitlines()[:1]
                print(
                    f"warning: tracking stops, since {self._tracking.kind} at {self._tracking.uri} failed: "
                    f"{type(error).__name__}: {' '.join(first)[:200]}; the results are not concerned",
                    file=sys.stderr,
                    flush=True,
                )
                return


def logged(job: Job) -> tuple[dict[str, str], list[Figure]] | None:
    """Return parameters and figures of a job, from the files that it wrote; None for one that trains nothing."""
    files = [Path(output) for output in job.outputs]
    tables = [file for file in files if file.name == "history.csv" or file.match("shard-*.csv")]
    records = [file for file in files if file.name == "metrics.json"]
    figures = [figure for table in tables if table.is_file() for figure in curves(read_csv(table))]
    parameters = {"rule": job.rule} | {name: str(value) for name, value in job.wildcards.items()}
    for record in records:
        if record.is_file():
            found = read_json(record)
            figures += [(f"final/{key}", float(value), 0) for key, value in found.items() if _is_figure(value)]
            parameters |= {key: str(found[key]) for key in PARAMETERS if found.get(key) is not None}
    return (parameters, figures) if figures else None


def curves(rows: Sequence[Mapping[str, str]]) -> Iterator[Figure]:
    """Yield the figures of a table, by column and step."""
    for place, row in enumerate(rows):
        step = next((_value(row[key]) for key in STEPS if key in row), math.nan)
        for key, cell in row.items():
            value = _value(cell)
            if key not in STEPS and math.isfinite(value):
                yield key, value, int(step) if math.isfinite(step) else place


def _value(cell: str) -> float:
    """Return the number in a cell; NaN for text."""
    try:
        return number(cell)
    except ValueError:
        return math.nan


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
