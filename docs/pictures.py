"""Takes the pictures of the web page for the documentation, with a real server and Chromium.

Usage:
    python docs/pictures.py RUN                      # writes docs/pictures/NAME-{light,dark}.png
    python docs/pictures.py RUN --out /tmp/pictures
    python docs/pictures.py builtin --views write inside

RUN is a run directory, for example runs/demo. It is only read. Any other checkpoint has no view of
its training, and only a run with `keep=ladder` has a part "How it learned". The script needs the
extras `serve` and `dev` and a Chromium; SLM_CHROMIUM names one that is not on the PATH, and
`playwright install chromium` installs one.

The prompt and the seed are fixed, so the same run gives the same pictures on the same machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

WIDTH, HEIGHT = 1200, 1040
COLOR_SCHEMES = ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_FLAGS = ("--disable-gpu", "--no-first-run", "--disable-background-networking")
MAX_BYTES = 120_000
"""The largest picture that a page of the documentation may load."""
PATIENCE = 300_000
"""Milliseconds to wait for anything, on a machine that does other work, too."""
COLORS = (256, 128, 64)
"""Palette sizes to try, until a picture is small enough."""

PROMPT = "Once upon a time there was a little fox"
SETTINGS = {"seed": 3, "max_tokens": 120}
BRANCH_TOKEN = 60
"""The token of the story that another one replaces."""
UNLIKELY = ".token.by-model.tint-3, .token.by-model.tint-4"
"""Generated tokens with 3 to 8 bits of surprisal, which have interesting alternatives."""

MOST_WITHOUT_A_LADDER = 2
"""Checkpoints that a run has kept without `keep=ladder`; with more, it has "How it learned"."""
EARLY_CHECKPOINT = 5
"""The number of the kept checkpoint whose text is shown, at the latest the last one: an early one,
since the last ones write much the same."""
NEWEST_SAMPLES = 3
"""A row of them, as many as the picture of a run shows."""
MARGIN = 20
"""Pixels below the last thing in a picture."""

INSPECTED_TEXT = "There was a shy girl called Mia. One day, he was in the garden."
INSPECTED_HEAD = 4
"""The first one of the third layer, where a layer has two; see docs/tutorials/looking-inside.md."""
ATTENDING_TOKEN = 11
"""The comma before "he", where Mia is expected."""
POINTED_AT = {".bar-token": 11, ".lens tbody tr:first-child .guess": 11}
"""The same place in the other parts of the Look inside view."""


@contextmanager
def served(run: Path) -> Iterator[str]:
    """Serve a run on a free port of loopback; yields the address."""
    command = [sys.executable, "-m", "slm", "serve", "--checkpoint", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            if not address:
                raise SystemExit(f"slm serve --checkpoint {run} did not start")
            yield address
        finally:
            server.terminate()


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium: SLM_CHROMIUM, one on the PATH, or Playwright's own."""
    path = os.environ.get("SLM_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = [*BROWSER_FLAGS, *(["--no-sandbox"] if is_root else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def write_view(page: Page) -> bytes:
    """A story with two branches, colored by surprisal, with the alternatives to one token open."""
    page.wait_for_selector("#next[aria-busy=false]")
    page.fill("#prompt", PROMPT)
    page.click("#generate")
    page.wait_for_selector("#generate:text-is('Continue')")
    tokens = page.locator(".token").filter(has_text=re.compile(r"\w"))
    open_card(page, at_most(BRANCH_TOKEN, tokens))
    page.locator(".card .candidate:not(.current)").first.click()
    page.wait_for_selector("#generate:text-is('Continue')")
    page.check("input[name=color][value=surprisal]", force=True)
    page.wait_for_selector("#next[aria-busy=false]")
    unlikely = page.locator(UNLIKELY)
    open_card(page, unlikely.first if unlikely.count() else tokens.last)
    return page.screenshot()


def open_card(page: Page, token: Locator) -> None:
    token.click()
    page.wait_for_selector(".card:not([hidden])")


def at_most(number: int, elements: Locator) -> Locator:
    """One of these elements, the last one if there are too few."""
    return elements.nth(min(number, elements.count() - 1))


def inside_view(page: Page) -> bytes:
    """Surprisal, attention and the logit lens of a text, each with a token selected."""
    page.click("nav a[href='#inside']")
    page.wait_for_selector(".head[aria-checked=true]")
    page.fill("#inspect-text", INSPECTED_TEXT)
    page.click("#inspect-form button[type=submit]")
    page.wait_for_selector("#inspect-status:empty", state="attached")
    at_most(INSPECTED_HEAD, page.locator(".head")).click()
    for selector, number in POINTED_AT.items():
        at_most(number, page.locator(selector)).hover()
    at_most(ATTENDING_TOKEN, page.locator(".attended-token")).focus()
    return page.screenshot(full_page=True)


def bottom(element: Locator) -> float:
    """Where an element ends, in pixels from the top of the page, which may be scrolled."""
    box, page = element.bounding_box(), element.page.locator("html").bounding_box()
    assert box is not None
    assert page is not None
    return box["y"] + box["height"] - page["y"]


def run_view(page: Page) -> bytes:
    """The metrics, the loss curve, how the run learned and its samples."""
    with page.expect_response("**/run/over-time") as response:
        page.click("nav a[href='#run']")
    page.wait_for_selector("#run-curve svg")
    kept = response.value.json()["steps"]
    if len(kept) > MOST_WITHOUT_A_LADDER:
        page.click("#over-time-write")
        page.wait_for_selector("#over-time-write:text-is('Stop')")
        page.wait_for_selector("#over-time-write:text-is('Write')")
        page.fill("#over-time-step", str(min(EARLY_CHECKPOINT, len(kept) - 1)))
    end = bottom(at_most(NEWEST_SAMPLES - 1, page.locator(".sample")))
    return page.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": end + MARGIN}
    )


VIEWS = {"write": write_view, "inside": inside_view, "run": run_view}
"""Name to the function that takes the picture; all on one page."""


def compressed(screenshot: bytes) -> bytes:
    """The screenshot as a PNG with a palette, as large a one as MAX_BYTES allows."""
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    for colors in COLORS:
        stream = io.BytesIO()
        palette = image.quantize(colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        palette.save(stream, "PNG", optimize=True)
        if stream.tell() <= MAX_BYTES:
            break
    return stream.getvalue()


def main() -> None:
    """Take all pictures and print their sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with served(arguments.run) as address, launched() as browser:
        for scheme in COLOR_SCHEMES:
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.add_init_script(
                f"localStorage.setItem('slm.settings', {json.dumps(json.dumps(SETTINGS))})"
            )
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            for name in arguments.views:
                path = arguments.out / f"{name}-{scheme}.png"
                path.write_bytes(compressed(VIEWS[name](page)))
                print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
            page.close()


if __name__ == "__main__":
    main()
