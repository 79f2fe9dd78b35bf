"""MkDocs hook: a link that leads out of docs/ works on the site as it does in the repository.

The file that it leads to becomes a page under `source/`: Markdown as it is, all else as a listing.
What leads nowhere is left alone, and `mkdocs build --strict` fails on it.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS, SOURCE = "docs/", "source/"
#: Targets of Markdown links, without anchors; none with a scheme.
TARGET = re.compile(r"(?<=\]\()[^\s#:()]+(?=[#)])")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
HIDDEN = "---\nsearch:\n  exclude: true\n---\n\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside docs/, and what those files link to."""
    waiting = [file for file in files if file.is_documentation_page()]
    while waiting:
        file = waiting.pop()
        for path in outside(file.src_uri, file.content_string):
            if files.get_file_from_path(in_site(path)) is None:
                added = File.generated(config, in_site(path), content=_page(path))
                files.append(added)
                waiting.append(added)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the pages of this site."""
    here = page.file.src_uri

    def moved(link: re.Match[str]) -> str:
        path = target(here, link[0])
        return relpath(in_site(path), dirname(here)) if path else link[0]

    return TARGET.sub(moved, markdown)


def outside(page: str, markdown: str) -> set[str]:
    """The files outside docs/ that a page links to, by their paths in the repository."""
    found = {target(page, link) for link in TARGET.findall(markdown)}
    return {path for path in found if path and not path.startswith(DOCS)}


def target(page: str, link: str) -> str | None:
    """The path in the repository of the file that a page links to; None where there is none."""
    path = normpath(join(dirname(in_repository(page)), link))
    return path if not path.startswith("..") and (ROOT / path).is_file() else None


def in_repository(page: str) -> str:
    """Where the page of this path on the site comes from."""
    if not page.startswith(SOURCE):
        return DOCS + page
    path = page.removeprefix(SOURCE)
    return path if (ROOT / path).is_file() else path.removesuffix(".md")


def in_site(path: str) -> str:
    """The page that stands for a file of the repository."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return SOURCE + (path if path.endswith(".md") else f"{path}.md")


def _page(path: str) -> str:
    text, suffix = (ROOT / path).read_text(), Path(path).suffix
    if suffix == ".md":
        return HIDDEN + text
    return f"{HIDDEN}# `{path}`\n\n~~~~~{LANGUAGES.get(suffix, 'text')}\n{text}\n~~~~~\n"
