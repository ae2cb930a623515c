"""What proposers that ask a meta model share: the contract they tell it, how they read it, how they have errors repaired."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from meta_agent.agents.kit import extract_code
from meta_agent.llm.llm import Completion, Message, Request
from sandboxes.syntax import parse

if TYPE_CHECKING:
    from domains import Kind
    from meta_agent.proposers.proposer import Example, Proposal, Turn

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

TOOLS = {
    "code": """- kit.run(code): runs code on the visible tests; returns a result with .passed (bool), .score (0 to 1), .feedback (str)
- kit.select(candidates): the candidate that passes most visible tests
- kit.vote(answers): the answer that most others agree with""",
    "answer": "- kit.vote(answers): the answer that most others agree with",
    "patch": """- kit.extract(reply) applies the functions and edit blocks of a reply to a fresh copy of the repository and returns the patch, a text
- kit.repo.test(): runs the repository's tests on the copy; returns a result with .passed (bool), .score (0 to 1), .feedback (str)
- kit.repo.suspects(3): the functions that failing tests run over, worst first, each with .name, .path and .code
- kit.repo.edit(path, old, new): replaces a text of the copy; kit.repo.rewrite(name, code): a whole function
- kit.repo.patch(): the patch of all edits; kit.repo.reset(): a fresh copy
- kit.vote(patches): the patch that most others agree with""",
}
FORMS = {
    "code": '"Reply with the whole function in one ```python block, without docstring or comments."',
    "answer": "\"Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone.\"",
    "patch": '"Reply with each function that must change, whole, in a ```python block."',
}

EXAMPLES = {
    "code": """# name: Plan, Draft, Repair
# idea: A short plan avoids wrong starts; running the tests shows what is left to fix.
def forward(task, kit):
    plan = kit.llm(f"{task.prompt}\\n\\nPlan the function in three short steps. Do not write code.")
    code = kit.extract(kit.llm(f"{task.prompt}\\n\\nPlan:\\n{plan}\\n\\nReply with the whole function in one ```python block, without docstring or comments."))
    result = kit.run(code)
    if not result.passed:
        code = kit.extract(kit.llm(f"{task.prompt}\\n\\nThis code:\\n{code}\\n\\nfails:\\n{result.feedback}\\n\\nFix it. Reply with the whole function in one ```python block, without docstring or comments."))
    return code""",
    "answer": """# name: Plan and Solve Twice
# idea: A plan avoids wrong starts; two solutions and a vote catch slips.
def forward(task, kit):
    plan = kit.llm(f"{task.prompt}\\n\\nPlan the solution in three short steps. Do not solve it yet.")
    replies = kit.llm(f"{task.prompt}\\n\\nPlan:\\n{plan}\\n\\nReason step by step first. Then write a last line: 'Answer: ' and the final answer alone.", temperature=0.7, n=3)
    return kit.vote([kit.extract(reply) for reply in replies])""",
    "patch": """# name: Edit, Test, Edit Again
# idea: The repository's own tests show what an edit has missed.
def forward(task, kit):
    patch = kit.extract(kit.llm(task.prompt))
    result = kit.repo.test()
    if not result.passed:
        patch = kit.extract(kit.llm(f"{task.prompt}\\n\\nThis patch:\\n{patch}\\n\\nis wrong:\\n{result.feedback}\\n\\nReply with each function that must change, whole, in a ```python block."))
    return patch""",
}


class Gateway(Protocol):
    """The part of the gateway that a proposer needs."""

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return one completion."""


class Author(ABC):
    """A proposer that writes with a meta model; its own is what it asks for.

    Args:
        description: what the domain asks and what an answer looks like.
        kind: what an answer is.
        calls: model calls that a program may make on one task.
        max_tokens: length of a reply, in tokens.
    """

    name: ClassVar[str]

    def __init__(
        self,
        gateway: Gateway,
        model: str,
        *,
        description: str,
        kind: Kind,
        calls: int = 12,
        temperature: float = 0.8,
        max_tokens: int = 700,
    ) -> None:
        self.gateway = gateway
        self.model = model
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.description = description
        self.kind = kind
        self.example = EXAMPLES[kind]
        self.contract = CONTRACT.format(
            description=description,
            calls=calls,
            form=FORMS[kind],
            tools=TOOLS[kind],
        )

    @abstractmethod
    def propose(self, turn: Turn) -> Proposal:
        """Write a new program."""

    def reflect(self, proposal: Proposal, step: int, draw: int) -> Proposal:
        """Return the proposal as it is: not every way to write gains from a second look."""
        return proposal

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Show the program and what stopped it; ask for the corrected whole."""
        prompt = (
            f"{self.contract}\n\nExample of the form:\n```python\n{self.example}\n```\n\n"
            f"This program:\n```python\n{proposal.source}\n```\n\nfails with:\n{error[-1200:]}\n{advice(error)}"
            "Reply with the whole corrected program."
        )
        return read_program(self.complete(prompt, draw + 100_000 * attempt), proposal)

    def outline(self, parent: Example) -> str:
        """Return the parent's source for this kind of task only, without its docstring and comments."""
        tree = _OneKind(self.kind).visit(parse(parent.source))
        if ast.get_docstring(tree) is not None:
            del tree.body[0]
        return ast.unparse(tree)

    def complete(self, prompt: str, sample: int, system: str = SYSTEM) -> str:
        """Return the model's reply; equal prompts with another ``sample`` are drawn anew."""
        request = Request(
            model=self.model,
            messages=(Message("system", system), Message("user", prompt)),
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


def advice(error: str) -> str:
    """Return a line of advice on an error, empty when there is none."""
    return next((f"{words}\n" for sign, words in ADVICE if sign in error), "")


def read_program(answer: str, before: Proposal) -> Proposal:
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
        tree = parse(source)
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
