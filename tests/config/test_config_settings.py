"""Which steps a key reaches, and the settings files of steps."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from stepping import settings_files, settings_of

from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.config.strategies import Darts
from nas_steps.errors import UserError
from nas_steps.provenance.settings import read_settings
from nas_steps.search.settings import DartsSettings
from nas_steps.training.settings import TrainingSettings


def test_order_and_written_out_defaults_change_no_settings(tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    short = settings_files(load({}), tmp_path)
    full = Config().model_dump(mode="json")
    written = sorted((tmp_path / "settings").iterdir())
    assert settings_files(load(full), tmp_path) == short
    assert settings_files(load(turned(full)), tmp_path) == short
    assert sorted((tmp_path / "settings").iterdir()) == written
    assert {Path(file).name for file in short.values()} <= {file.name for file in written}


def changed_by(tmp_path: Path, *keys: str, value: Any) -> set[str]:
    """The steps whose settings differ when this key does."""
    raw = Config().model_dump(mode="json")
    raw["ranking"]["uniform"] = 8  # a calibration is part of the workflow where a uniform sample is
    other = copy.deepcopy(raw)
    place = other
    for key in keys[:-1]:
        place = place[key]
    assert place[keys[-1]] != value
    place[keys[-1]] = value
    before, after = (settings_files(load(one), tmp_path) for one in (raw, other))
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name] and name not in raw["search"]["strategies"]}


MEMBERS, GRID = {"choose_scaling", "train_member"}, {"describe_grid", "train_grid"}
POOL, SCORED = {"train_shortlist", "train_sample"}, {"evaluate", "score_sample"}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("retrain.recipe.epochs", 31, {"retrain", "export_networks", *MEMBERS}),
        ("retrain.train_on", "train+valid", {"retrain", *MEMBERS}),
        ("retrain.seeds", 4, set()),
        ("retrain.baselines", ["resnet20", "resnet32"], set()),
        ("retrain.network.cells", 6, {"retrain", *POOL, *GRID, *MEMBERS}),
        ("search.strategies.evolution.rounds", 4, {"budget"}),  # a round knows nothing of how many there are
        ("search.strategies.evolution.sample", 2, {"propose evolution"}),
        ("search.strategies.darts.alpha_learning_rate", 0.01, {"darts darts"}),
        ("search.strategies.random.evaluations", 9, {"propose random", "budget"}),
        ("search.strategies.darts.epochs", 9, {"darts darts", "budget"}),
        ("search.estimator.epochs", 9, {*SCORED, "budget"}),
        ("search.estimator.learning_rate", 0.2, SCORED),
        ("search.network.channels", 9, {*SCORED, "budget", "darts darts"}),
        ("ranking.shortlist", 4, {"shortlist", "calibrate"}),
        ("ranking.uniform", 9, {"sample"}),
        ("ranking.tolerance", 0.1, {"calibrate"}),
        ("ranking.most", 9, {"calibrate"}),
        ("ranking.final_share", 0.5, POOL),
        ("ranking.recipe.epochs", 9, POOL),
        ("ranking.seeds", 2, set()),
        ("scaling.recipe.epochs", 9, GRID),
        ("scaling.members", 3, MEMBERS),
        ("scaling.mac_budget", 1e6, MEMBERS),
        ("scaling.seeds", 3, set()),
        ("scaling.warm_start", True, MEMBERS),
        ("scaling.dropout_growth", 0.1, MEMBERS),
        ("scaling.macs_tolerance", 0.5, {*GRID, *MEMBERS}),
        ("export.tolerance", 0.1, {"export_networks", "export_scaled"}),
        ("data.max_train", 100, {"data"}),
        ("shards", 3, set()),
        ("experiment", "other", set()),
    ],
)
def test_a_key_reaches_only_the_steps_that_use_it(tmp_path: Path, key: str, value: Any, wanted: set[str]) -> None:
    assert changed_by(tmp_path, *key.split("."), value=value) == {*wanted, "report"}


def test_settings_are_read_back_as_their_step_sees_them(tmp_path: Path) -> None:
    config = load({"threads": 2, "retrain": {"train_on": "train+valid"}})
    step = settings_of(config, "retrain", TrainingSettings, tmp_path)
    assert (step.recipe, step.train_on, step.threads) == (config.retrain.recipe, "train+valid", 2)
    assert settings_of(config, "darts darts", DartsSettings, tmp_path).strategy == Darts()


def test_settings_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    paths = settings_files(load({}), tmp_path)
    before = Path(paths["data"]).stat()
    assert settings_files(load({}), tmp_path) == paths
    assert Path(paths["data"]).stat().st_mtime_ns == before.st_mtime_ns
    assert Path(paths["data"]).stat().st_ino == before.st_ino


def test_a_settings_file_that_was_edited_by_hand_is_not_trusted_by_its_name(tmp_path: Path) -> None:
    file = Path(settings_files(load({}), tmp_path)["retrain"])
    whole = file.read_text()
    file.write_text(whole.replace('"seed":0', '"seed":1'))
    with pytest.raises(UserError, match=r"edited by hand.*run snakemake again.*give the edited copy another name"):
        read_settings(file, TrainingSettings)
    own = file.rename(tmp_path / "my-settings.json")
    assert read_settings(own, TrainingSettings).seed == 1
    file.write_text(own.read_text())
    settings_files(load({}), tmp_path)  # the next run mends it
    assert file.read_text() == whole
    assert read_settings(file, TrainingSettings).seed == 0


def test_a_folder_that_was_moved_is_the_same_data_and_other_content_is_not(tmp_path: Path) -> None:
    def written(place: Path, source: str = "folder") -> str:
        return settings_files(load({"data": {"source": source, "path": str(place)}}), tmp_path / "results")["data"]

    places = [tmp_path / "a" / "photos", tmp_path / "b" / "photos", tmp_path / "b" / "others"]
    for place in places:
        place.mkdir(parents=True)
        (place / "1.png").write_text("abc")
    here, moved, renamed = map(written, places)
    assert here == moved == renamed
    (places[0] / "1.png").write_text("abcd")
    assert written(places[0]) != here
    assert len({written(Path(place), "cifar10") for place in ("x", "y")}) == 1
