"""`nas_steps.predict` with a language model, and with what is for the other kind of model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from exported_world import Prototypes, deployed
from language_world import CONTEXT, language_file
from made_up_text import prose
from test_predict import ALONE
from tiny_world import prepared

from nas_steps.data.store import read_meta
from nas_steps.data.text.tokens import Bytes
from nas_steps.errors import UserError
from nas_steps.export.convert import write_onnx
from nas_steps.generation import windows_of_text
from nas_steps.predict import load, opened
from nas_steps.predict import main as predict
from nas_steps.provenance.files import write_json


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predict-text") / "classifier.onnx"
    write_onnx(
        path, deployed(Prototypes()), read_meta(prepared()), 18, {"classes": [str(digit) for digit in range(10)]}
    )
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    predict([str(argument) for argument in arguments])
    return capsys.readouterr().out


def test_a_text_is_continued_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = language_file()
    given = (path, "--continue", "katomi ", "--tokens", 30)
    out = printed(capsys, *given, "--seed", 3)
    assert out.startswith("katomi ")
    assert out == printed(capsys, *given, "--seed", 3) != printed(capsys, *given, "--seed", 4)
    assert out.endswith("\n")
    # a byte is at most a letter here, and all others are shown as one
    assert 7 < len(out) <= 7 + 30 + 1
    assert not {letter for letter in out if ord(letter) < 32} - {"\n", "\t", "\r"}
    cold = [printed(capsys, *given, "--temperature", 0, "--seed", seed) for seed in (1, 2)]
    assert cold[0] == cold[1]


def test_letters_of_several_bytes_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = language_file()
    spoken = iter("zoë\x1b[31m€".encode())
    monkeypatch.setattr("nas_steps.generation.drawn", lambda *_: next(spoken))
    assert printed(capsys, path, "--continue", "naïve ", "--tokens", 12) == "naïve zoë\ufffd[31m€\n"


def test_an_unfinished_letter_is_shown_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = language_file()
    monkeypatch.setattr("nas_steps.generation.drawn", lambda *_: 0xC3)
    assert printed(capsys, path, "--continue", "", "--tokens", 1) == "\ufffd\n"


def test_a_file_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = language_file()
    (tmp_path / "prose.txt").write_bytes(prose(7, 1234))
    from nas_steps.generation import open_language

    found = open_language(path, opened(path)).score(windows_of_text(Bytes(), prose(7, 1234), CONTEXT))
    assert printed(capsys, path, "--score", tmp_path / "prose.txt") == (
        f"{tmp_path / 'prose.txt'}: {found.bits_per_byte:.4f} bits per byte over 1,234 bytes; "
        f"{100 * found.accuracy:.1f} % of 1,234 tokens are the likeliest\n"
    )


def test_the_folder_of_an_experiment_means_its_recommended_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = language_file()
    (tmp_path / "export" / "random-0").mkdir(parents=True)
    (tmp_path / "export" / "random-0" / "model.onnx").write_bytes(path.read_bytes())
    write_json(tmp_path / "recommended.json", {"entry": "random-0", "file": "export/random-0/model.onnx"})
    expected = printed(capsys, path, "--continue", "ka", "--tokens", 9)
    for place in (tmp_path, tmp_path / "recommended", tmp_path / "random-0"):
        assert printed(capsys, place, "--continue", "ka", "--tokens", 9) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "model.onnx is a language model; give --continue TEXT or --score FILE"),
        (("x.png",), "is a language model; leave out the images, and give --continue TEXT or --score FILE"),
        (("x.png", "--top", "2", "--continue", ""), "is a language model; leave out the images and --top$"),
        (("--csv", "a.csv", "--score", "x"), "is a language model; leave out --csv$"),
        (("--score", "x", "--seed", "0"), "--score draws no tokens; leave out --seed, or give --continue TEXT"),
        (("--score", "no/such.txt"), "there is no file no/such.txt"),
        (("--score", "."), r"\. is a folder; name a file of text"),
        (("--score", os.devnull), "is a pipe, a socket or a device, no file; name a file of text"),
    ],
)
def test_what_a_language_model_does_not_take_is_refused(given: tuple[str, ...], words: str) -> None:
    path, _ = language_file()
    with pytest.raises(UserError, match=words):
        predict([str(path), *given])


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match="empty.txt is empty; name a file of text"):
        predict([str(language_file()[0]), "--score", str(tmp_path / "empty.txt")])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "classifier.onnx classifies images; name image files or folders"),
        (("--continue", ""), "classifies images; leave out --continue, and name image files or folders"),
        (("x.png", "--score", "x", "--seed", "0"), "classifies images; leave out --score and --seed$"),
    ],
)
def test_what_a_classifier_does_not_take_is_refused(given: tuple[str, ...], words: str, classifier: Path) -> None:
    with pytest.raises(UserError, match=words):
        predict([str(classifier), *given])


def test_a_language_model_has_no_classes() -> None:
    with pytest.raises(UserError, match="is a language model, which has no classes; continue a text with it"):
        load(language_file()[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--temperature", "-1"), "'-1' is no temperature; give 0 or more"),
        (("--temperature", "inf"), "'inf' is no temperature; give 0 or more"),
        (("--seed", "x"), "'x' is no whole number; give 0 or more"),
        (("--tokens", "0"), "'0' is no number; give 1 or more"),
        (("--score", "x"), "not allowed with argument --continue"),
    ],
)
def test_options_that_are_none_are_refused(
    given: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict([str(language_file()[0]), "--continue", "x", *(f"{a}={b}" for a, b in [given])])
    assert words in capsys.readouterr().err


def test_pillow_numpy_and_onnxruntime_are_enough_for_bytes() -> None:
    command = [sys.executable, "-c", ALONE, str(language_file()[0]), "--continue", "ka", "--tokens", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("ka")
