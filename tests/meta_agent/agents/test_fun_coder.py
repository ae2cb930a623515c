"""Divide, conquer and functional consensus, on the example of the paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.meta_agent.agents.conftest import DOUBLE, GOOD, QUESTION, block, code_task

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

ROOT = code_task(
    'def sum_common_factors(a, b):\n    """Sum the prime factors that a and b share.\n\n    >>> sum_common_factors(12, 18)\n    5\n    """\n',
    "sum_common_factors",
    "assert sum_common_factors(12, 18) == 5",
)
STUB = "def {0}:\n    '''{1}'''\n    raise NotImplementedError()"
DIVIDED = {
    "sum_common_factors": "def sum_common_factors(a, b):\n    return sum(get_common(prime_factor(a), prime_factor(b)))\n\n"
    + STUB.format("prime_factor(n)", "Return the set of prime factors of n.")
    + "\n\n"
    + STUB.format("get_common(x, y)", "Return what two sets share."),
    "prime_factor": "def prime_factor(n):\n    return {k for k in range(2, n + 1) if n % k == 0 and is_prime(k)}\n\n"
    + STUB.format("is_prime(n)", "Whether n is prime."),
    "is_prime": "def is_prime(n):\n    return n > 1 and all(n % k for k in range(2, n))",
    "get_common": "def get_common(x, y):\n    return x & y",
}
CALLS = {
    "sum_common_factors": "sum_common_factors(12, 18)\nsum_common_factors(7, 7)  # equal",
    "prime_factor": "prime_factor(12)\nprime_factor(7)",
    "is_prime": "is_prime(7)\nis_prime(8)",
    "get_common": "get_common({1, 2}, {2, 3})",
}


def name_in(prompt: str) -> str:
    found = re.search(r"(?:Complete|calls of) `(\w+)`", prompt)
    assert found, prompt
    return found[1]


def paper(prompt: str) -> str:
    """Divide and conquer as in the paper's example; conquering repeats the written function alone."""
    name = name_in(prompt)
    if "five different calls" in prompt:
        return block(CALLS[name])
    whole = DIVIDED[name]
    return block(whole if "If a part is hard" in prompt else whole.partition("\n\n")[0])


def test_the_tree_of_the_paper(play: Stage) -> None:
    played = play("fun_coder", ROOT, paper)
    assert re.findall(r"^def (\w+)", played.answer, re.MULTILINE) == [
        "is_prime",
        "prime_factor",
        "get_common",
        "sum_common_factors",
    ]
    divided = [name_in(prompt) for prompt in played.prompts if "If a part is hard" in prompt]
    assert divided == ["sum_common_factors", "prime_factor", "is_prime", "get_common"]
    conquered = [name_in(prompt) for prompt in played.prompts if "Write only this function" in prompt]
    assert list(dict.fromkeys(conquered)) == ["is_prime", "prime_factor", "get_common", "sum_common_factors"]
    assert played.calls == 4 * 6
    last = [prompt for prompt in played.prompts if "Write only this function" in prompt][-1]
    assert all(f"def {name}(" in last for name in ("is_prime", "prime_factor", "get_common"))
    assert last.rindex("def sum_common_factors") > last.rindex("def get_common")
    assert play.sandbox.check(played.answer, ["assert sum_common_factors(12, 18) == 5"]).passed == (True,)


def test_depth_is_limited(play: Stage) -> None:
    played = play("fun_coder", ROOT, paper, DEPTH=2)
    assert "def is_prime" not in played.answer
    assert "def get_common" in played.answer


def test_a_helper_that_names_its_caller_does_not_loop(play: Stage) -> None:
    def script(prompt: str) -> str:
        name = name_in(prompt)
        other = {"double": "times", "times": "double"}[name]
        if "five different calls" in prompt:
            return block(f"{name}(3)")
        body = (
            "def double(x):\n    return times(x)" if name == "double" else "def times(x):\n    return 2 * x"
        )
        return block(body + "\n\n" + STUB.format(f"{other}(x)", "..."))

    played = play("fun_coder", DOUBLE, script)
    assert re.findall(r"^def (\w+)", played.answer, re.MULTILINE) == ["times", "double"]


def test_another_signature_is_refused(play: Stage) -> None:
    other = block("def double(x, y):\n    return x + y")
    missing = block(STUB.format("double(x)", "Not written."))

    def script(prompt: str) -> str:
        if "If a part is hard" in prompt:
            return missing
        return GOOD if "Write only" in prompt else other

    played = play("fun_coder", DOUBLE, script)
    assert "return 2 * x" in played.answer
    assert len([prompt for prompt in played.prompts if "If a part is hard" in prompt]) == 2
    refused = play("fun_coder", DOUBLE, lambda _: other)
    assert "x + y" not in refused.answer


def test_consensus_gives_the_published_scores(play: Stage) -> None:
    rows = [[1, 4, 9], [1, 4, 9], [1, 4, 8], [1, None, 9], [2, 4, 7]]
    outputs = [[("", "Error") if v is None else (str(v), "") for v in row] for row in rows]
    assert play.helper("fun_coder", "consensus", outputs, [True] * 5) == [8, 8, 6, -95, 3]
    assert play.helper("fun_coder", "consensus", outputs, [False, *[True] * 4]) == [-9992, 8, 6, -95, 3]


def test_a_docstring_test_outweighs_a_majority(play: Stage) -> None:
    drafts = iter([GOOD] + [block("def double(x):\n    return x + 2")] * 4)

    def script(prompt: str) -> str:
        return block("double(1)\ndouble(2)") if "five different" in prompt else next(drafts)

    played = play("fun_coder", DOUBLE, script)
    assert "2 * x" in played.answer
    assert played.logs == ["double agreement: [4, -9990, -9990, -9990, -9990]"]


def test_it_stays_within_its_allowance(play: Stage) -> None:
    played = play("fun_coder", ROOT, paper, calls=14)
    assert played.error is None
    assert played.calls <= 14


def test_a_question_becomes_a_program(play: Stage) -> None:
    played = play("fun_coder", QUESTION, lambda _: block("def solve():\n    return 2 + 3"))
    assert (played.answer, played.error) == ("5", None)
