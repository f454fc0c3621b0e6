"""`nas-steps`: Snakemake with the workflow that belongs to this package.

`nas-steps --configfile my.yaml` is `snakemake --snakefile <where it lies> --configfile my.yaml`; every option is
Snakemake's.
"""

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from nas_steps.errors import UserError


def main() -> None:
    """Become Snakemake, of the same Python, with the words of the command line."""
    try:
        words = command(sys.argv[1:])
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    os.execv(sys.executable, words)


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line to run. An option `--snakefile` or `-s` of the user goes before the package's own."""
    own = any(word in ("-s", "--snakefile") or word.startswith("--snakefile=") for word in arguments)
    snakefile = () if own else ("--snakefile", str(find()))
    return [sys.executable, "-m", "snakemake", *snakefile, *arguments]


def find() -> Path:
    """Return the Snakefile beside the package in a checkout, or the one that a wheel installed.

    Raises UserError if there is neither.
    """
    package = Path(__file__).resolve().parent
    # `pip install --target` and a wheel of a venv put share/ in different places
    homes = (
        package.parent,
        package.parent / "share" / "nas-steps",
        Path(sysconfig.get_path("data")) / "share" / "nas-steps",
    )
    for home in homes:
        if (home / "Snakefile").is_file() and (home / "rules").is_dir():
            return home / "Snakefile"
    places = ", ".join(str(home) for home in homes)
    raise UserError(f"there is no Snakefile of nas-steps in {places}; install its wheel, or name one with --snakefile")
