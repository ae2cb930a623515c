from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from meta_agent.errors import UserError
from meta_agent.llm.engines import environment, measure
from meta_agent.llm.engines.machine import available_memory, cores, describe
from meta_agent.llm.engines.measure import Measurement, remember, remembered
from meta_agent.llm.local import choose, open_local

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def vllm_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAS_VLLM_PYTHON", sys.executable)


@pytest.fixture
def vllm_absent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAS_VLLM_PYTHON", raising=False)


def measured(engine: str, seconds: float, model: str = "local/a", machine: str | None = None) -> Measurement:
    return Measurement(engine, model, machine or describe(), 8, 8, 800, 400, seconds)


def test_an_unknown_engine_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match="unknown engine 'gguf'; expected auto, llamacpp or vllm"):
        open_local("local/smollm2-135m", engine="gguf")  # type: ignore[arg-type]


def test_a_missing_file_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match=r"no model file at nowhere/x\.gguf"):
        open_local("local/nowhere/x.gguf")


def test_vllm_must_be_installed(vllm_absent: None, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match="adas models engine install vllm"):
        open_local(f"local/{tmp_path}/x.gguf", engine="vllm")


def test_llamacpp_serves_where_nothing_else_is_installed(vllm_absent: None) -> None:
    assert choose("local/a") == "llamacpp"


def test_vllm_serves_where_it_is_installed(vllm_installed: None) -> None:
    assert choose("local/a") == "vllm"


def test_what_was_measured_decides(vllm_installed: None) -> None:
    remember(measured("vllm", 20.0))
    assert choose("local/a") == "vllm"
    remember(measured("llamacpp", 10.0))
    assert choose("local/a") == choose("local/b") == "llamacpp"
    remember(measured("vllm", 5.0, model="local/b"))
    remember(measured("llamacpp", 10.0, model="local/b"))
    assert (choose("local/a"), choose("local/b")) == ("llamacpp", "vllm")


def test_what_another_machine_measured_does_not_count(vllm_installed: None) -> None:
    remember(measured("vllm", 20.0, machine="another"))
    remember(measured("llamacpp", 10.0, machine="another"))
    assert choose("local/a") == "vllm"


def test_a_measurement_takes_the_place_of_the_older_one(home: Path) -> None:
    old, other = measured("vllm", 20.0), measured("vllm", 1.0, model="local/b")
    new = replace(old, seconds=10.0)
    for each in (old, other, new):
        remember(each)
    assert remembered() == [other, new]
    assert new.tokens_per_second == 40.0


def test_the_load_is_like_a_search() -> None:
    prompts = ["".join(message.content for message in measure.request(n).messages) for n in range(64)]
    assert len(set(prompts)) == 64
    assert all(prompt.startswith(measure.INSTRUCTION) for prompt in prompts)


def test_the_machine_is_described() -> None:
    assert f"{len(cores())} cores" in describe()
    assert 1 << 20 < available_memory() < 1 << 50


def test_a_wrong_python_for_vllm_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAS_VLLM_PYTHON", "/no/python")
    with pytest.raises(UserError, match="ADAS_VLLM_PYTHON=/no/python: no such file"):
        environment.installed_python()


def test_an_installation_that_was_cut_off_does_not_count(vllm_absent: None) -> None:
    (environment.home() / "bin").mkdir(parents=True)
    (environment.home() / "bin" / "python").symlink_to(sys.executable)
    assert environment.installed_python() is None


def test_an_installation_needs_room(vllm_absent: None, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = environment.shutil.disk_usage("/")._replace(free=1_000_000_000)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"vLLM needs about \d+ GB .* 1\.0 GB are free"):
        environment.install(print)
