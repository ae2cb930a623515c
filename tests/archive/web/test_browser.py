"""The pages in a real browser: Debian's Chromium, headless."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from archive import Archive, Evaluation, Program, Rollout, Run
from tests.archive.web.conftest import Site, served
from tests.archive.web.test_pages import all_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "ADAS_GATE" not in os.environ,
    reason="no Chromium here: apt-get install chromium",
)
MODES = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "has_touch": True},
}
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as player:
        opened = player.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield opened
        opened.close()


@contextmanager
def opened(browser: Browser, address: str, mode: str = "light") -> Iterator[Page]:
    """Yield a page; in the end its console must hold no error."""
    context = browser.new_context(base_url=address, **MODES[mode])  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    context.close()
    assert not [words for words in said if "404 (Not Found)" not in words]


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    with opened(browser, site.address) as page:
        yield page


@pytest.mark.parametrize("mode", MODES)
def test_every_page_is_sound(browser: Browser, site: Site, mode: str) -> None:
    """No error in the console, nothing wider than the window, nothing serious that axe finds."""
    with opened(browser, site.address, mode) as page:
        for path in all_pages(site):
            if "/live" in path or "/card" in path:
                continue
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), path
            found = Axe().run(page).response["violations"]
            assert not [(f["id"], f["nodes"][0]["html"]) for f in found if f["impact"] in SERIOUS], path


def test_nothing_hostile_runs(browser: Browser, hostile: Site) -> None:
    with opened(browser, hostile.address) as page:
        page.on("dialog", lambda _: pytest.fail("a dialog opened"))
        for path in all_pages(hostile):
            page.goto(path)
            assert page.evaluate("window.pwned === undefined"), path
        run = hostile.archive.runs()[0].id
        page.goto(f"/runs/{run}/lineage")
        page.locator(".node a").first.hover()
        expect(page.locator("#tip")).to_contain_text("<script>")
        assert page.evaluate("window.pwned === undefined")


def test_a_run_is_read_with_keys_alone(page: Page, site: Site) -> None:
    run = site.archive.runs()[0].id
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run}")
    for key, tab in [
        ("2", "lineage"),
        ("3", "programs"),
        ("4", "outcomes"),
        ("5", "failures"),
        ("6", "calls"),
    ]:
        page.keyboard.press(key)
        page.wait_for_url(f"**/runs/{run}/{tab}")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("direct")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(re.compile("direct"))


def test_a_running_search_shows_by_itself(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    with Archive(path) as search, served(path) as site, opened(browser, site.address) as page:
        page.goto("/")
        expect(page.locator(".empty")).to_contain_text("adas search")
        search.add_run(Run("live", "search", "quiz", "1"))
        page.get_by_role("link", name="quiz").click()
        program = search.add_program(Program("def forward(task, kit):\n    return 1\n", "late one"))
        evaluation = Evaluation("live", program.id, "quiz", "1", "search", "m", 0, "s", 4)
        search.add_evaluation(evaluation)
        for number in range(2):
            search.add_rollout(Rollout(evaluation.id, f"t{number}", 1.0, seconds=1.0))
            expect(page.locator("[data-rollouts]")).to_have_text(str(number + 1))
        expect(page.locator("progress")).to_have_attribute("value", "2")
        expect(page.locator(".latest")).to_contain_text("late one on t1")
        search.set_run_state("live", "done")
        expect(page.locator("progress")).to_have_count(0)


def test_the_lineage_moves_zooms_filters_and_tells(page: Page, site: Site) -> None:
    run = site.archive.runs()[0].id
    page.goto(f"/runs/{run}/lineage")
    drawing = page.locator("#tree svg")

    def view() -> list[float]:
        return [float(part) for part in (drawing.get_attribute("viewBox") or "").split()]

    def changed(act: Callable[[], None]) -> tuple[list[float], list[float]]:
        before = view()
        act()
        page.wait_for_function(
            f"document.querySelector('#tree svg').getAttribute('viewBox') != '{' '.join(map(str, before))}'"
        )
        return before, view()

    before, after = changed(lambda: page.get_by_label("Zoom in").click())
    assert after[2] < before[2]
    page.locator("#tree").focus()
    before, after = changed(lambda: page.keyboard.press("-"))
    assert after[2] > before[2]
    before, after = changed(lambda: page.keyboard.press("ArrowRight"))
    assert after[0] > before[0]
    box = page.locator("#tree").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + box["height"] - 30)
    before, after = changed(lambda: page.mouse.wheel(0, -300))
    assert after[2] < before[2]

    def drag() -> None:
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 200, steps=3)
        page.mouse.up()

    before, after = changed(drag)
    assert after[0] > before[0]
    page.get_by_label("Show everything").click()
    node = page.locator(".node a").first
    node.hover()
    program = site.archive.program(node.get_attribute("data-card") or "")
    expect(page.locator("#tip")).to_contain_text(program.thought[:40])
    assert page.locator(".node circle[class^=s]").count() >= 3
    assert len({page.locator(".node circle").nth(i).get_attribute("r") for i in range(4)}) > 1
    page.get_by_label("Proposer").select_option("hand")
    page.wait_for_url("**proposer=hand")
    assert 0 < page.locator(".node.faded").count() < page.locator(".node").count()
    page.locator(".node:not(.faded) a").first.click()
    page.wait_for_url("**/programs/*")


def test_a_program_has_code_differences_outcomes_and_a_command(page: Page, site: Site) -> None:
    child = next(member for member in site.archive.members() if member.parents)
    program = site.archive.program(child.program)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/programs/{child.program}")
    assert page.locator("#code .k, #code .kn").count() > 0
    assert page.locator("#code").inner_text().split() == program.source.split()
    expect(page.locator(".diff .add").first).to_be_visible()
    page.locator("[data-copy='#deploy']").click()
    expect(page.locator("[data-copy='#deploy']")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(
        f"adas deploy {child.program} --to agent"
    )
    assert page.locator(".square").count() == 5
    page.locator(".square").first.click()
    page.wait_for_url("**/rollouts/**")


def test_the_outcomes_are_sorted_clustered_and_entered(page: Page, site: Site) -> None:
    run = site.archive.runs()[0].id
    page.goto(f"/runs/{run}/outcomes")
    first = page.locator(".heat-names a").all_inner_texts()
    for choice in ("name", "cluster"):
        page.get_by_label("Programs by").select_option(choice)
        page.wait_for_url(f"**order={choice}**")
        assert sorted(page.locator(".heat-names a").all_inner_texts()) == sorted(first)
    page.get_by_label("Tasks by").select_option("cluster")
    page.wait_for_url("**columns=cluster**")
    page.locator("#heat").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    words = page.locator("#heat-words").inner_text()
    name, task = re.fullmatch(r"(.*) on (.*): \d+%", words).groups()  # type: ignore[union-attr]
    page.keyboard.press("Enter")
    page.wait_for_url("**/rollouts/**")
    expect(page.locator("h1")).to_have_text(f"{name} on {task}")


def test_every_step_of_a_rollout_is_there_folded_and_found(page: Page, site: Site) -> None:
    evaluation, rollout = max(
        ((e, r) for e in site.archive.evaluations() for r in site.archive.rollouts(e.id)),
        key=lambda pair: len(pair[1].trace),
    )
    page.goto(f"/rollouts/{evaluation.id}?task={rollout.task}")
    assert page.locator("details.step").count() == len(rollout.trace)
    assert page.locator("details.step[open]").count() == 1
    page.locator("main").click(position={"x": 2, "y": 2})
    page.keyboard.press("e")
    expect(page.locator("details.step[open]")).to_have_count(len(rollout.trace))
    shown = page.locator("main").inner_text()
    for step in rollout.trace:
        for value in step.values():
            if isinstance(value, str) and value:
                assert "".join(value.split()) in "".join(shown.split())
    page.get_by_label("Find in the steps").fill("DEF PLUS")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=DEF**")
    expect(page.locator("mark").first).to_have_text("def plus")
    page.get_by_label("Find in the steps").fill("no such words")
    page.keyboard.press("Enter")
    expect(page.locator(".empty")).to_contain_text("No step holds")


def test_two_programs_are_chosen_and_compared(page: Page, site: Site) -> None:
    run = site.archive.runs()[0].id
    page.goto(f"/runs/{run}/programs?order=name")
    page.locator("input[name=a]").nth(0).check()
    page.locator("input[name=b]").nth(1).check()
    page.get_by_role("button", name="Compare the two chosen").click()
    page.wait_for_url("**/compare?**")
    expect(page.locator("main")).to_contain_text("p = ")
    expect(page.locator("main")).to_contain_text("tasks won by")
    assert page.locator(".diff span").count() > 0
    first = page.locator(".versus a").first.inner_text()
    page.get_by_role("link", name="swap").click()
    expect(page.locator(".versus a").nth(1)).to_have_text(first)


def test_programs_are_filtered_and_ordered(page: Page, site: Site) -> None:
    run = site.archive.runs()[0].id
    page.goto(f"/runs/{run}/programs")
    page.get_by_label("Order").select_option("name")
    page.wait_for_url("**order=name**")
    names = page.locator("td .row-link").all_inner_texts()
    assert names == sorted(names, key=str.casefold)
    page.get_by_role("searchbox", name="Name").fill("direct")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**q=direct**")
    assert all("direct" in name for name in page.locator("td .row-link").all_inner_texts())
    page.goto(f"/runs/{run}/programs?q=nobody")
    expect(page.locator(".empty")).to_contain_text("No program fits")


def test_remarks_are_made_and_seen(browser: Browser, editable: Site) -> None:
    program, run = editable.archive.program("plan").id, editable.archive.runs()[0].id
    with opened(browser, editable.address) as page:
        page.goto(f"/programs/{program}")
        page.get_by_role("button", name="Pin").click()
        expect(page.locator("h1 .pin")).to_be_visible()
        page.goto(f"/runs/{run}")
        expect(page.locator("#live tr", has_text="★")).to_have_count(1)
        page.goto(f"/programs/{program}")
        page.get_by_role("button", name="Unpin").click()
        expect(page.locator("h1 .pin")).to_have_count(0)
        page.goto(f"/runs/{run}")
        expect(page.locator("#live tr", has_text="★")).to_have_count(0)
        page.goto(f"/programs/{program}")
        page.get_by_label("Tag").fill("neat")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".tag")).to_have_text("neat")
        page.get_by_label("Note").fill("asks twice, <b>cheaply</b>")
        page.get_by_role("button", name="Add the note").click()
        expect(page.locator("blockquote")).to_contain_text("asks twice, <b>cheaply</b>")
        page.get_by_label("Tag").fill("neat")
        page.get_by_role("button", name="Remove").click()
        expect(page.locator(".tag")).to_have_count(0)
    assert [one.kind for one in editable.archive.remarks()] == [
        "pin",
        "unpin",
        "tag",
        "note",
        "untag",
    ]


def test_a_page_that_is_not_there_says_so(page: Page, site: Site) -> None:
    page.goto("/programs/nobody")
    expect(page.locator("h1")).to_have_text("Not here")
    assert httpx.get(f"{site.address}/static/htmx.min.js").status_code == 200
