"""Which files are pages of the site, and what MkDocs changes in them.

MkDocs reads one folder. Our pages are in several, and link to each other and to source files as the
repository host wants it: relative to the file. So every page keeps its path in the repository
(`docs/how-to/train.md` becomes `docs/how-to/train.html`), except that `docs/README.md`, the map of
the documentation, becomes `index.html`. A source file that a page links to becomes a page, too.

A lesson of the course is shown with the outputs that `python -m course build/course --pages` has
written, where it has, and else without.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HOME = "docs/README.md"
EXECUTED = "build/course"
"""Where the lessons are with their outputs."""
FOLDERS = ("docs", "course")
"""Folders whose Markdown and pictures are all on the site."""
ASSETS = {".css", ".js", ".png", ".svg"}
API = {
    "slm": "The Python API",
    "slm.config": "Settings of models and training",
    "slm.model": "The model",
    "slm.tokenizer": "Tokenizers",
    "slm.data": "Data",
    "slm.training": "Training",
    "slm.generation": "Generation",
    "slm.evals": "Evaluation",
    "slm.insight": "Looking inside",
    "slm.errors": "Errors",
}
"""The modules of the API reference, in the order of its pages."""
API_FOLDER = "docs/reference/api/"
LINK = re.compile(r"\]\(([^)\s#]+)")
FENCE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img src="(?P<light>[^"]+)"(?P<rest>[^>]*)>\s*</picture>'
)


class SourcePage(File):
    """A source file, shown on a page of its own."""

    def is_documentation_page(self) -> bool:
        return True

    @property
    def content_string(self) -> str:
        text = Path(str(self.abs_src_path)).read_text("utf-8")
        language = "python" if self.src_uri.endswith(".py") else "text"
        return (
            f"---\nsearch: {{exclude: true}}\n---\n# `{self.src_uri}`\n\n"
            f'~~~~~~{{.{language} linenums="1"}}\n{text}~~~~~~\n'
        )


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """In the navigation, replace folders (`docs/decisions/`) by their pages."""
    root = Path(config.config_file_path).parent
    config.nav = _expanded(config.nav or [], root)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of `docs_dir` by ours; those of the theme stay."""
    root = Path(config.config_file_path).parent
    pages = [*sorted(root.glob("*.md"))]
    for folder in FOLDERS:
        pages += sorted((root / folder).rglob("*.md"))
    found = {page.relative_to(root).as_posix(): File for page in pages}
    for page in pages:
        for path in _linked(page, root):
            found.setdefault(path, SourcePage if path.endswith((".py", ".toml")) else File)
    for folder in FOLDERS:
        for asset in sorted((root / folder).rglob("*")):
            if asset.suffix in ASSETS:
                found.setdefault(asset.relative_to(root).as_posix(), File)
    ours = [_file(kind, path, root, config) for path, kind in found.items()]
    for picture in sorted((root / EXECUTED).glob("*.png")):
        path = picture.relative_to(root / "build").as_posix()
        ours.append(File(path, str(root / "build"), config.site_dir, use_directory_urls=False))
    ours += [_api_page(module, title, config) for module, title in API.items()]
    theme = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*theme, *ours])


def on_page_content(html: str, **_: Any) -> str:
    """Pictures in two themes follow the page's switch, not the system's setting alone."""
    return PICTURE.sub(
        r'<img src="\g<light>#only-light"\g<rest>><img src="\g<dark>#only-dark"\g<rest>>', html
    )


def _expanded(entry: Any, root: Path) -> Any:
    """One entry of the navigation with its folders replaced."""
    if isinstance(entry, dict):
        return {title: _expanded(inner, root) for title, inner in entry.items()}
    if isinstance(entry, list):
        inside = (_expanded(each, root) for each in entry)
        return [page for each in inside for page in (each if isinstance(each, list) else [each])]
    if entry == API_FOLDER:
        return [f"{API_FOLDER}{module}.md" for module in API]
    if entry.endswith("/"):
        pages = sorted((root / entry).glob("*.md"), key=lambda page: (page.stem != "README", page))
        return [page.relative_to(root).as_posix() for page in pages]
    return entry


def _linked(page: Path, root: Path) -> Iterator[str]:
    """The existing files that a page links to, relative to the root."""
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" not in target:
            path = posixpath.normpath((page.parent / target).relative_to(root).as_posix())
            if (root / path).is_file():
                yield path


def _file(kind: type[File], path: str, root: Path, config: MkDocsConfig) -> File:
    """One file of the repository, at its own path on the site."""
    base, target = root, None
    if path.startswith("course/") and (root / "build" / path).is_file():
        base = root / "build"
    if path == HOME:
        target = "index.html"
    elif path.endswith(".md"):
        target = path.removesuffix(".md") + ".html"
    elif kind is SourcePage:
        target = f"{path}.html"
    return kind(path, str(base), config.site_dir, use_directory_urls=False, dest_uri=target)


def _api_page(module: str, title: str, config: MkDocsConfig) -> File:
    """The page of one module, from its docstrings."""
    text = f"# {title}: `{module}`\n\n::: {module}\n    options:\n      show_root_heading: false\n"
    return File.generated(config, f"{API_FOLDER}{module}.md", content=text)
