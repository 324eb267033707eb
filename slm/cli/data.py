"""`slm data check`: what is wrong with a text before hours of training go into it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.command import Command
from slm.cli.examples import epilog
from slm.cli.options import Json
from slm.cli.output import print_json, print_table
from slm.errors import UsageError
from slm.quantities import counted, megabytes
from slm.reporting.display import say, stage_progress

if TYPE_CHECKING:
    from slm.data.quality.findings import TextReport

app = typer.Typer(rich_markup_mode=None, help="Check a text before training.")


@app.callback(epilog=epilog("slm data"))
def _data() -> None:
    """Check a text before training."""


@app.command(
    "check",
    cls=Command,
    short_help="Find damage, duplicates and cut-off documents in a text.",
    epilog=epilog("slm data check"),
)
def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="builtin, a Hugging Face dataset, a file, or a folder of files.",
        ),
    ],
    clean: Annotated[
        Path | None,
        typer.Option("--clean", metavar="OUT", help="Write a repaired copy into this new folder."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", help="Read only the first N documents of the training text."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for problems in a text before you spend hours training on it.

    It finds damaged encoding, control characters, exact and near duplicates, training documents
    that repeat held-out ones, cut-off documents, markup, repeated lines, other languages, and
    unusual lengths.
    """
    from slm.data.quality.check import TextCheck, require_new_folder

    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be at least 1, found {limit}", hint="leave it out for all")
    if clean is not None:
        require_new_folder(clean)  # before the text is read
    started_at = time.perf_counter()
    with stage_progress() as report:
        checker = TextCheck(source, limit=limit, report=report, log=say)
        found = checker.check()
        cleaned = None if clean is None else checker.clean(clean)
    seconds = time.perf_counter() - started_at
    if as_json:
        done = None if cleaned is None else cleaned.to_json()
        print_json({**found.to_json(), "cleaned": done, "seconds": seconds})
        return
    _print_report(found)
    if cleaned is not None:
        say(f"{cleaned}: {', '.join(cleaned.files)}")
    say(f"{found.source}: {megabytes(found.bytes)} in {seconds:.1f} s")


def _print_report(found: TextReport) -> None:
    rows = [("", "documents", "share", "with --clean")]
    for finding in found.findings:
        share = finding.documents / found.documents
        rows.append(
            (
                finding.name,
                f"{finding.documents:,}",
                f"{share:.2%}" if finding.documents else "",
                finding.mended if finding.documents else "",
            )
        )
    print_table(rows)
    words = ", ".join(f"{name} {value:,.0f}" for name, value in found.words.items())
    languages = ", ".join(f"{code} {share:.0%}" for code, share in found.languages.items())
    print(f"\n{counted(found.documents, 'document')}, {found.held_out:,} of them held out")
    print(f"words of a document: {words}")
    print(f"languages: {languages or 'too little text to tell'}")
    for finding in found.findings:
        if finding.examples:
            print(f"\n{finding.name}:")
            for example in finding.examples:
                print(f"  {example}")
    if found.not_compared:
        say(f"note: {counted(found.not_compared, 'document')} beyond a million were not compared")
