"""MGSM: 250 problems in 11 languages, and a translation never sits in another split than its original."""

from __future__ import annotations

import pytest

from domains import DomainError, load_domain
from domains.mgsm import LANGUAGES, source
from domains.splits import NAMES

pytestmark = pytest.mark.usefixtures("data_folder")


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_250_answers_are_numbers(language: str) -> None:
    domain = load_domain(f"mgsm:{language}", sizes={"search": 63, "selection": 62, "test": 125})
    tasks = [task for name in NAMES for task in domain.tasks(name)]
    rows = source(language).rows()
    assert len(tasks) == len(rows) == 250
    for task in tasks:
        row = rows[int(task.id.rpartition("/")[2])]
        assert task.prompt.startswith(row["question"])
        assert task.metadata == {"language": language}
        assert domain.score(task, row["answer_number"], None).value == 1
        assert domain.score(task, f"= {row['answer_number']}.", None).value == 1
        assert domain.score(task, None, None).value == 0


def test_translations_stay_together() -> None:
    domain = load_domain("mgsm", sizes={"search": 63 * 11, "selection": 62 * 11, "test": 125 * 11})
    problems = [{task.id.rpartition("/")[2] for task in domain.tasks(name)} for name in NAMES]
    assert [len(numbers) for numbers in problems] == [63, 62, 125]
    assert not problems[0] & problems[1]
    assert not problems[1] & problems[2]
    assert not problems[0] & problems[2]
    for name in NAMES:
        with pytest.raises(DomainError, match="too few tasks"):
            load_domain("mgsm", sizes={name: len(domain.tasks(name)) + 1})


def test_the_default_mixes_languages() -> None:
    languages = {task.metadata["language"] for task in load_domain("mgsm").tasks("test")}
    assert languages == set(LANGUAGES)


def test_an_unknown_language_lists_the_languages() -> None:
    with pytest.raises(DomainError, match="no language 'it': choose one of bn, de"):
        load_domain("mgsm:it")
