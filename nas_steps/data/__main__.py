"""The data step: `python -m nas_steps.data --settings FILE --output DIR`."""

from collections.abc import Sequence
from pathlib import Path

from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.settings import read_settings
from nas_steps.provenance.task import parser, run

#: with more classes than this the log does not name them
CLASSES_NAMED = 20


def main(arguments: Sequence[str]) -> None:
    options = parser("nas_steps.data", "Read a source of images, split it and store it as arrays.")
    options.add_argument("--settings", required=True, type=Path, help="JSON file of the step's settings")
    options.add_argument("--path", help="where the source's files lie, for sources that read some")
    options.add_argument("--leave-out", type=Path, help="a folder among the images that is none of them")
    options.add_argument("--unreadable", choices=["refuse", "skip"], help="what to do with what cannot be read")
    options.add_argument("--max-image-pixels", type=int, help="the largest picture that is decoded")
    options.add_argument("--threads", type=int, default=1, help="threads that read photos; the result is the same")
    options.add_argument("--output", required=True, type=Path, help="folder to write to")
    given = options.parse_args(arguments)
    settings = read_settings(given.settings, DataSettings)
    names = ("path", "unreadable", "max_image_pixels")
    changed = {name: value for name in names if (value := getattr(given, name)) is not None}
    data = settings.data.model_copy(update=changed)
    print(f"seed {settings.seed}, source {settings.data.source}", flush=True)
    with measured(given.output / "cost.json", "data", "data") as cost:
        meta = prepare(settings.model_copy(update={"data": data}), given.output, given.leave_out, max(1, given.threads))
        cost.extra = {"source": meta["source"], "content": meta["content"]}
    sizes = ", ".join(f"{sum(counts.values())} {name}" for name, counts in meta["counts"].items())
    named = f" ({', '.join(meta['classes'])})" if len(meta["classes"]) <= CLASSES_NAMED else ""
    print(f"{len(meta['classes'])} classes{named}, images of {meta['shape']}: {sizes}")
    for text, count in sorted(meta["converted"].items()):
        print(f"converted: {text}: {count}")
    for entry in meta["skipped"]:
        print(f"skipped: {entry['file']}: {entry['reason']}")
    same, other = meta["duplicates"]["same_class_left_out"], meta["duplicates"]["other_class_left_out"]
    if same or other:
        print(f"duplicates left out: {same} of the same class, {other} under different classes")
    if meta["duplicates_across_splits"]:
        print(f"duplicates across the source's own splits: {meta['duplicates_across_splits']} (kept)")
    if meta["ignored"]:
        what = "keys of the archive that were not used" if settings.data.source == "npz" else "files that are no images"
        print(f"{what}, ignored: {meta['ignored']}")


if __name__ == "__main__":
    run(main, "nas_steps.data")
