"""The page of an experiment by another metric than accuracy says so wherever a figure is one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from made_up import MadeUp, report, write
from pictures import predictions_of

from nas_steps.calibration import calibration_error
from nas_steps.report.page import spoken


def page_of(folder: Path, metric: str) -> str:
    config = {"metric": metric} if metric != "accuracy" else {}
    written, settings = write(folder, MadeUp(config=config))
    report(written, settings)
    return (written / "report" / "report.html").read_text(encoding="utf-8")


def test_no_figure_is_called_an_accuracy_by_another_metric(tmp_path: Path) -> None:
    plain, other = page_of(tmp_path / "a", "accuracy"), page_of(tmp_path / "b", "macro_f1")
    assert "macro-F1" not in plain
    for text in ("Test macro-F1", "Macro-F1 against cost", "test macro-F1"):
        assert text in other
    # the checks of the ONNX files are accuracies, and codes are as they are
    left = re.sub(
        r"<!--plain-->.*?<!--/plain-->|<style>.*?</style>|<pre.*?</pre>|<code>.*?</code>", "", other, flags=re.S
    )
    assert re.findall(r"(?<![\w-])accurac\w+(?![\w-])", left, flags=re.I) == []
    assert "test accuracy" in "".join(re.findall(r"<!--plain-->.*?<!--/plain-->", other, flags=re.S))


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
def test_the_page_of_accuracy_is_not_touched(metric: str) -> None:
    page = "<p>An accuracy</p><code>accuracy</code><!--plain-->accuracy<!--/plain--><p>Accuracies</p>"
    assert spoken(page, "accuracy") == page
    assert "<code>accuracy</code><!--plain-->accuracy<!--/plain-->" in spoken(page, metric)
    assert "An accuracy" not in spoken(page, metric)


def test_the_calibration_error_is_that_of_the_predictions() -> None:
    tested = predictions_of(("cat", "dog", "owl"))
    right = tested.predicted == tested.labels
    assert tested.calibration_error == pytest.approx(calibration_error(tested.confidence, right))
    assert np.isfinite(tested.calibration_error)
