"""What the server answers, without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest

from archive import Archive, Remark, schema
from archive.web.app import build_app
from archive.web.guard import HEADERS
from tests.archive.web.conftest import FLOOD, HOSTILE, Site, served

if TYPE_CHECKING:
    from pathlib import Path


class Dangers(HTMLParser):
    """Finds what could run, load or restyle something in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        ours = (given.get("src") or "").startswith("/static/")
        if tag in ("img", "iframe", "object", "embed", "style", "base") or (tag == "script" and not ours):
            self.found.append(tag)
        self.found += [name for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        self.found += [
            link for link in (given.get("href"), given.get("action")) if link and link[0] not in "/?#"
        ]


def dangers(page: str) -> list[str]:
    parser = Dangers()
    parser.feed(page)
    return parser.found


def all_pages(site: Site) -> list[str]:
    """Return a link to every kind of page."""
    archive = site.archive
    run = archive.runs()[-1].id
    one, other = (member.program for member in archive.members(run)[:2])
    evaluation = archive.evaluations(run)[0]
    rollouts = archive.rollouts(evaluation.id)
    call = archive.rows(schema.calls.select().limit(1))[0].digest
    rollout = f"/rollouts/{evaluation.id}?" + str(httpx.QueryParams(task=rollouts[0].task))
    tabs = ["", "/lineage", "/programs", "/outcomes", "/failures", "/calls", "/live"]
    return [
        "/", "/live", *(f"/runs/{run}{tab}" for tab in tabs), f"/runs/{run}/lineage?root={one}&proposer=x",
        f"/runs/{run}/programs?order=name&q=x&page=9", f"/runs/{run}/outcomes?order=cluster&columns=cluster",
        f"/runs/{run}?split=test&unit=usd", f"/calls/{call}", f"/programs/{one}", f"/programs/{other}",
        f"/programs/{other}/card?run={run}", rollout, f"{rollout}&q=e", f"/compare?a={one}&b={other}", "/compare?q=a",
        "/search?q=a", f"/programs/{'0' * 16}", "/nowhere",
    ]  # fmt: skip


def test_every_page_answers_with_the_headers_that_bind_it(site: Site) -> None:
    for path in all_pages(site):
        answer = site.get(path)
        missing = path.startswith(("/programs/0000", "/nowhere"))
        assert answer.status_code == (404 if missing else 200), path
        assert HEADERS.items() <= {name.title(): value for name, value in answer.headers.items()}.items() | {
            (name, answer.headers[name]) for name in HEADERS
        }
        assert not dangers(answer.text), path


def test_hostile_text_is_shown_inert(hostile: Site) -> None:
    for path in all_pages(hostile):
        answer = hostile.get(path)
        assert answer.status_code == 200 or path.startswith(("/programs/0000", "/nowhere")), path
        assert len(answer.content) < 5_000_000, path
        assert not dangers(answer.text), path
        seen = re.sub(r'<input type="hidden"[^>]*>', "", answer.text)  # what a form sends back is not shown
        assert not set(seen) & set("\x1b\x07\0\u202e\u2066"), path
        assert "7 * 7" in answer.text or "gnp.exe" not in answer.text, path
    page = hostile.get(all_pages(hostile)[0]).text
    assert "&lt;script&gt;" in page
    assert r"\x1b[31m" in page


def test_a_flood_is_cut_and_a_link_away(hostile: Site) -> None:
    evaluation = hostile.archive.evaluations()[0].id
    page = hostile.get(f"/rollouts/{evaluation}?task=other").text
    assert f"{FLOOD - 20_000:,} more characters" in page
    whole = hostile.get(f"/rollouts/{evaluation}/raw?task=other&field=answer")
    assert whole.text == "B" * FLOOD
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    step = hostile.get(f"/rollouts/{evaluation}/raw", params={"task": HOSTILE, "step": 1, "field": "reply"})
    assert step.text == "A" * FLOOD
    odd = hostile.get(f"/rollouts/{evaluation}/raw", params={"task": HOSTILE, "step": 2, "field": "tests"})
    assert "window.pwned" in odd.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_this_machine_and_its_own_pages_are_answered(
    site: Site, headers: dict[str, str], status: int
) -> None:
    answer = site.get("/", headers=headers)
    assert answer.status_code == status
    assert "Content-Security-Policy" in answer.headers


def test_a_remark_needs_the_right_origin_and_the_permission(site: Site, editable: Site) -> None:
    program = editable.archive.program("plan").id
    form = {"run": "r", "kind": "tag", "words": " good one "}
    path = f"/programs/{program}/remarks"
    own = {"Origin": editable.address}
    assert httpx.post(editable.address + path, data=form).status_code == 403
    assert (
        httpx.post(editable.address + path, data=form, headers={"Origin": "http://evil"}).status_code == 403
    )
    assert editable.archive.remarks() == []
    assert httpx.post(editable.address + path, data=form, headers=own).status_code == 303
    assert httpx.post(editable.address + path, data=form | {"kind": "erase"}, headers=own).status_code == 422
    assert httpx.post(editable.address + path, data=form | {"words": " "}, headers=own).status_code == 422
    assert httpx.post(editable.address + path, data=form | {"run": "x"}, headers=own).status_code == 409
    [held] = editable.archive.remarks()
    assert held == Remark("r", program, "tag", "good one", held.created)
    one = site.archive.programs()[0].id
    refused = httpx.post(
        f"{site.address}/programs/{one}/remarks", data=form, headers={"Origin": site.address}
    )
    assert refused.status_code == 403
    assert "--allow-edit" in refused.text
    assert "<form" not in site.get(f"/programs/{one}").text.split("remarks-title")[2].split("</main>")[0]


def test_nothing_new_is_no_page(site: Site) -> None:
    seen = re.search(r"seen=(\d+)", site.get("/").text)
    assert seen
    assert site.get(f"/live?seen={seen[1]}").status_code == 204
    run = site.archive.runs()[0].id
    assert site.get(f"/runs/{run}/live?seen={seen[1]}").status_code == 204


def test_an_empty_archive_says_how_to_fill_it(tmp_path: Path) -> None:
    with served(tmp_path / "empty.db") as site:
        assert "adas search" in site.get("/").text
        assert "Nothing found" in site.get("/search?q=x").text
        assert site.get("/runs/x").status_code == 404


def test_the_first_look_at_a_large_archive_has_a_page_of_its_own(
    filled: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archive.overview import Overview
    from archive.web import app

    monkeypatch.setattr(app, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(app.threading.Thread, "start", lambda _self: None)  # the reader never gets to it
    desk = app.Desk(filled, allow_edit=False)
    monkeypatch.undo()
    with pytest.raises(app.LoadingError), desk.look():
        pass
    assert "Reading the archive" in desk.page("loading.html").body.decode()
    assert build_app(filled)
    assert Overview(filled).version == 0
