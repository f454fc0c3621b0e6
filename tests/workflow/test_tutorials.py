"""The tutorials' commands run in their order, on small made-up photos and texts, and their code works as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from exported_world import Prototypes, deployed
from PIL import Image
from tiny_world import prepared

from nas_steps.config.load import read_yaml
from nas_steps.data.store import load_split, read_meta
from nas_steps.export.convert import write_onnx
from nas_steps.provenance.files import write_json

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PHOTOS, SLURM, TEXT = (DOCS / "tutorials" / f"{name}.md" for name in ("photos", "compare_on_slurm", "language_models"))
PAGES = [PHOTOS, SLURM, TEXT, *sorted((DOCS / "explanation").glob("*.md")), *sorted((DOCS / "strategies").glob("*.md"))]
COMPARE = (
    "snakemake --workflow-profile profiles/slurm --configfile config/verdict_cifar10.yaml --config images=cifar10.npz"
)
#: commands that another test runs, or none, and why
ELSEWHERE = {
    "pip install -e '.[slurm]'": "it asks a package index",
    COMPARE: ("it needs a cluster: .ci/slurm/check sends a small workflow through one and cancels its jobs"),
    "snakemake --configfile config/my_text.yaml": "tests/workflow/test_language.py runs a small one",
    'python -m nas_steps.predict results/my_text --continue "import "': "tests/test_predict_text.py",
    "python -m nas_steps.predict results/my_text --score notes/one.txt": "tests/test_predict_text.py",
    "python -m nas_steps.why config/config.yaml": "tests/workflow/test_why.py",
    "python -m nas_steps.manifest --check results/digits": "tests/workflow/test_manifest.py",
    "snakemake --configfile config/factorial.yaml": "tests/workflow/test_factorial.py runs a small one",
}
#: commands of pages that tests of this file run
HERE = {
    f"{COMPARE} -n",
    "snakemake --configfile config/my_text.yaml -n",
}


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language; those without one are commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return [text for name, text in found if name == language]


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "") for line in block.splitlines() if line.strip()]


def call(command: str, folder: Path) -> str:
    """Run one of our commands in a folder as a user does; return what it prints."""
    words = shlex.split(command)
    words = [str(ROOT / word) if word.startswith(("profiles/", "config/verdict")) else word for word in words]
    first = [sys.executable] if words[0] == "python" else [sys.executable, "-m", "snakemake"]
    flags = ["--snakefile", str(ROOT / "Snakefile")] if words[0] == "snakemake" else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [*first, *words[1:], *flags], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    return ran.stdout + ran.stderr


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Start the page's service on a free port; yield its address."""
    (code,) = blocks(PHOTOS, "python")
    (folder / "serve.py").write_text(code, encoding="utf-8")
    (command,) = [line for line in commands(PHOTOS) if line.startswith("python serve.py")]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [sys.executable, *shlex.split(command)[1:-1], port]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE) as service:
        try:
            while service.poll() is None:
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", int(port))) == 0:
                        break
                time.sleep(0.05)
            assert service.poll() is None, service.communicate()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            service.kill()


def ask(address: str, data: bytes) -> tuple[int, dict[str, object]]:
    """What `curl --data-binary` gets: the status and the JSON."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder with flowers.zip and photo.jpg: noise of three colours, no two photos alike."""
    generator = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "flowers.zip", "w") as archive:
        for channel, name in enumerate(("daisy", "rose", "tulip")):
            for number in range(30):
                pixels = generator.integers(0, 160, (18, 20, 3), np.uint8)
                pixels[..., channel] += 80
                Image.fromarray(pixels).resize((160, 140)).save(tmp_path / "photo.jpg")
                archive.write(tmp_path / "photo.jpg", f"flowers/{name}/{number:03}.jpg")
    return tmp_path


def test_every_command_is_run_or_named_with_a_reason() -> None:
    told = {command for page in PAGES if page != PHOTOS for command in commands(page)}
    assert told == ELSEWHERE.keys() | HERE
    for reason in ELSEWHERE.values():
        for file in re.findall(r"tests/[\w/]+\.py|\.ci/slurm/check", reason):
            assert (ROOT / file).is_file(), file


def test_the_commands_about_photos_are_those_that_the_tests_run() -> None:
    assert [line.split()[0:3:2] for line in commands(PHOTOS)] == [
        ["python", "nas_steps.start"],
        ["snakemake", "config/flowers.yaml"],
        ["snakemake", "config/flowers.yaml"],
        ["python", "nas_steps.predict"],
        ["python", "results/flowers"],
        ["curl", "--data-binary"],
    ]


