"""The documentation as a site: complete, without a network, and from a file."""

from __future__ import annotations

import collections
import os
import posixpath
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("course/*.md")]
BLOCKS = re.compile(r"<(li|ul|ol|table|tr|td|h[1-6]|code|em|strong|a|img|blockquote)\b")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Found(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values.get("id", ""), values.get("name", "") if tag == "a" else ""}
        self.loads |= {values[name] for name in ("src", "srcset", "poster") if name in values}
        if "href" in values:
            kept = self.links if tag == "a" else self.loads
            kept.add(values["href"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Found]:
    found = {
        path.relative_to(site).as_posix(): Found(path.read_text("utf-8"))
        for path in site.rglob("*.html")
    }
    del found["404.html"]  # which a server shows at any address, so its links are absolute
    return found


def test_all_pages_and_the_names_of_the_api_are_there(site, pages):
    expected = {
        page.relative_to(ROOT).as_posix().removesuffix(".md") + ".html" for page in PAGES
    } - {"docs/README.html"}
    assert expected | {"index.html"} <= set(pages)
    assert {"slm.load", "slm.train", "slm.LanguageModel.generate"} <= (
        pages["docs/reference/api/slm.html"].anchors
    )
    assert "slm.model.GPT.forward" in pages["docs/reference/api/slm.model.html"].anchors


def test_nothing_comes_from_the_network(site, pages):
    loaded = {(page, url) for page, found in pages.items() for url in found.loads}
    assert {pair for pair in loaded if "//" in pair[1]} == set()
    remote = re.compile(r"url\(['\"]?(https?:)?//")
    assert [path for path in site.rglob("*.css") if remote.search(path.read_text("utf-8"))] == []


def test_every_link_and_file_and_anchor_exists(site, pages):
    def exists(page: str, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme:
            return True
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
        target, anchor = path if parts.path else page, unquote(parts.fragment)
        on_page = not anchor or target not in pages or anchor in pages[target].anchors
        return (site / target).is_file() and on_page

    urls = [(page, url) for page, found in pages.items() for url in found.links | found.loads]
    broken = [pair for pair in urls if not exists(*pair)]
    assert len(urls) > 1000
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_read_the_same_on_a_repository_host(page):
    """The site's Markdown and CommonMark find the same lists, tables and code."""
    import markdown
    from markdown_it import MarkdownIt

    extensions = ["attr_list", "md_in_html", "tables", "sane_lists"]
    extensions += ["pymdownx.details", "pymdownx.superfences"]
    text = page.read_text("utf-8")
    here, there = (
        collections.Counter(BLOCKS.findall(html))
        for html in (
            markdown.markdown(text, extensions=extensions),
            MarkdownIt("commonmark").enable("table").render(text),
        )
    )
    assert here == there


def test_search_works_from_a_file(site, browser):
    page = browser.new_page()
    requested, problems = [], []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((site / "docs" / "how-to" / "train.html").as_uri())
    page.locator(".md-search__input").click()
    page.keyboard.type("token healing")
    page.locator(".md-search-result__item").first.wait_for()
    texts = " ".join(page.locator(".md-search-result__item").all_inner_texts())
    page.close()
    assert "healing" in texts.lower()
    assert problems == []
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []


def test_wide_pages_do_not_scroll_sideways_on_a_phone(site, browser):
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
    wide = []
    for name in ("settings", "python", "api/slm"):  # tables, code, signatures
        url = (site / "docs" / "reference" / f"{name}.html").as_uri()
        page.goto(url, wait_until="domcontentloaded")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert wide == []
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 128
