from __future__ import annotations

import ast

import pytest

from sandboxes.syntax import parse


def test_a_fault_of_the_parser_is_outlived_and_a_fault_of_the_source_is_not(monkeypatch):
    real, failing = ast.parse, [4]

    def shaky(source):
        if failing[0]:
            failing[0] -= 1
            raise SystemError("AST constructor recursion depth mismatch (before=39, after=32)")
        return real(source)

    monkeypatch.setattr(ast, "parse", shaky)
    assert ast.dump(parse("x = 1")) == ast.dump(real("x = 1"))
    with pytest.raises(SyntaxError):
        parse("x = ")
    failing[0] = 5
    with pytest.raises(SystemError):
        parse("x = 1")
