"""What YAML and the command line make of what is written: truth values, numbers, names, paths, whole files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from snakemake.cli import parse_config

from nas_steps.config.load import load, read_yaml
from nas_steps.config.schema import Config
from nas_steps.config.truth import misplaced
from nas_steps.errors import UserError


def read(folder: Path, text: str | bytes) -> Config:
    """The config in a file of that content."""
    file = folder / "a.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(read_yaml(file), "a.yaml")


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UserError) as error:
        read(folder, text)
    told = str(error.value)
    assert told.count("\n") == told.startswith("a.yaml is refused:")  # one message, in one line
    assert "a.yaml" in told
    return told


# ---------------------------------------------------------------------------------------- truth and numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("retrain: {recipe: {epochs: yes}}", ["retrain.recipe.epochs: given True", "a whole number is wanted"]),
        ("ranking: {uniform: true}", ["ranking.uniform: given True"]),
        ("ranking: {shortlist: on}", ["ranking.shortlist: given True", "a whole number or auto"]),
        ("data: {valid: no}", ["data.valid: given False", "a number is wanted"]),
        ("data: {channels: yes}", ["data.channels: given True", "auto or 1 or 3"]),
        ("search: {network: {reductions: [1, yes]}}", ["search.network.reductions.1: given True"]),
        (
            "search: {strategies: {random: {}, mine: {kind: darts, epochs: yes}}}",
            ["strategies.mine.epochs: given True"],
        ),
        ("search: {estimator: {kind: zero_cost, batch_size: on}}", ["search.estimator.batch_size: given True"]),
        ("search: {constraints: {macs: yes}}", ["search.constraints.macs: given True"]),
        ("retrain: {recipe: {gradient_clip: off}}", ["retrain.recipe.gradient_clip: given False"]),
        ("scaling: {depth: [yes]}", ["scaling.depth.0: given True"]),
        ("retrain: {baselines: [yes, resnet20]}", ["retrain.baselines.0: given True", "a text in quotes"]),
        ("export: {int8: {enabled: 1}}", ["export.int8.enabled: given 1; write true or false"]),
        ("export: {int8: {enabled: '0'}}", ["export.int8.enabled: given '0'; write true or false"]),
        ("retrain: {recipe: {augment: {flip: 1.0}}}", ["retrain.recipe.augment.flip: given 1.0"]),
        ("space: {preset: mobile_small, stages: [{width: [8, 16], depth: yes}]}", ["stages[0].depth is True"]),
        ("space: {preset: mobile_small, stages: [{width: [8, 16], skip: 1}]}", ["stages[0].skip is 1"]),
        ("seed: 010", ["line 1", "octal number 8", "write 10 or 8", '"010"']),
        ("data:\n  max_train: -017", ["line 2", "octal number -15"]),
        ("seed: 1:30", ["line 1", "reads 1:30 as 90", "base of 60"]),
        ("seed: 1:30.5", ["reads 1:30.5 as 90.5"]),
        ("seed: 0o10", ["seed: given '0o10'"]),
        ("seed: " + 5000 * "9", ["line 1", "is no int"]),
        ("seed: 2024-13-45", ["line 1", "is no timestamp", "month"]),
        ("seed: .nan", ["seed: given nan"]),
        ("seed: 1.0e+400", ["seed: given inf"]),
    ],
)
def test_what_is_no_number_or_no_truth_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    told = refusal(tmp_path, text)
    for word in words:
        assert word in told


def test_what_is_derived_from_a_misplaced_truth_is_no_second_mistake(tmp_path: Path) -> None:
    # 1 epoch would be too few for the warm-up
    assert "warmup" not in refusal(tmp_path, "retrain: {recipe: {epochs: yes}}")
    with pytest.raises(UserError) as error:
        read(tmp_path, "retrain: {recipe: {epochs: yes}}\nsearch: {strategies: {random: {}, evolution: {sample: 9}}}")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("spelt", ["true", "yes", "on", "True", "YES", "'true'", "'on'"])
def test_truth_may_be_spelt_as_in_yaml(tmp_path: Path, spelt: str) -> None:
    assert read(tmp_path, f"retrain: {{recipe: {{augment: {{flip: {spelt}}}}}}}").retrain.recipe.augment.flip is True


def test_numbers_of_one_reading_stay(tmp_path: Path) -> None:
    assert [read(tmp_path, f"seed: {text}").seed for text in ("0", "1_000", "0x1F", "09", "'010'", "7.0")] == [
        0, 1000, 31, 9, 10, 7,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["seed=yes", "seed=true", "seed=True", "shards=on"])
def test_the_command_line_agrees(text: str) -> None:
    with pytest.raises(UserError, match="given (True|'yes'|'true'|'on')"):
        load(parse_config([text]))
    assert load(parse_config(["seed=010"])).seed == 10  # no octals there


def _plain_fields(section: type[BaseModel], place: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _plain_fields(inner, (*place, name))
        else:
            found.append(((*place, name), inner))
    return found


def test_no_whole_number_of_the_config_takes_a_truth_value() -> None:
    numbers = [place for place, kind in _plain_fields(Config) if kind in (int, float)]
    assert len(numbers) > 50
    for place in numbers:
        raw: Any = True
        for key in reversed(place):
            raw = {key: raw}
        assert [found for found, _ in misplaced(raw, [Config])] == [place]


# ------------------------------------------------------------------------------------------ names and paths


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("experiment: 2024", "2024"),
        ("experiment: 2024-01-31", "2024-01-31"),
        ("experiment: '007'", "007"),
        ("experiment: '1.50'", "1.50"),
    ],
)
def test_a_name_that_looks_like_a_number_is_a_name(tmp_path: Path, text: str, name: str) -> None:
    assert read(tmp_path, text).experiment == name


@pytest.mark.parametrize("spelt", ["yes", "007", "1_000", "0x1F", "1:30", "2024-01-31 10:00:00", "1.50", "1.5"])
@pytest.mark.parametrize("key", ["experiment", "images"])
def test_one_that_would_be_another_is_refused_with_quotes(tmp_path: Path, key: str, spelt: str) -> None:
    told = refusal(tmp_path, f"seed: 1\n{key}: {spelt}")
    assert "quotes" in told or f'"{spelt}" for a text' in told
    assert key in told or "line 2" in told


def test_names_of_strategies_may_look_like_numbers(tmp_path: Path) -> None:
    config = read(tmp_path, "search: {strategies: {1: {kind: random}, 2: {kind: darts}}}")
    assert list(config.search.strategies) == ["1", "2"]
    told = refusal(tmp_path, "search: {strategies: {1: {kind: random}, '1': {kind: darts}}}")
    assert "the name 1 stands twice" in told
    told = refusal(tmp_path, "search: {strategies: {on: {kind: random}, darts: {}}}")
    assert "search.strategies: the name True is no text; put it into quotes" in told


def test_paths_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("2024", "home/photos", "-dash"):
        Path(name).mkdir(parents=True)
    folder = {"data": {"source": "folder"}}
    assert load({**folder, **parse_config(["images=2024"])}).data.path == "2024"
    assert load({**folder, **parse_config(["images=~/photos"])}).data.path == str(tmp_path / "home" / "photos")
    assert load({**folder, **parse_config(["images=-dash"])}).data.path == "-dash"
    with pytest.raises(UserError, match=r"no folder \(or .zip\) '7'.*'images=\"007\"'"):
        load({**folder, **parse_config(["images=007"])})
    with pytest.raises(UserError, match=r"images: given 1.5, but a text is wanted"):
        load({**folder, **parse_config(["images=1.50"])})


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_working_directory(path: str) -> None:
    for raw in ({"data": {"source": "folder", "path": path}}, {"images": path, "data": {"source": "folder"}}):
        with pytest.raises(UserError, match="which names nothing; give a path") as error:
            load(raw)
        assert len(str(error.value).splitlines()) == 2


def test_a_path_that_is_not_utf8_is_refused_in_one_line(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff")
    os.mkdir(path)
    for raw in ({"images": path, "data": {"source": "folder"}}, {"data": {"source": "folder", "path": path}}):
        with pytest.raises(UserError, match="is not UTF-8; rename it") as error:
            load(raw)
        assert len(str(error.value).splitlines()) == 2


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    table = {"search": {"estimator": {"kind": "table", "path": str(pipe), "search": "a", "report": "b"}}}
    table["search"]["strategies"] = {"random": {"evaluations": 3}}  # type: ignore[assignment]
    for raw in (
        *(
            {"data": {"source": source, "path": path}}
            for source in ("folder", "npz")
            for path in ("/dev/zero", str(pipe))
        ),
        table,
    ):
        with pytest.raises(UserError, match="path: '.*' is a pipe, a socket or a device, no file"):
            load(raw)
    with pytest.raises(UserError, match="the config file .* is a pipe, a socket or a device"):
        read_yaml(pipe)
    with pytest.raises(UserError, match="is a folder; set data.source: folder"):
        load({"data": {"source": "npz", "path": str(tmp_path)}})
    with pytest.raises(UserError, match="cannot be read .*too long"):
        load({"data": {"source": "folder", "path": 300 * "x"}})


# -------------------------------------------------------------------------------------------- whole files

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 64))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 64))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LAUGHS, ["line 15", "expand to more than 100,000 values"]),
        (MERGES, ["expand to more than 100,000 values"]),
        ("a: &a [*a]\n", ["line 1", "an anchor holds itself"]),
        ("a: 1\nretrain: &a {recipe: *a}\n", ["line 2", "an anchor holds itself"]),
        ("a: " + 5000 * "[" + 5000 * "]", ["nested too deeply"]),
        ("seed: 1\ndata:\n\tsource: digits\n", ["line 3", "by spaces, not by tabs"]),
        ("seed: 1\na: [\n", ["not valid YAML", "line 3"]),
        ("seed: 1\nb: \x07\n", ["line 2", r"'\x07' is not allowed"]),
        (b"seed: 1\n# caf\xe9\n", ["no UTF-8 text", "line 2", "0xe9"]),
        ("seed: 1\n".encode("utf-16"), ["no UTF-8 text", "line 1", "0xff"]),
        ("a: 1\n[b]: 2\n", ["line 2", "a key must be a name"]),
        ("a: 1\n? {b: 1}\n: 2\n", ["line 2", "a key must be a name"]),
        ("a: !!python/tuple [1]\n", ["line 1", "python/tuple"]),
    ],
)
def test_a_file_that_is_no_yaml_or_has_no_end_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, words: list[str]
) -> None:
    told = refusal(tmp_path, content)
    assert len(told) < 500
    for word in words:
        assert word in told


def test_a_byte_order_mark_is_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfseed: 4\n").seed == 4


def test_a_value_without_end_is_told_in_few_words() -> None:
    # a workflow that uses this one as a module hands over values, not files
    value: list[Any] = ["x"]
    for _ in range(64):
        value = [value, value]
    value.append(value)
    with pytest.raises(UserError) as error:
        load({"zzz": value, "retrain": {"baselines": value}})
    assert len(str(error.value)) < 2000
