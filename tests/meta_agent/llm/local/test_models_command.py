from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from meta_agent.commands.models import models
from meta_agent.errors import UserError
from meta_agent.llm import catalogue
from meta_agent.llm.engines.measure import Measurement, describe, remember
from tests.meta_agent.llm.local.sources import CONTENT, Hub

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.catalogue import LocalModel


@pytest.fixture
def tiny(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """The catalogue holds this model only."""
    monkeypatch.setattr(catalogue, "CATALOGUE", (model,))
    return model


def run(*arguments: str) -> str:
    result = CliRunner().invoke(models, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_pull_path_remove(hub: Hub, tiny: LocalModel) -> None:
    assert json.loads(run("list", "--json"))[0]["here"] is False
    assert run("pull", "tiny").strip().replace("\n", "") == str(tiny.path)
    assert tiny.path.read_bytes() == CONTENT
    row = json.loads(run("list", "--json"))[0]
    assert (row["name"], row["here"], row["bytes"], row["sha256"]) == (
        "local/tiny",
        True,
        len(CONTENT),
        tiny.sha256,
    )
    assert "local/tiny" in run("list")
    assert run("path", "local/tiny").strip() == str(tiny.path)
    assert "MB freed" in run("remove", "tiny")
    assert run("remove", "tiny").strip() == "local/tiny is not here"
    with pytest.raises(UserError, match="adas models pull local/tiny"):
        run("path", "tiny")


def test_pull_from_a_file(home: Path, tiny: LocalModel, tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(CONTENT)
    run("pull", "tiny", "--from", str(tmp_path / "own"))
    assert tiny.path.read_bytes() == CONTENT


def test_the_engines_are_listed_with_what_was_measured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAS_VLLM_PYTHON", raising=False)
    assert "nothing yet" in run("engine", "list")
    remember(Measurement("llamacpp", "local/tiny", describe(), 8, 8, 100, 400, 10.0))
    listed = json.loads(run("engine", "list", "--json"))
    assert [engine["installed"] for engine in listed["engines"]] == [True, False]
    assert listed["measured"][0]["tokens_per_second"] == 40.0
    assert "adas models engine install vllm" in run("engine", "list")
    assert "40" in run("engine", "list")
