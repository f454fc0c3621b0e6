"""Where trainings are logged beside the results: the key `tracking`."""

from typing import Literal

from pydantic import Field

from nas_steps.config.section import Section, Text


class Tracking(Section):
    """No result depends on it, so it makes nothing stale."""

    kind: Literal["mlflow", "tensorboard"] = Field(description="Whose format; it needs the extra of this name.")
    uri: Text = Field(
        min_length=1,
        description="For MLflow the address of a server, `http://HOST:5000`, or a folder; for TensorBoard a folder. "
        "Passwords belong into the environment (`MLFLOW_TRACKING_TOKEN`), not here.",
    )
