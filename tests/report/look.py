"""Pictures of the page: `python tests/report/look.py FOLDER [CASE ...]` writes FOLDER/<case>-<width>.png."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# pytest reads the tests' paths from pyproject.toml; a script does not
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from made_up import MadeUp, report, weights_config, write
from pictures import add_pictures, as_looked_up
from test_report_verdict import table_config

WIDTHS = (1280, 400)
#: height of a picture: the first screen, and the whole page
FIRST, WHOLE = 800, 7000
#: the frame around the page, since chromium has no window of 400 pixels
FRAME = '<body style="margin:0"><iframe src="{page}" style="border:0;width:{width}px;height:{height}px"></iframe>'
CASES: dict[str, dict[str, Any]] = {
    "win": {"means": {"darts": 0.972, "evolution": 0.962}, "spread": 0.0008},
    "loss": {"means": {"darts": 0.945, "evolution": 0.95}},
    "tie": {"between": 0.006},
    "one-search": {"searches": 1},
    "failures": {"failed": {"darts-0": 1, "darts-2": 1, "evolution-1": 1}, "means": {"darts": 0.975}},
    "recipe-flip": {"means": {"darts": 0.98}, "recipes": {"long": {"darts": 0.94}}},
    "nothing": {"diverged": ["all"], "scaled": False, "tau": None},
    "photos": {"classes": ["red fox", "grey wolf", "golden jackal", "raccoon dog"], "between": 0.004},
    "table": {},
    "weights": {
        "means": {"winner_from_nothing": 0.84, "pretrained_r16": 0.97, "pretrained_r8": 0.95, "pretrained_probe": 0.9},
        "scaled": False,
    },
}


def shoot(page: Path, picture: Path, width: int, height: int) -> None:
    """Take a picture of a page in a window of `width` times `height` CSS pixels."""
    with tempfile.TemporaryDirectory() as profile:
        frame = page.with_suffix(f".{width}.html")
        frame.write_text(FRAME.format(page=page.name, width=width, height=height), encoding="utf-8")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        options += [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={picture}"]
        subprocess.run(["chromium", *options, frame.as_uri()], check=True, capture_output=True, timeout=120)
        frame.unlink()


def printed(page: Path, file: Path) -> None:
    """Print a page to a PDF file."""
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        options += [f"--user-data-dir={profile}", f"--print-to-pdf={file}"]
        subprocess.run(["chromium", *options, page.as_uri()], check=True, capture_output=True, timeout=120)


def make(folder: Path, name: str) -> Path:
    """Write the made-up experiment of a case; return its page."""
    changes = CASES[name]
    if name == "table":
        changes = {"config": table_config(folder)}
    if name == "weights":
        changes = {**changes, "config": weights_config(folder)}
    results, settings = write(folder / name, MadeUp(**changes))
    if (results.parent / "data").is_dir():
        colour = name == "photos"
        add_pictures(results, 3 if colour else 1, 64 if colour else 8)
    else:
        as_looked_up(results)
    report(results, settings)
    return results / "report/report.html"


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for name in names or CASES:
            page = make(Path(scratch), name)
            for width in WIDTHS:
                shoot(page, folder / f"{name}-{width}.png", width, FIRST)
                shoot(page, folder / f"{name}-{width}-whole.png", width, WHOLE)
            printed(page, folder / f"{name}.pdf")
            print(folder / f"{name}-*.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
