"""The class of every command, which reports options that are given twice."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from slm.cli.no_effect import say_idle


class Command(TyperCommand):
    """A command that reports an option with one value that is given twice; the last one is used."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in dict.fromkeys(order):
            takes_one = not getattr(parameter, "multiple", True)
            if takes_one and not getattr(parameter, "is_flag", True) and order.count(parameter) > 1:
                say_idle([f"the earlier {parameter.opts[-1]}"], "the last one is used")
        return super().parse_args(ctx, args)
