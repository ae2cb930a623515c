from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import Program
from meta_agent.adas_compat import MOST_CALLS, published_entry, runnable
from meta_agent.llm import Cache, open_gateway
from tests.meta_agent.adas_compat.stage import (
    FUNCTION,
    GRIDS,
    MIRROR,
    QUESTION,
    empties,
    natives,
    nothing,
    play,
    strings,
)

if TYPE_CHECKING:
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

CHAIN = """
def forward(self, taskInfo):
    agent = LLMAgentBase(['thinking', 'answer'], 'Chain-of-Thought Agent')
    thinking, answer = agent([taskInfo], 'Think first, then answer.')
    return answer
"""
DEBATE = """
def forward(self, taskInfo):
    from collections import Counter
    roles = ['biologist', 'poet']
    panel = [LLMAgentBase(['thinking', 'answer'], 'Debater', role=role, temperature=0.8) for role in roles]
    said = [[] for _ in panel]
    for round in range(2):
        for i, debater in enumerate(panel):
            others = [info for j, infos in enumerate(said) if j != i for info in infos]
            said[i] = debater([taskInfo] + said[i] + others, 'Look at what the others say.', round)
    votes = Counter(infos[1].content for infos in said)
    return votes.most_common(1)[0][0]
"""
CODER = """
def forward(self, taskInfo):
    coder = LLMAgentBase(['thinking', 'code'], 'Coder')
    thinking, code = coder([taskInfo], 'Write the code.')
    for i in range(2):
        feedback, right, wrong = self.run_examples_and_get_feedback(code)
        if len(right) == len(self.examples):
            break
        thinking, code = coder([taskInfo, thinking, code, feedback], 'Repair it.', i)
    return self.get_test_output_from_code(code)
"""