@pytest.mark.workflow
def test_photos_become_a_config_and_a_plan(flowers: Path) -> None:
    start, dry, *_ = commands(PHOTOS)
    told = call(start, flowers)
    assert "Photos: 90 of 3 classes: daisy 30, rose 30, tulip 30" in told
    # the page shows the lines that are printed
    (shown, planned) = [block for block in blocks(PHOTOS, "text") if "Time: about" in block]
    for line in ("Photos: ", "Machine: ", "Plan: ", "  what ", "  together ", "Time: about ", "Written: "):
        assert f"\n{line}" in f"\n{shown}"
        assert f"\n{line}" in f"\n{told}"
    plan = call(dry, flowers)
    for line in ("Job stats:", "Profile of the space ", "  what ", "Time: about "):
        assert f"\n{line}" in f"\n{planned}"
        assert f"\n{line}" in f"\n{plan}"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder with results/flowers, whose network tells digits apart, and photo.jpg, a digit."""
    folder = tmp_path / "results" / "flowers"
    (folder / "export").mkdir(parents=True)
    told = {"classes": [str(digit) for digit in range(10)]}
    write_onnx(folder / "export" / "model.onnx", deployed(Prototypes()), read_meta(prepared()), 18, told)
    write_json(folder / "recommended.json", {"entry": "prototypes", "file": "export/model.onnx"})
    split = load_split(prepared(), "test")
    Image.fromarray(split.images[0, 0]).resize((64, 64)).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path


def test_the_service_answers_as_predict_does(exported: Path) -> None:
    (predict,) = [line for line in commands(PHOTOS) if "nas_steps.predict" in line]
    printed = call(predict, exported)
    photo = (exported / "photo.jpg").read_bytes()
    with serving(exported) as address:
        status, answer = ask(address, photo)
        assert ask(address, b"no photo") == (400, {"error": "this is not a photo that Pillow can read"})
        assert ask(address, b"") == (413, {"error": "send a photo of 1 to 20000000 bytes"})
    assert status == 200
    shares = {name: float(str(share)) for name, share in answer.items()}
    assert list(shares) == [str(digit) for digit in range(10)]
    assert sum(shares.values()) == pytest.approx(1)
    best = max(shares, key=lambda name: shares[name])
    assert re.search(rf"photo\.jpg\W+{best}\b", printed), printed


@pytest.mark.workflow
@pytest.mark.long
def test_photos_become_a_service(flowers: Path) -> None:
    start, _, run, predict, *_ = commands(PHOTOS)
    for command in (start, run):
        call(command, flowers)
    assert (flowers / "results" / "flowers" / "report" / "report.html").is_file()
    assert "photo.jpg" in call(predict, flowers)
    with serving(flowers) as address:
        status, answer = ask(address, (flowers / "photo.jpg").read_bytes())
    assert status == 200
    assert set(answer) == {"daisy", "rose", "tulip"}


@pytest.mark.workflow
def test_a_folder_of_text_makes_a_plan(tmp_path: Path) -> None:
    config = read_yaml(str(ROOT / "config" / "language.yaml"))
    (changes,) = [yaml.safe_load(block) for block in blocks(TEXT, "yaml")]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "my_text.yaml").write_text(yaml.safe_dump({**config, **changes}), encoding="utf-8")
    (tmp_path / "notes").mkdir()
    words = np.random.default_rng(0).integers(97, 123, (20, 60_000), np.uint8)
    for number, letters in enumerate(words):
        (tmp_path / "notes" / f"{number}.txt").write_bytes(letters.tobytes())
    (dry,) = [line for line in HERE if "my_text" in line]
    assert re.search(r"^train_rung +\d+$", call(dry, tmp_path), flags=re.M)


@pytest.mark.workflow
def test_a_comparison_on_slurm_makes_a_plan(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (400, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "cifar10.npz", images=images, labels=np.arange(400) % 10)
    (dry,) = [line for line in HERE if "slurm" in line]
    plan = call(dry, tmp_path)
    assert re.search(r"^Using workflow specific profile \S*profiles/slurm ", plan, flags=re.M)
    assert re.search(r"^darts +5$", plan, flags=re.M)
    partitions = read_yaml(str(ROOT / "profiles" / "slurm" / "partitions.yaml"))
    assert partitions in [yaml.safe_load(block) for block in blocks(SLURM, "yaml")]


def test_outputs_that_pages_share_are_the_measured_ones() -> None:
    measured = (DOCS / "measurements.md").read_text(encoding="utf-8")
    told = " ".join(measured.split())
    for page in (SLURM, TEXT):
        for quote in re.findall(r"^> (.*)", page.read_text(encoding="utf-8"), flags=re.M):
            assert quote in told, quote
        figures = "\n".join(re.findall(r"^\|.*", page.read_text(encoding="utf-8"), flags=re.M))
        assert [one for one in re.findall(r"-?\d\.\d+", figures) if one not in measured] == []
