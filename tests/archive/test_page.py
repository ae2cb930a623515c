"""The report that is mailed: complete, self-contained, inert."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from archive.page import html
from tests.archive.conftest import FLOOD

if TYPE_CHECKING:
    from archive import Archive


class Reader(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_tells_of_the_run(filled: Archive) -> None:
    page = Reader(html(filled, "r"))
    for word in (
        "direct",
        "vote",
        "plan",
        "repair",
        "idea 3",
        "return 2",
        "└── plan",
        "2 failed attempts",
        "Nothing was measured on it",
    ):
        assert word in page.text, word
    assert "49.0%" in page.text


def test_nothing_in_it_is_fetched_or_runs(filled: Archive, attacked: Archive) -> None:
    for run in ("r", "h"):
        page = html(filled, run)
        assert len(page) < FLOOD / 10
        page.encode()  # no lone surrogate
        seen = Reader(page)
        assert not seen.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
        assert not {
            name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href", "srcset")
        }
        assert not re.search(r"@import|url\(", page)
        assert not set(page) & set("\x1b\x07\0\u202e")
        assert "default-src 'none'" in page
    assert "<script>window.pwned=1</script>" in seen.text
    assert "{{ 7*7 }}" in seen.text
    assert "1 tasks won" not in seen.text
