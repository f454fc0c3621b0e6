"""Check a table of latencies that another device measured, before any job runs. Imports no torch or NumPy."""

from pathlib import Path

from nas_steps.config.data import Data, known_side
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency
from nas_steps.config.space import filled
from nas_steps.config.text import TextData, vocabulary_size
from nas_steps.facts import NATIVE_CLASSES, NATIVE_SHAPE
from nas_steps.provenance.files import read_json
from nas_steps.search.latency_table import identity, read_table, refuse_others
from nas_steps.spaces.declare import declared_on_images


def table_of(config: Config) -> str | None:
    """Return the path of the table; None if latency is measured here, or is neither a constraint nor an objective."""
    latency = measured_latency(config.search)
    return None if latency is None else latency.table


def check_latencies(config: Config, prepared: Path) -> None:
    """Refuse a table of another space, or of other images as far as they are known. Raises UserError."""
    latency = measured_latency(config.search)
    if latency is None or latency.table is None:
        return
    own = identity(declared_on_images(filled(config.space)), config.retrain.network.model_dump(mode="json"))
    wanted = {**known_shape(config.data, prepared), "batch": latency.batch}
    refuse_others(latency.table, read_table(latency.table), own, wanted)


def known_shape(data: Data | TextData, prepared: Path) -> dict[str, int | None]:
    """Return the images' channels (`inputs`), side and number of classes; None for what only their files show.

    `prepared` is the folder of the prepared data, which need not be there.
    """
    if isinstance(data, TextData):
        return {"inputs": 1, "side": data.context, "classes": vocabulary_size(data)}
    if (prepared / "meta.json").is_file():
        found = read_json(prepared / "meta.json")
        return {"inputs": found["shape"][0], "side": found["shape"][1], "classes": len(found["classes"])}
    own = NATIVE_SHAPE[data.source][1] if data.source in NATIVE_SHAPE else 3 if data.source == "folder" else None
    return {
        "inputs": own if data.channels == "auto" else data.channels,
        "side": known_side(data),
        "classes": NATIVE_CLASSES.get(data.source),
    }
