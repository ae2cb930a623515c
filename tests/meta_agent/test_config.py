from __future__ import annotations

from pathlib import Path

import pytest

from meta_agent.commands.search import fitted
from meta_agent.config import load_config
from meta_agent.errors import UserError
from tests.meta_agent.rehearsal import write_tasks


def test_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('width = 3\nworkers = 5\nmodel = "m"\n')
    config = load_config(
        "smoke", file, ["workers=7", "agents=direct,roles", "proposers=tree"], model="n", budget=None
    )
    assert (config.generations, config.width, config.workers, config.model) == (1, 3, 7, "n")
    assert (config.agents, config.proposers) == (("direct", "roles"), ("tree",))


def test_a_small_domain_shrinks_the_presets_splits_and_not_the_users(tmp_path: Path) -> None:
    domain = str(write_tasks(tmp_path / "plus.jsonl", 40))
    config = fitted(load_config("adas", domain=domain), "adas")
    assert (config.search_tasks, config.selection_tasks, config.test_tasks) == (10, 10, 20)
    chosen = fitted(load_config("adas", domain=domain, search_tasks=12), "adas")
    assert (chosen.search_tasks, chosen.selection_tasks, chosen.test_tasks) == (12, 10, 20)
    small = load_config("smoke", domain=domain)
    assert fitted(small, "smoke") == small


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "nope"}, "unknown preset 'nope': expected one of laptop"),
        ({"pairs": ["widht=3"]}, "unknown setting 'widht': expected one of domain"),
        ({"pairs": ["width"]}, "expected key=value"),
        ({"pairs": ["width=none"]}, "setting width='none'"),
        ({"pairs": ["width=0"]}, "greater than or equal to 1"),
        ({"pairs": ["proposers=tree,nobody"]}, "setting proposers.1='nobody': Input should be 'composition'"),
        ({"file": Path("/nowhere.toml")}, "cannot read /nowhere.toml"),
    ],
)
def test_mistakes_are_one_line(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(**arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
