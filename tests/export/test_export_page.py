"""docs/reference/onnx.md: its lines run, and it names every key of the metadata."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported_world import exported
from PIL import Image
from tiny_world import prepared, retrained
from torch import Tensor, nn

from nas_steps.data.store import Meta, read_meta
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.export.model import described
from nas_steps.export.packages import FORMATS
from nas_steps.predict import load, predict
from nas_steps.provenance.files import read_json

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "onnx.md").read_text(encoding="utf-8")
LINES, LETTERBOX = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.S | re.M)


class Corners(nn.Module):
    """Three classes of RGB images, told by the colours of one corner each."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x[:, [0, 1, 2], [0, 3, 7], [0, 7, 3]]


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.jpg in the working directory: not square, and on its side."""
    monkeypatch.chdir(tmp_path)
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(small).resize((46, 31), Image.Resampling.BICUBIC).save(tmp_path / "photo.jpg", exif=exif)
    return tmp_path / "photo.jpg"


def by_the_page(lines: str = LINES) -> dict[str, float]:
    names: dict[str, Any] = {}
    exec(lines, names)
    return names["probabilities"]


def in_colour(folder: Path, **properties: Any) -> Path:
    meta = Meta(("a", "b", "c"), {}, (3, 8, 8), (0.5, 0.4, 0.3), (0.25, 0.2, 0.1), "", {})
    told = {"classes": list(meta.classes), **properties}
    write_onnx(folder / "model.onnx", Deployed(Corners(), meta, 8).eval(), meta, 18, told)
    return folder / "model.onnx"


def test_ten_lines_give_the_probabilities_of_predict(photo: Path) -> None:
    assert len(LINES.partition("\n\n")[2].splitlines()) == 10
    for name in ("model.onnx", "model_int8.onnx"):
        shutil.copy(exported("resnet20") / name, photo.with_name("model.onnx"))
        classes, session = load(photo.with_name("model.onnx"))
        found = by_the_page()
        assert list(found) == classes
        assert list(found.values()) == pytest.approx(predict(session, photo), abs=1e-6)


def test_the_ten_lines_keep_colours_and_the_temperature(photo: Path) -> None:
    found = {}
    for heat in (1, 3):
        session = load(in_colour(photo.parent, temperature=heat))[1]
        found[heat] = list(by_the_page().values())
        assert found[heat] == pytest.approx(predict(session, photo), abs=1e-6)
    assert max(found[1]) > max(found[3]) + 0.02


def test_the_ten_lines_crop_and_letterbox_as_the_training_did(photo: Path) -> None:
    before, rest = LINES.partition("kept = ")[::2]
    letterbox = f"{before}{LETTERBOX}pixels = {rest.partition('pixels = ')[2]}"
    whole = list(by_the_page(LINES).values()) if in_colour(photo.parent) else []
    for lines, properties in ((LINES, {"crop": 0.6}), (letterbox, {"fit": "letterbox"})):
        session = load(in_colour(photo.parent, **properties))[1]
        found = list(by_the_page(lines).values())
        assert found == pytest.approx(predict(session, photo), abs=1e-6)
        assert found != pytest.approx(whole, abs=0.01)


def test_every_key_of_the_metadata_is_on_the_page() -> None:
    told = {key for row in re.findall(r"^\| (`.*?`) \|", PAGE, flags=re.M) for key in re.findall(r"`(\w+)`", row)}
    metrics, meta = read_json(retrained("resnet20")), read_meta(prepared())
    facts = {"source": "lite0", "licence": "MIT", "normalisation": {"name": "lite"}}
    keys = set(described(metrics | {"weights": "lite0"}, meta, 18, facts))
    for name in ("model.onnx", "model_int8.onnx"):
        keys |= {one.key for one in onnx.load(exported("resnet20") / name).metadata_props}
    assert keys <= told


def test_every_format_and_file_is_on_the_page() -> None:
    for name, one in FORMATS.items():
        assert f"'.[{name}]'" in PAGE
        for suffix in one.suffixes:
            assert f"`model{suffix}`" in PAGE
