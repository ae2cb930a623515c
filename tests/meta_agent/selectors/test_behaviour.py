from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.selectors import Behaviour, probe_inputs

if TYPE_CHECKING:
    from sandboxes import ProcessSandbox

TESTS = ("assert half(4) == 2",)


def test_probe_inputs_come_from_the_tests_and_their_mutations() -> None:
    inputs = probe_inputs(
        "f", ["assert f([1, 2], 'ab') == 3", "assert g(9) == 1", "not python (", "assert f(x) == 1"]
    )
    assert inputs[0] == "([1, 2], 'ab')"
    assert "([2, 1], 'ab')" in inputs
    assert "([1, 2], 'ba')" in inputs
    assert not any("9" in text or "x" in text for text in inputs)
    assert len(probe_inputs("f", [f"assert f({i}) == 0" for i in range(99)])) == 12


def test_outputs_are_values_on_the_inputs(sandbox: ProcessSandbox) -> None:
    behaviour = Behaviour(sandbox, "half", TESTS)
    assert behaviour.inputs == ("(4,)", "(5,)", "(0,)")
    assert behaviour.outputs("def half(x): return x // 2") == ("2", "2", "0")
    assert behaviour.outputs("def half(x): return 4 / x") == ("1.0", "0.8", None)
    assert behaviour.cpu_s > 0


def test_a_program_that_never_returns_has_no_outputs(sandbox: ProcessSandbox) -> None:
    behaviour = Behaviour(sandbox, "half", TESTS)
    assert behaviour.outputs("def half(:") == (None,) * 3
    assert behaviour.outputs("import os\ndef half(x): os._exit(0)") == (None,) * 3


def test_a_program_cannot_forge_the_shape_of_its_outputs(sandbox: ProcessSandbox) -> None:
    forged = "def half(x):\n    import inspect\n    inspect.currentframe().f_back.f_locals['seen'].append('more')\n    return 1"
    assert Behaviour(sandbox, "half", TESTS).outputs(forged) == (None,) * 3


def test_without_inputs_equal_programs_agree(sandbox: ProcessSandbox) -> None:
    behaviour = Behaviour(sandbox, "half", ())
    assert behaviour.outputs("def half(x):  # quick\n  return x/2") == behaviour.outputs(
        "def half(x):\n    return x / 2"
    )
    assert behaviour.outputs("def half(:") == (None,)
