from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from archive import Evaluation, Program, program_id


@given(st.text(st.characters()))
def test_any_source_has_an_id(source: str) -> None:
    assert len(Program(source, "x").id) == 16


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_line_ends_and_trailing_blanks_do_not_count(lines: list[str], end: str) -> None:
    edited = end.join(line + "  " for line in lines) + end
    assert program_id(edited) == program_id("\n".join(lines))


def test_other_code_has_another_id() -> None:
    sources = ["a = 1", "a = 2", "if a:\n    b", "if a:\n  b", 's = """x\u2028y"""', 's = """x\ny"""', ""]
    assert len({program_id(source) for source in sources}) == len(sources)


def test_an_evaluation_is_its_conditions() -> None:
    base = Evaluation("r", "p", "d", "1", "search", "m", 0, "s", 10)
    assert replace(base, tasks=20, id="", created=3.0).id == base.id
    changes = (
        {"run": "x"},
        {"program": "x"},
        {"domain": "x"},
        {"domain_version": "x"},
        {"split": "test"},
        {"model": "x"},
        {"seed": 1},
        {"scorer": "x"},
    )
    ids = {replace(base, id="", **change).id for change in changes}
    assert len(ids | {base.id}) == 9
