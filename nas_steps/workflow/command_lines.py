"""Write docs/reference/command_line.md from the parsers: `python -m nas_steps.workflow.command_lines > FILE`.

Each command is started up to the point where it parses its arguments, and its parser is taken there. So the page shows
what the command accepts, and a new command is found by itself.
"""

import argparse
import ast
import contextlib
import io
import runpy
import sys
from collections.abc import Iterator, Sequence
from unittest import mock

from nas_steps.provenance.fingerprint import PACKAGE
from nas_steps.workflow.steps import STEPS

HEAD = """# Commands

This page is generated from the commands' parsers by `make docs`; a test holds the two together.

Every command is a module: `python -m nas_steps.<name> --help` prints what is below. A command that fails because of
something that you can mend prints one line, `error: ...`, and exits with status 1.
"""
STEPS_HEAD = """
## Steps of the workflow

Snakemake runs these commands. Each prints its command line at the top of its log, so that you can run it by hand. The
Snakefile writes the file that `--settings` names; a step refuses one that was edited. Write to another `--output` than
the workflow's, since a run trusts only files that its own jobs wrote. [Steps and files](results.md) lists the outputs.
"""
INNER_HEAD = """
## Parts of other commands

The package starts these modules itself.

| module | what it does |
|---|---|
"""
#: modules that can be started, but that no user needs to
INNER = (
    "nas_steps.config.docs",
    "nas_steps.config.json_schema",
    "nas_steps.export.performance",
    "nas_steps.provenance.died",
    "nas_steps.provenance.forkserver.client",
    "nas_steps.provenance.forkserver.server",
    "nas_steps.start.probe",
    "nas_steps.training.launch",
    "nas_steps.workflow.command_lines",
    "nas_steps.workflow.docs",
)
#: the name of the argument by which a stage's command chooses its step
STEP = "step"
GUARD = 'if __name__ == "__main__":'


class _ParsedError(Exception):
    """The parser that a command was about to use."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def page() -> str:
    """Return the whole page. Starts each command, which changes signal handlers: call it in a process of its own."""
    commands: list[tuple[str, argparse.ArgumentParser]] = []
    steps: list[tuple[str, argparse.ArgumentParser]] = []
    for module in startable():
        if module in INNER:
            continue
        parser = parser_of(module, ["?"])
        if names := step_names(parser):
            found = [(f"{module} {name}", parser_of(module, [name])) for name in names]
        else:
            found = [(module, parser)]
        for command, one in found:
            made_by_rule = any(action.dest == "settings" and action.required for action in one._actions)
            (steps if made_by_rule or command.split()[-1] in STEPS else commands).append((command, one))
    parts = [HEAD, *(_section("##", *one) for one in commands)]
    parts += [STEPS_HEAD, *(_section("###", *one) for one in steps), INNER_HEAD]
    return "".join(parts) + "".join(f"| `{module}` | {_first_line(module)} |\n" for module in INNER)


def startable() -> list[str]:
    """Return the modules that `python -m` starts, sorted; of a package its own name."""
    files = [file for file in PACKAGE.rglob("*.py") if f"\n{GUARD}" in file.read_text(encoding="utf-8")]
    names = [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]
    return sorted(name.removesuffix(".__main__") for name in names)


def parser_of(module: str, arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Start `python -m module arguments...`, and return the parser of the arguments, or of those of a named step.

    Raises TypeError if the command parses none.
    """
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *_: object) -> argparse.Namespace:
        if arguments[0] in step_names(self):
            return parse_args(self, arguments[:1])
        raise _ParsedError(self)

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse),
        mock.patch.object(argparse.ArgumentParser, "parse_intermixed_args", parse),
        mock.patch.object(sys, "argv", [module, *arguments]),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            runpy.run_module(module, run_name="__main__")
        except _ParsedError as found:
            return found.parser
    raise TypeError(f"{module} parses no arguments; add it to INNER")


def step_names(parser: argparse.ArgumentParser) -> list[str]:
    """Return the steps among which a stage's command chooses; empty for another command."""
    return [name for action in parser._actions if action.dest == STEP for name in action.choices or ()]


def _section(level: str, command: str, parser: argparse.ArgumentParser) -> str:
    inner = level == "###"
    title = command.removeprefix("nas_steps.") if inner else command
    lines = ["", f"{level} {title}", "", *_description(parser.description or ""), ""]
    if inner:
        step = command.split()[-1]
        files = f" writes [these files](results.md#{step})" if step in STEPS else ""
        lines += [f"`python -m {command}`{files}", ""]
    rows = list(_rows(parser))
    table = ["| argument | meaning | default |", "|---|---|---|", *rows] if rows else []
    return "\n".join([*lines, *table]) + "\n"


def _description(text: str) -> Iterator[str]:
    """Yield a description's lines; a paragraph that is set in columns becomes a block of code."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        lines = paragraph.splitlines()
        fence = ["```"] if any("  " in line.strip() for line in lines) else []
        yield from ([""] if number else [])
        yield from (*fence, *lines, *fence)


def _rows(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    """Yield a row for each argument, and for those of its subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from _rows(one, f"{before}{name} ")
        elif action.dest != "help":
            meaning = (action.help or "") % {**vars(action), "prog": parser.prog}
            meaning, _, told = meaning.replace("<", "&lt;").replace("|", "\\|").partition(" (default: ")
            # whether a positional of any number counts as required depends on Python's version
            required = action.required and action.nargs not in ("*", "?")
            value = str(action.default) if _tells(action.default) else told.removesuffix(")")
            default = "required" if required else f"`{value}`" if value else ""
            yield f"| `{before}{_spelling(action)}` | {meaning} | {default} |"


def _tells(default: object) -> bool:
    return default not in (None, [], False, argparse.SUPPRESS)


def _spelling(action: argparse.Action) -> str:
    """Spell an argument as one types it: `--csv FILE`, `IMAGES ...`."""
    value = ""
    if action.nargs != 0:
        names = action.metavar or (action.choices and ",".join(map(str, action.choices))) or action.dest.upper()
        value = f"{names} ..." if action.nargs in ("*", "+") else str(names)
    return " ".join(filter(None, (", ".join(action.option_strings), value)))


def _first_line(module: str) -> str:
    """Return the first sentence of a module's docstring, without running it."""
    file = PACKAGE.parent / (module.replace(".", "/") + ".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
