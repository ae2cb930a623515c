"""Meta Agent Search (Hu, Lu and Clune 2024, arXiv 2408.08435), made for small models.

As in ADAS a proposal is written, reflected on twice, and repaired with the real error. Unlike ADAS the prompt is
short, shows one or two parents instead of the whole archive, asks for code only (the name and the idea are comments
in it), and gives each proposal a direction to explore, because a small model left alone writes the same program again.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from meta_agent.agents.kit import extract_code
from meta_agent.check import check
from meta_agent.llm.llm import Completion, Message, Request
from meta_agent.proposers.proposer import Example, Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

SYSTEM = "You write agent programs in Python. Reply with one ```python block and nothing else."

CONTRACT = """An agent program is a Python function forward(task, kit) that returns the answer to one task.
{description}

The program may use:
- task.prompt: the text of the task (str)
- task.visible_tests: tests it may look at (list of str, can be empty)
- kit.llm(prompt, system="", temperature=0.0, n=1): ask a small language model; returns its reply (a list of n replies if n > 1)
- kit.extract(reply): the answer inside a reply
{tools}
- the Python standard library. Nothing else exists. At most {calls} calls of kit.llm.
The prompt given to kit.llm must contain task.prompt, and must say which form the answer has: {form}"""

CODE_TOOLS = """- kit.run(code): runs code on the visible tests; returns a result with .passed (bool), .score (0 to 1), .feedback (str)
- kit.select(candidates): the candidate that passes most visible tests
- kit.vote(answers): the answer that most others agree with"""
ANSWER_TOOLS = "- kit.vote(answers): the answer that most others agree with"
FORMS = {
    "code": '"Reply with the whole function in one ```python block, without docstring or comments."',
    "answer": "\"End with one line: 'Answer: ' and the final answer alone.\"",
}

CODE_EXAMPLE = """# name: Plan, Draft, Repair
# idea: A short plan avoids wrong starts; running the tests shows what is left to fix.
def forward(task, kit):
    plan = kit.llm(f"{task.prompt}\\n\\nPlan the function in three short steps. Do not write code.")
    code = kit.extract(kit.llm(f"{task.prompt}\\n\\nPlan:\\n{plan}\\n\\nReply with the whole function in one ```python block, without docstring or comments."))
    result = kit.run(code)
    if not result.passed:
        code = kit.extract(kit.llm(f"{task.prompt}\\n\\nThis code:\\n{code}\\n\\nfails:\\n{result.feedback}\\n\\nFix it. Reply with the whole function in one ```python block, without docstring or comments."))
    return code"""
ANSWER_EXAMPLE = """# name: Plan and Solve Twice
# idea: A plan avoids wrong starts; two solutions and a vote catch slips.
def forward(task, kit):
    plan = kit.llm(f"{task.prompt}\\n\\nPlan the solution in three short steps. Do not solve it yet.")
    replies = kit.llm(f"{task.prompt}\\n\\nPlan:\\n{plan}\\n\\nEnd with one line: 'Answer: ' and the final answer alone.", temperature=0.7, n=3)
    return kit.vote([kit.extract(reply) for reply in replies])"""

IDEA_QUESTION = "Does it follow the direction ({direction}), and is there a mistake in its logic?"
KIT_QUESTION = (
    "Check every line: does each prompt contain task.prompt, does each kit call exist and get the right arguments, "
    "is kit.extract applied to replies, does every path return the answer?"
)

CODE_DIRECTIONS = (
    "sample several solutions with temperature 0.8 and n, then choose with kit.select",
    "run the code and repair it in a loop of at most three rounds, showing kit.llm the feedback",
    "write two solutions in clearly different ways, run both, and repair only the better one",
    "ask for edge cases first, then write the solution with these edge cases in the prompt",
    "let one kit.llm call write, a second one review with a list of mistakes, and a third one rewrite",
    "ask first for the examples in the task to be worked through by hand, then write the code",
    "split the task into helper functions first, then write the whole solution from them",
    "write a simple slow solution, then an improved one, and keep the one that passes more tests",
    "try a direct solution; only when its tests fail spend more calls on a plan and new samples",
    "give the model different roles as system prompts, collect one solution from each, and use kit.vote",
)
ANSWER_DIRECTIONS = (
    "sample several solutions with temperature 0.8 and n, then choose with kit.vote",
    "solve, then check the solution with a second call that looks for a mistake, then correct it",
    "restate the question with its given quantities first, then solve from the restatement",
    "solve it in two different ways and, when they disagree, let a third call decide",
    "write small Python arithmetic as the reasoning, then give the answer",
    "split the question into sub-questions, answer each, then combine",
    "give the model different roles as system prompts, collect one answer from each, and use kit.vote",
    "estimate the size of the answer first, solve, and solve again when the result does not fit",
)


class Gateway(Protocol):
    """The part of the gateway that a proposer needs."""

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return one completion."""


