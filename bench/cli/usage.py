"""Wrong options and arguments are refused as every other wrong request is: in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from bench.contracts import BenchError

UsageError: Any = typer.BadParameter.__mro__[1]
"""What the library of the command line raises: its own module is private in some releases."""

OUTPUT = ("--out", "-o")


class Program(TyperGroup):
    """The commands; a BenchError in place of a box of five lines where they are used wrongly."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **named: Any) -> Any:
        _refuse_empty_output(args)
        with _refused():
            return super().make_context(info_name, args, *more, **named)

    def invoke(self, ctx: Any) -> Any:
        with _refused():
            return super().invoke(ctx)


def _refuse_empty_output(arguments: Sequence[str]) -> None:
    """BenchError for `--out ''`, such as a shell variable that is not set: as a path it is the current folder."""
    for word, following in zip(arguments, [*arguments[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in OUTPUT and (value if equals else following) == "":
            raise BenchError(f"{name} is empty: give a path, or leave it out", code="empty-output")


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise  # its message is the help itself
        reason = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
        command = f"{error.ctx.command_path} --help" if error.ctx else "--help"
        raise BenchError(f"{reason} (see {command})", code="usage") from error
