"""The file of a sampling strategy's state: safetensors, with all that is no array as JSON in the header."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nas_steps.errors import UserError
from nas_steps.provenance.files import atomic, canonical_json
from nas_steps.search.protocol import State

KEY = "nas_steps.state"


def save_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a flat state. Equal states make equal files."""
    arrays = {name: np.asarray(value, order="C") for name, value in state.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in state.items() if name not in arrays}
    with atomic(path) as temporary:
        temporary.write_bytes(save(arrays, metadata={KEY: canonical_json(plain)}))


def load_state(path: str | Path) -> State:
    """Read such a file. Raises UserError if it is none."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {**json.loads(metadata[KEY]), **arrays}
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is no state of a search ({error}); delete it and run snakemake again") from None
