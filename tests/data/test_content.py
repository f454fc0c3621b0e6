"""The fingerprint of the user's images holds what is read, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.content import content_fingerprint, same_outcome
from nas_steps.data.folder import read_folder
from nas_steps.errors import UserError
from nas_steps.provenance import contents
from nas_steps.provenance import fingerprint as fingerprints
from nas_steps.provenance.files import write_json
from nas_steps.workflow.plan import Plan


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this very moment are remembered, too."""
    monkeypatch.setattr(contents, "SETTLED", -3600.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes: one a folder, the other a link to a folder elsewhere, with a link to a file in it."""
    for place in ("photos/cat", "elsewhere/dog"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 40, 10, len(place))).save(tmp_path / place / f"{number}.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    (tmp_path / "elsewhere" / "dog" / "link.png").symlink_to(tmp_path / "red.png")
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "elsewhere" / "dog", target_is_directory=True)
    return tmp_path / "photos"


def of(folder: Path) -> str:
    return content_fingerprint(folder, folder.parent / "memory.json", folder.parent / "results")


def read(folder: Path) -> bytes:
    """All pixels and labels that the reader gives."""
    source = read_folder(Data(source="folder", path=str(folder)), folder.parent / "results")
    part = source.splits["train"]
    return part.images[:].tobytes() + part.labels.tobytes()


def test_links_to_folders_and_files_are_followed(photos: Path) -> None:
    first, pixels = of(photos), read(photos)
    Image.new("RGB", (8, 8), "blue").save(photos.parent / "red.png")  # the target of the link to a file
    second = of(photos)
    assert second != first
    assert read(photos) != pixels
    Image.new("RGB", (8, 8), "green").save(photos.parent / "elsewhere" / "dog" / "new.png")
    third = of(photos)
    assert third not in (first, second)
    (photos / "dog").unlink()
    (photos / "dog").symlink_to(photos / "cat", target_is_directory=True)
    assert of(photos) not in (first, second, third)


def never_read(photos: Path) -> None:
    for name in (
        ".DS_Store",
        "cat/.DS_Store",
        "Thumbs.db",
        "cat/Thumbs.db",
        "cat/notes.txt",
        "labels.csv",
        ".git/x.png",
    ):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_text("not an image")
    (photos / "documents").mkdir()
    (photos / "documents" / "readme.md").write_text("a folder without images")
    (photos / "cat" / "gone").symlink_to("nowhere")


@pytest.mark.parametrize("edit", [never_read])
def test_files_that_are_never_read_change_neither_the_fingerprint_nor_the_data(
    photos: Path, edit: Callable[[Path], None]
) -> None:
    first, pixels = of(photos), read(photos)
    edit(photos)
    assert of(photos) == first
    assert read(photos) == pixels


def test_a_folder_without_images_changes_nothing_of_split_folders_and_of_folders_around_all(photos: Path) -> None:
    around = photos.parent / "around"
    around.mkdir()
    photos.rename(around / "photos")
    first, pixels = of(around), read(around)
    (around / "documents").mkdir()
    (around / "documents" / "readme.md").write_text("nothing to see")
    assert of(around) == first
    assert read(around) == pixels


def test_an_image_whose_name_does_not_say_so_counts(photos: Path) -> None:
    first = of(photos)
    content = (photos / "cat" / "0.png").read_bytes()
    (photos / "cat" / "scan").write_bytes(content[:-1] + b"x")
    assert of(photos) != first


def test_the_results_are_no_data_even_where_they_lie_among_them(photos: Path) -> None:
    memory = photos / "results" / "settings" / "memory.json"
    first = content_fingerprint(photos, memory, photos / "results")
    (photos / "results").mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(photos / "results" / "figure.png")
    assert content_fingerprint(photos, memory, photos / "results") == first
    source = read_folder(Data(source="folder", path=str(photos)), photos / "results")
    assert source.classes == ["cat", "dog"]
    assert source.ignored == 0


def test_names_that_are_no_text_and_files_that_cannot_be_read_have_a_fingerprint(photos: Path) -> None:
    seen = {of(photos)}
    for name in (b"cat/caf\xe9.png", b"cat/caf\xe8.png"):
        with open(os.path.join(os.fsencode(photos), name), "wb") as file:
            file.write(b"the same")
        seen.add(of(photos))
    (photos / "cat" / "dangling.png").symlink_to("nowhere")
    seen.add(of(photos))
    os.mkfifo(photos / "cat" / "pipe.png")
    seen.add(of(photos))
    assert len(seen) == 5


def test_an_archive_among_the_images_is_known_by_its_own_content_where_it_is_the_data(photos: Path) -> None:
    """As a file among images it is nothing. That must not be taken for its content."""
    archive = photos / "set.npz"
    archive.write_bytes(b"one")
    of(photos)
    first = content_fingerprint(archive, photos.parent / "memory.json", photos.parent / "results")
    archive.write_bytes(b"two")
    of(photos)
    assert content_fingerprint(archive, photos.parent / "memory.json", photos.parent / "results") != first


def test_a_folder_of_another_name_is_the_same_data(photos: Path) -> None:
    first = of(photos)
    assert of(photos.rename(photos.with_name("pictures"))) == first
    archive = photos.parent / "a.npz"
    archive.write_bytes(b"123")
    same = of(archive)
    assert of(archive.rename(archive.with_name("b.npz"))) == same


def test_a_path_that_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe cannot be read: it is a pipe, socket, device or folder"):
        of(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("meta", "changes", "same"),
    [
        ({"skipped": []}, {}, False),  # of another version
        ({"skipped": [], "largest_image_pixels": 100}, {}, True),
        ({"skipped": [], "largest_image_pixels": 100}, {"unreadable": "skip"}, True),
        ({"skipped": [], "largest_image_pixels": 100}, {"max_image_pixels": 100}, True),
        ({"skipped": [], "largest_image_pixels": 100}, {"max_image_pixels": 99}, False),
        ({"skipped": [{"too_large_pixels": 0}], "largest_image_pixels": 1}, {}, False),
        ({"skipped": [{"too_large_pixels": 0}], "largest_image_pixels": 1}, {"unreadable": "skip"}, True),
        (
            {"skipped": [{"too_large_pixels": 200}], "largest_image_pixels": 1},
            {"unreadable": "skip", "max_image_pixels": 199},
            True,
        ),
        (
            {"skipped": [{"too_large_pixels": 200}], "largest_image_pixels": 1},
            {"unreadable": "skip", "max_image_pixels": 200},
            False,
        ),
    ],
)
def test_what_is_done_with_bad_files_matters_where_there_are_some(
    tmp_path: Path, meta: dict[str, object], changes: dict[str, object], same: bool
) -> None:
    write_json(tmp_path / "meta.json", meta)
    assert same_outcome(tmp_path, Data(source="folder", path="x", **changes)) is same


def test_data_that_another_run_has_prepared_otherwise_meanwhile_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two plans are made before there are data: both take the plain folder, and one of them prepares it."""
    for number in range(4):
        for name in ("cat", "dog"):
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)

    def plan(unreadable: str) -> Plan:
        return Plan({"data": {"source": "folder", "path": "photos", "unreadable": unreadable}})

    skips, refuses = plan("skip"), plan("refuse")
    assert skips.data_folder == refuses.data_folder
    refuses.check_prepared()
    meta = Path(skips.data_folder) / "meta.json"
    write_json(meta, {"skipped": [{"too_large_pixels": 0}], "largest_image_pixels": 64})
    skips.check_prepared()
    with pytest.raises(UserError, match=r"another run has prepared .* meanwhile.*run snakemake again"):
        refuses.check_prepared()
    assert plan("skip").data_folder == skips.data_folder != plan("refuse").data_folder
    write_json(meta, {"skipped": [], "largest_image_pixels": 64})
    refuses.check_prepared()
    assert plan("refuse").data_folder == skips.data_folder


def test_threads_change_no_fingerprint_and_each_file_is_read_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):  # several shares of the threads
        (photos / "cat" / f"more-{number}.png").write_bytes(b"%d" % number)
    (photos / "cat" / "dangling.png").symlink_to("nowhere")
    read: list[str] = []

    def file_hash(file: Path) -> str:
        read.append(file.name)
        return fingerprints.file_hash(file)

    monkeypatch.setattr(contents.Contents.of, "__defaults__", (file_hash,))
    found = {
        content_fingerprint(photos, photos.parent / f"memory-{threads}.json", photos.parent / "results", threads)
        for threads in (1, 2, 8)
    }
    assert len(found) == 1
    assert len(read) == 3 * (200 + 3 + 4)
    assert content_fingerprint(photos, photos.parent / "memory-2.json", photos.parent / "results") in found
    assert len(read) == 3 * (200 + 3 + 4)
