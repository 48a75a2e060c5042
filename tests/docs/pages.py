"""Parses Markdown pages: fenced blocks, code in back-ticks, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import ROOT

PAGES = tuple(sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]))
"""The pages that are held to the repository. CHANGELOG.md is history: it may name what is gone."""

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """A fenced block; `line` is that of its first line of text."""

    page: Path
    line: int
    language: str
    text: str


def name_of(page: Path) -> str:
    """`docs/api.md`: a page as a failing test names it."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *languages: str) -> list[Fence]:
    """The page's fenced blocks in these languages, in order; "" is a block without one."""
    source = page.read_text(encoding="utf-8")
    return [
        Fence(page, source.count("\n", 0, match.start("text")) + 1, match["language"], match["text"])
        for match in _FENCE.finditer(source)
        if match["language"] in languages
    ]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def code_spans(page: Path) -> list[str]:
    """What stands in back-ticks, fenced blocks left out. A span may go over the end of a line."""
    paragraphs = re.split(r"\n\s*\n", prose(page))
    return [" ".join(span.split()) for paragraph in paragraphs for span in re.findall(r"`([^`]+)`", paragraph)]


def relative_links(page: Path) -> list[str]:
    """Targets of links and pictures that stand in this repository: `api.md#bodies`, `images/explorer.png`."""
    text = prose(page)
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'\bsrc="([^"]+)"', text)]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say after its #, as GitHub makes it."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        again = (f"{slug}-{number}" for number in range(1, len(found) + 1))
        found.add(slug if slug not in found else next(name for name in again if name not in found))
    return found