def returned(sandbox: ProcessSandbox, body: str, reply: object = "", task: object = QUESTION) -> object:
    """Return what ``forward`` with this body returns when the model gives ``reply`` (a text, or a JSON value)."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    text = reply if isinstance(reply, str) else json.dumps(reply)
    outcome = play(sandbox, f"def forward(self, taskInfo):\n{lines}", lambda _: text, task).outcome  # type: ignore[arg-type]
    assert outcome.ok, outcome.error
    return outcome.value


@pytest.mark.parametrize("model", [strings, natives, nothing, empties], ids=lambda model: model.__name__)
@pytest.mark.parametrize("task", [QUESTION, GRIDS, FUNCTION], ids=lambda task: task.id)
@pytest.mark.parametrize("source", [CHAIN, DEBATE, CODER], ids=["chain", "debate", "coder"])
def test_programs_run_on_every_task_whatever_the_model_gives(
    sandbox: ProcessSandbox, source: str, task: object, model: object
) -> None:
    outcome = play(sandbox, source, model, task).outcome  # type: ignore[arg-type]
    assert outcome.ok, outcome.error
    assert isinstance(outcome.value, str)


def test_what_the_model_is_shown(sandbox: ProcessSandbox) -> None:
    played = play(sandbox, DEBATE, strings)
    assert len(played.requests) == 4
    system, user = (message.content for message in played.requests[2].messages)
    assert system.startswith("You are a biologist.\n\n")
    (described,) = re.findall(r"^\{.*\}$", system, re.MULTILINE)
    assert described.startswith("{'thinking': 'Your thinking.', 'answer': 'Your answer. ")
    name = r"Debater [A-Za-z0-9]{4}"
    assert re.fullmatch(
        rf"# Your Task:\nWhat is 6 times 7\?\n\n"
        rf"### thinking #1 by {name} \(yourself\):\nsome thinking\n\n"
        rf"### answer #1 by {name} \(yourself\):\n42\n\n"
        rf"### thinking #1 by {name}:\nsome thinking\n\n"
        rf"### answer #1 by {name}:\n42\n\n"
        r"Look at what the others say\.",
        user,
    ), user
    assert played.requests[0].temperature == 0.8
    assert json.loads(played.requests[0].schema) == {
        "type": "object",
        "properties": {"thinking": {"type": "string"}, "answer": {"type": "string"}},
        "required": ["thinking", "answer"],
        "additionalProperties": False,
    }


def test_inputs_without_an_index_and_inputs_that_are_no_info(sandbox: ProcessSandbox) -> None:
    body = (
        "note = Info('note', 'me', [[1, 2], [3]], -1)\n"
        "agent = LLMAgentBase(output_fields=['out'], agent_name='A', role='r', model='m', temperature=9)\n"
        "return agent(input_infos=[taskInfo, 'text', None, [note], note], instruction='Go.', iteration_idx=3)[0]"
    )
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    played = play(sandbox, f"def forward(self, taskInfo):\n{lines}", strings)
    assert played.outcome.value == "some out"
    assert played.requests[0].messages[1].content == (
        "# Your Task:\nWhat is 6 times 7?\n\n### note by me:\n[[1,2],[3]]\n\nGo."
    )
    assert played.requests[0].temperature == 2.0


def test_grids_and_code_are_asked_for_in_their_own_words(sandbox: ProcessSandbox) -> None:
    system, user = (m.content for m in play(sandbox, CODER, strings, GRIDS).requests[0].messages)
    assert "the Python function `transform`" in system
    assert "# Instruction:\nWrite the code." in user
    assert "named `transform`" in user
    assert "`double`" in play(sandbox, CODER, strings, FUNCTION).requests[0].messages[0].content


def test_braces_in_an_instruction_stay(sandbox: ProcessSandbox) -> None:
    source = CODER.replace("Write the code.", "Fill {this} {} {0}")
    assert "Fill {this} {} {0}" in play(sandbox, source, strings, GRIDS).requests[0].messages[1].content


LISTED = "return [[i.name, i.content, i.iteration_idx] for i in LLMAgentBase(['thinking', 'answer'], 'A')([taskInfo], 'Go.')]"


@pytest.mark.parametrize(
    ("reply", "infos"),
    [
        ({"thinking": "t", "answer": "a"}, [["thinking", "t", -1], ["answer", "a", -1]]),
        ({"answer": "a", "thinking": "t"}, [["answer", "a", -1], ["thinking", "t", -1]]),
        ({"answer": "a"}, [["thinking", "", -1], ["answer", "a", -1]]),
        ({"answer": "a", "mood": "m", "thinking": "t"}, [["answer", "a", -1], ["thinking", "t", -1]]),
        ({"answer": 0.7, "thinking": True}, [["answer", "0.7", -1], ["thinking", "True", -1]]),
        ({"thinking": None, "answer": [[1, 2], [3]]}, [["thinking", "", -1], ["answer", "[[1,2],[3]]", -1]]),
        ("no JSON at all", [["thinking", "", -1], ["answer", "", -1]]),
        (
            'Here: ```json\n{"thinking": "a\nb", "answer": "c"}',
            [["thinking", "a\nb", -1], ["answer", "c", -1]],
        ),
        ("{'thinking': 'it\\'s', 'answer': True}", [["thinking", "it's", -1], ["answer", "True", -1]]),
        ('{"x": 1} then {"thinking": "t", "answer": "a"}', [["thinking", "t", -1], ["answer", "a", -1]]),
        ('{"thinking": "cut o', [["thinking", "cut o", -1], ["answer", "", -1]]),
        ('{"thinking": "t", "answer": 4', [["thinking", "t", -1], ["answer", "4", -1]]),
        ('{"thinking": "t", "answ', [["thinking", "", -1], ["answer", "", -1]]),
        ("[1, 2]", [["thinking", "", -1], ["answer", "", -1]]),
        ("{" * 3000, [["thinking", "", -1], ["answer", "", -1]]),
    ],
)
def test_how_a_reply_is_read(sandbox: ProcessSandbox, reply: object, infos: list[list[object]]) -> None:
    assert returned(sandbox, LISTED, reply) == infos


def test_content_is_text_and_what_it_was(sandbox: ProcessSandbox) -> None:
    body = (
        "steps, plan, none = LLMAgentBase(['steps', 'plan', 'none'], 'A')([taskInfo], 'Go.')\n"
        "s, p, n = steps.content, plan.content, none.content\n"
        "return json.dumps([s.lower(), list(s), s[1], s[9], len(s), 'One' in s, s[0].upper(), isinstance(s, str),\n"
        "    p['a'], p['b'], p.get('a'), list(p), p['c'][0], n[0], n[2:], bool(n), list(n), ' '.join([s[0], n]),\n"
        "    copy.deepcopy(s)[1]])"
    )
    reply = {"steps": ["One", 2], "plan": {"a": 1, "c": [True]}, "none": ""}
    assert json.loads(str(returned(sandbox, body, reply))) == [
        '["one",2]', ["One", "2"], "2", "", 2, True, "ONE", True,
        "1", "", "1", ["a", "c"], "True", "", "", False, [], "One ", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("Info('answer', 'me', 'x', -1)", "x"),
        ("Info('answer', 'me', Info('n', 'b', 5, 0), -1)", 5),
        (
            "[Info('thinking', 'me', 't', -1), Info('final_answer', 'me', 'x', -1), Info('why', 'me', 'w', -1)]",
            "x",
        ),
        ("(Info('a', 'me', 't', -1), Info('b', 'me', 'x', -1))", "x"),
        ("{'answer': Info('answer', 'me', 'x', -1), 'n': 1}", {"answer": "x", "n": 1}),
        ("[[1, 2], [3]]", [[1, 2], [3]]),
        ("7", 7),
        ("None", None),
        ("{1, 1}", "{1}"),
    ],
)
def test_what_counts_as_the_answer(sandbox: ProcessSandbox, expression: str, answer: object) -> None:
    assert returned(sandbox, f"return {expression}") == answer


def test_helpers_on_grids(sandbox: ProcessSandbox) -> None:
    body = (
        "f, right, wrong = self.run_examples_and_get_feedback(Info('code', 'Coder x', CODE, -1))\n"
        "a = self.get_test_output_from_code(CODE)\n"
        "return [f.name, f.author, f.content, len(right), len(wrong), a.content, self.test_iuput]"
    )
    right = returned(sandbox, body.replace("CODE", repr(f"```python\n{MIRROR}\n```")), task=GRIDS)
    assert right == [
        "feedback", "Coder x's code evaluator", "Example 0: correct.\nExample 1: correct.", 2, 0, "[[6,5]]", [[5, 6]],
    ]  # fmt: skip
    same = returned(sandbox, body.replace("CODE", repr("def transform(g): return g")), task=GRIDS)
    assert isinstance(same, list)
    assert same[2].startswith("Example 0: wrong. The output was [[1,2],[3,4]], expected [[2,1],[4,3]]")
    assert same[3:6] == [0, 2, "[[5,6]]"]
    broken = returned(sandbox, body.replace("CODE", repr("def transform(g): return 1 / 0")), task=GRIDS)
    assert isinstance(broken, list)
    assert "ZeroDivisionError" in broken[2]
    assert broken[5].startswith("Error: ZeroDivisionError")


def test_a_large_grid_fits(sandbox: ProcessSandbox) -> None:
    body = f"self.test_iuput = [[7] * 30] * 30\nreturn self.get_test_output_from_code({MIRROR!r})"
    assert json.loads(str(returned(sandbox, body, task=GRIDS))) == [[7] * 30] * 30


def test_helpers_on_code(sandbox: ProcessSandbox) -> None:
    body = (
        "f, right, wrong = self.run_examples_and_get_feedback(CODE)\n"
        "return [f.content, len(right), len(wrong), self.get_test_output_from_code(CODE).content]"
    )
    code = "def double(x): return x ** 2"
    found = returned(sandbox, body.replace("CODE", repr(code)), task=FUNCTION)
    assert isinstance(found, list)
    assert found[1:] == [2, 0, code]
    wrong = returned(sandbox, body.replace("CODE", repr("def double(x): return x + 2")), task=FUNCTION)
    assert isinstance(wrong, list)
    assert wrong[1:3] == [1, 1]
    assert "assert double(0) == 0" in wrong[0]


def test_code_of_the_model_that_never_ends_costs_one_wrong_example(sandbox: ProcessSandbox) -> None:
    body = (
        "f, right, wrong = self.run_examples_and_get_feedback('def transform(g):\\n    while True: pass')\n"
        "return [len(right), len(wrong)]"
    )
    assert returned(sandbox, body, task=GRIDS) == [0, 2]


def test_numpy_and_the_names_that_adas_has(sandbox: ProcessSandbox) -> None:
    body = (
        "import numpy\n"
        "from numpy.random import choice\n"
        "table = np.zeros(3)\n"
        "table[1] = table[1] + 0.5 * (1 + 0.9 * np.max(table))\n"
        "return [numpy is np, int(np.argmax(table)), float(np.mean(table)), choice([4]), len(random_id()),\n"
        "    json.loads(copy.copy('1')), random.choice([2]), namedtuple('P', 'x')(3).x, os.path.join('a', 'b')]"
    )
    assert returned(sandbox, body) == [True, 1, 0.5 / 3, 4, 4, 1, 2, 3, "a/b"]


def test_threads_may_ask_at_once(sandbox: ProcessSandbox) -> None:
    body = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "agents = [LLMAgentBase(['answer'], f'A{i}') for i in range(6)]\n"
        "with ThreadPoolExecutor(3) as pool:\n"
        "    infos = list(pool.map(lambda agent: agent([taskInfo], 'Go.')[0], agents))\n"
        "return [info.content for info in infos]"
    )
    assert returned(sandbox, body, {"answer": "x"}) == ["x"] * 6


def test_each_program_has_a_system_of_its_own(sandbox: ProcessSandbox) -> None:
    leave = "LLMAgentBase.mark = 1\ntype(self).mark = 1\nreturn type(self).__name__"
    assert returned(sandbox, leave) == "AgentSystem"
    assert returned(sandbox, "return [hasattr(self, 'mark'), hasattr(LLMAgentBase, 'mark')]") == [
        False,
        False,
    ]
    again = "return taskInfo.content if self.__dict__.setdefault('n', 0) else self.__dict__.update(n=1) or self.forward(taskInfo)"
    assert returned(sandbox, again) == QUESTION.prompt


def test_an_error_shows_the_line_of_the_program(sandbox: ProcessSandbox) -> None:
    error = play(sandbox, "def forward(self, taskInfo):\n    return taskInfo.kontent", nothing).outcome.error
    assert error is not None
    assert 'File "<published>", line 2, in forward' in error
    assert "return taskInfo.kontent" in error
    assert "AttributeError" in error


def test_a_spent_allowance_is_an_error_and_no_empty_reply(sandbox: ProcessSandbox) -> None:
    error = play(sandbox, DEBATE, strings, max_calls=3).outcome.error
    assert error is not None
    assert "no model calls left: this task allows 3" in error


def test_which_sources_are_published_programs() -> None:
    assert published_entry(CHAIN) == "forward"
    assert published_entry("def forward_3(self, info):\n    return 1") == "forward_3"
    assert published_entry("import re\ndef helper(self): ...\ndef forward(self, taskInfo): ...") == "forward"
    assert published_entry("def a(self): ...\ndef b(self): ...") is None
    assert published_entry("class A:\n    def forward(self, taskInfo): ...") is None
    assert published_entry("def forward(self, taskInfo:") is None
    ours = "def forward(task, kit):\n    return kit.llm(task.prompt)"
    assert runnable(ours) is ours


def test_the_evaluator_runs_them_like_any_other(bench: Bench) -> None:
    task = bench.domain.tasks("search")[0]
    solve = bench.evaluator.attempt(Program(source=CHAIN.replace("return answer", CALLS), name="x"), task)
    assert (solve.failure, solve.calls) == ("", 31)
    silent = bench.evaluator.attempt(
        Program(source="def forward(self, taskInfo):\n    return ''", name="y"), task
    )
    assert (silent.failure, silent.answer, silent.score) == ("", "", 0.0)
    lost = bench.evaluator.attempt(Program(source="def forward(self, taskInfo): ...", name="z"), task)
    assert "returned nothing" in lost.failure
    assert bench.evaluator.allowance.calls < 31 <= MOST_CALLS


CALLS = "[agent([taskInfo], str(i)) for i in range(30)]\n    return 'def f(): ...'"


# -- programs in the style, generated -----------------------------------------------------------------

NAMES = st.sampled_from(
    ["answer", "final_answer", "thinking", "code", "sub_goals", "critic's view", "étape", "x y", "0"]
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Return a program of a few agents that feed each other, in one of ADAS's ways of writing each step."""
    lines = ["infos = [taskInfo]"]
    if draw(st.booleans()):
        lines += [
            "class Memory:",
            "    def __init__(self):",
            "        self.kept = []",
            "    def keep(self, *infos):",
            "        self.kept.extend(infos)",
            "        return self.kept",
            "memory = Memory()",
        ]
    memory = "memory = Memory()" in lines
    for number in range(draw(st.integers(1, 4))):
        asked_for = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
        words = {
            "role": repr(draw(st.sampled_from(["helpful assistant", "critic {0}", "", "数学者"]))),
            "temperature": repr(draw(st.sampled_from([0, 0.5, 1, 0.1]))),
            "model": "'gpt-4o'",
        }
        chosen = draw(st.sets(st.sampled_from(sorted(words))))
        options = "".join(f", {word}={words[word]}" for word in sorted(chosen))
        made = f"LLMAgentBase({asked_for!r}, 'Agent {number}'{options})"
        lines.append(f"agent = {draw(st.sampled_from([made, f'[{made} for _ in range(2)][-1]']))}")
        call = draw(
            st.sampled_from(
                [
                    "agent(infos, 'Go on.')",
                    "agent(infos, 'Go on.', {n})",
                    "agent(infos, instruction='Go on.', iteration_idx={n})",
                    "agent.query(input_infos=infos[-3:], instruction='{{}} {{x}}')",
                    "agent([taskInfo, infos, [infos[-1]]] + infos, 'Nested.')",
                    "agent((info for info in infos if isinstance(info, Info)), 'Lazy.')",
                ]
            )
        ).format(n=number)
        if draw(st.booleans()):
            names = ", ".join(f"v{i}" for i in range(len(asked_for)))
            lines += [f"{names}, = {call}", f"new = [{names}]"]
        else:
            lines.append(f"new = {call}")
        lines.append(
            draw(
                st.sampled_from(
                    [
                        "infos = infos + new",
                        "infos.extend(new)",
                        "infos = [taskInfo] + sorted(new, key=lambda info: info.content)",
                        "infos.append(Info('note', 'me', ' '.join(i.content.lower() for i in new), 0))",
                        "infos += [i for i in new if 'satisfactory' not in i.content.lower()]",
                        "agent.output_fields = ['verdict', 'answer']\ninfos += agent(infos, 'Again.')",
                        "infos = list(memory.keep(*infos, *new))" if memory else "infos = infos + new[:1]",
                        "feedback, right, wrong = self.run_examples_and_get_feedback(new[-1])\ninfos.append(feedback)",
                    ]
                )
            )
        )
    last = f"LLMAgentBase({draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))!r}, 'Last')(infos, 'Answer.')"
    lines.append(
        draw(
            st.sampled_from(
                [
                    f"return {last}[-1]",
                    f"return {last}",
                    f"return {last}[0].content",
                    f"return self.get_test_output_from_code({last}[0])",
                    f"return next(iter({last}))",
                ]
            )
        )
    )
    return "def forward(self, taskInfo):\n" + "".join(
        f"    {line}\n" for step in lines for line in step.splitlines()
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=programs(),
    task=st.sampled_from([QUESTION, GRIDS, FUNCTION]),
    model=st.sampled_from([strings, natives, nothing, empties]),
)
def test_programs_in_the_style_run(sandbox: ProcessSandbox, source: str, task: object, model: object) -> None:
    outcome = play(sandbox, source, model, task).outcome  # type: ignore[arg-type]
    assert outcome.ok, f"{outcome.error}\n{source}"
    assert isinstance(outcome.value, str), source


@pytest.mark.model
def test_a_real_model_fills_the_fields(sandbox: ProcessSandbox) -> None:
    with open_gateway(cache=Cache(), engine="llamacpp") as gateway:
        played = play(
            sandbox,
            CHAIN,
            lambda request: gateway.complete(replace(request, model="local/qwen2.5-coder-0.5b")).text,
        )
    assert played.outcome.ok, played.outcome.error
    assert "42" in str(played.outcome.value)


def test_metadata_of_another_shape_is_left_alone(sandbox: ProcessSandbox) -> None:
    for metadata in ({"train": ["a"], "test": "b"}, {"train": [], "test": [[1]]}, {"train": [{"input": 1}]}):
        task = replace(QUESTION, metadata=metadata)
        found = returned(sandbox, "return [len(self.examples), self.test_iuput]", task=task)
        assert found == [1, QUESTION.prompt]
