"""The manifest of an experiment: `python -m nas_steps.manifest --check results/<experiment>`."""

from collections.abc import Sequence

from nas_steps.errors import UserError
from nas_steps.provenance.task import parser, run

MODULE = "nas_steps.manifest"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, "Write, check or adopt the manifest of an experiment's results.")
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", metavar="FOLDER", help="compare every file of results/<experiment> with its manifest")
    adopting = "check it, then tell Snakemake what the files were made with: for results that came without .snakemake"
    what.add_argument("--adopt", metavar="FOLDER", help=adopting)
    what.add_argument("--write", metavar="FOLDER", help="hash every file and write manifest.json, as the workflow does")
    options.add_argument("--settings", help="with --write: the step's settings file, made by the Snakefile")
    checking = "with --check: also say what differs from this config and from the code as it is now"
    moved = "with --adopt: where the images lie, if they were moved"
    options.add_argument("--config", nargs="+", default=[], metavar="YAML", help=f"{checking}; {moved}")
    given = options.parse_args(arguments)
    if given.write:
        if given.settings is None:
            raise UserError("--write needs --settings, the file that the Snakefile writes; run snakemake instead")
        from nas_steps.workflow.manifest.write import write

        print(f"{len(write(given.write, given.settings)['files'])} files listed")
    elif given.adopt:
        from nas_steps.workflow.manifest.adopt import adopt

        print(f"{adopt(given.adopt, given.config)} files are as listed, and Snakemake knows them again")
    else:
        check(given.check, given.config)


def check(folder: str, configs: Sequence[str]) -> None:
    """Compare a folder with its manifest. Raises UserError with the differences."""
    from nas_steps.workflow.manifest.compare import changed_files, differences, read_manifest

    manifest = read_manifest(folder)
    lines = changed_files(folder, manifest)
    if configs:
        from nas_steps.workflow.plan import Plan, check_files, merged

        plan = Plan(merged(configs), check_files(list(configs)))
        lines += [f"stale: {name}: {'; '.join(told)}" for name, told in differences(manifest, plan).items()]
    if lines:
        raise UserError(f"{folder} is not what its manifest says:\n" + "\n".join(f"  {line}" for line in lines))
    print(f"{folder}: {len(manifest['files'])} files, all as listed" + (", all current" if configs else ""))


if __name__ == "__main__":
    run(main, MODULE)