class ReflectiveProposer:
    """Writes programs with a meta model.

    Args:
        description: what the domain asks and what an answer looks like.
        kind: ``code`` or ``answer``.
        calls: model calls that a program may make on one task.
    """

    name = "reflective"

    def __init__(
        self,
        gateway: Gateway,
        model: str,
        *,
        description: str,
        kind: Literal["code", "answer"],
        calls: int = 12,
        temperature: float = 0.8,
        max_tokens: int = 700,
    ) -> None:
        self.gateway = gateway
        self.model = model
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.kind = kind
        self.example = CODE_EXAMPLE if kind == "code" else ANSWER_EXAMPLE
        self.directions = CODE_DIRECTIONS if kind == "code" else ANSWER_DIRECTIONS
        self.contract = CONTRACT.format(
            description=description,
            calls=calls,
            form=FORMS[kind],
            tools=CODE_TOOLS if kind == "code" else ANSWER_TOOLS,
        )

    def propose(self, parents: Sequence[Example], draw: int) -> Proposal:
        """Write a new program from the first parent, in a given direction; the second parent is told in a line."""
        direction = self.directions[draw % len(self.directions)]
        prompt = f"{self.contract}\n\nExample of the form:\n```python\n{self.example}\n```\n\n"
        for parent in parents[:1]:
            prompt += f"This program scores {parent.score:.0%}:\n```python\n{self._outline(parent)}\n```\n"
            prompt += "".join(f"It failed on a task: {line}\n" for line in parent.failures[:2])
        for parent in parents[1:2]:
            prompt += (
                f"Another one, {parent.name}, solves tasks on which it fails ({parent.score:.0%} in all).\n"
            )
        prompt += (
            f"\nWrite a new program that works differently. It must do this: {direction}.\n"
            "Do not repeat a program above. Begin with a '# name:' and an '# idea:' comment, then "
            "def forward(task, kit). Keep it under 20 lines."
        )
        return _read(
            self._complete(prompt, draw),
            Proposal(name=direction[:40], thought="", source="", direction=direction),
        )

    def reflect(self, proposal: Proposal, parents: Sequence[Example], step: int, draw: int) -> Proposal:
        """Improve a proposal: first its idea, then its use of the kit.

        The author may answer KEEP, which costs one token instead of a program; an answer that is no program is dropped.
        """
        answer = self._complete(
            f"{self.contract}\n\nA new program:\n```python\n{proposal.source}\n```\n\n"
            + (IDEA_QUESTION.format(direction=proposal.direction) if step == 1 else KIT_QUESTION)
            + "\nIf nothing needs a change, reply with the word KEEP only. Otherwise reply with the whole program.",
            draw,
        )
        improved = _read(answer, proposal)
        return improved if not check(improved.source) or check(proposal.source) else proposal

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Show the program and what stopped it; ask for the corrected whole, from the second time on for a fresh start.

        A small model that did not see its mistake the first time writes the same program again.
        """
        prompt = f"{self.contract}\n\nExample of the form:\n```python\n{self.example}\n```\n\n"
        failure = f"fails with:\n{error[-1200:]}\n{_advice(error)}\n"
        if attempt == 1:
            prompt += f"This program:\n```python\n{proposal.source}\n```\n\n{failure}Reply with the whole corrected program."
        else:
            prompt += (
                f"A program that was to do this: {proposal.direction}\n{failure}Start again: change the example just as "
                "far as needed to do this. Begin with a '# name:' and an '# idea:' comment, then def forward(task, kit)."
            )
        return _read(self._complete(prompt, draw + 100_000 * attempt), proposal)

    def _outline(self, parent: Example) -> str:
        """Return the parent's source for this kind of task only, headed like the example."""
        tree = _OneKind(self.kind).visit(ast.parse(parent.source))
        if ast.get_docstring(tree) is not None:
            del tree.body[0]
        return f"# name: {parent.name}\n{ast.unparse(tree)}"

    def _complete(self, prompt: str, sample: int) -> str:
        request = Request(
            model=self.model,
            messages=(Message("system", SYSTEM), Message("user", prompt)),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            stop=("\n```\n",),
            sample=sample,
        )
        return self.gateway.complete(request, role="meta").text


class _OneKind(ast.NodeTransformer):
    """Decides the branches on ``task.kind``: a small model copies what it is shown, the other kind's half too."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        ends = next((i for i, statement in enumerate(node.body) if isinstance(statement, ast.Return)), None)
        if ends is not None:
            del node.body[ends + 1 :]
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        chosen = self._decide(node.test)
        return node if chosen is None else (node.body if chosen else node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        chosen = self._decide(node.test)
        return node if chosen is None else (node.body if chosen else node.orelse)

    def _decide(self, test: ast.expr) -> bool | None:
        match test:
            case ast.Compare(
                ast.Attribute(ast.Name("task"), "kind"), [ast.Eq() | ast.NotEq() as op], [ast.Constant(value)]
            ):
                return (value == self.kind) == isinstance(op, ast.Eq)
        return None


ADVICE = (
    ("UnboundLocalError", "Give that name a value before the loop or the branch."),
    ("NameError", "That name exists nowhere: write its value out, as plain text if it stands in a prompt."),
    ("task has no", "What is no field of task must be written out as plain text in the prompt."),
    (
        "IndexError",
        "A list can be shorter than expected. task.prompt is text of any form: do not split it.",
    ),
    ("must return the answer", "End forward with: return code"),
    ("never calls kit.llm", "Only kit.llm writes anything: code = kit.extract(kit.llm(prompt))."),
)
"""What a small model needs to be told beside the error itself, by a text in it."""


def _advice(error: str) -> str:
    return next((f"{words}\n" for sign, words in ADVICE if sign in error), "")


def _read(answer: str, before: Proposal) -> Proposal:
    """Return the proposal with the program in an answer; without one, as it was before."""
    source = tidy(extract_code(answer))
    if before.source and "def forward" not in source:
        return before
    return replace(
        before,
        name=_comment(source, "name") or before.name,
        thought=_comment(source, "idea") or before.thought,
        source=source,
    )


def tidy(source: str) -> str:
    """Drop top-level statements that a program cannot need: example calls, prints, ``if __name__`` blocks.

    Text that does not parse comes back as it is, for the check to say why.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    lines = source.splitlines()
    for node in reversed(tree.body):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Expr | ast.If | ast.For | ast.While | ast.Assert) and not docstring:
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip("\n")


def _comment(source: str, key: str) -> str:
    found = re.search(rf"^\s*#\s*{key}\s*:\s*(.+)$", source, re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip()[:200] if found else ""
