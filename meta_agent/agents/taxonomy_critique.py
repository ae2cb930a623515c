"""Self-critique with a bug taxonomy (Dou et al. 2024, arXiv 2407.06153): name the bug's class before fixing it.

The visible tests are run; a failure is classified by rule (``classify``: exact and free), and the model gets code,
output, the twelve classes and the rule's verdict, names the class, says why, and rewrites. Without tests it goes
through the classes by reading. Cost: 1 to 5 calls a task (two rounds at most).
"""

import ast
import re

ROUNDS = 2
TAXONOMY = {
    "A.1": "incomplete syntax structure",
    "A.2": "incorrect indentation",
    "A.3": "library import error",
    "B.1": "API misuse",
    "B.2": "definition missing",
    "B.3": "incorrect boundary condition check",
    "B.4": "incorrect argument",
    "B.5": "timeout, recursion or another runtime error",
    "C.1": "misunderstanding or logic error",
    "C.2": "hallucination: it solves another task",
    "C.3": "input or output format error",
    "C.4": "a minor slip",
}
BY_ERROR = {
    "SyntaxError": "A.1",
    "EOFError": "A.1",
    "IndentationError": "A.2",
    "TabError": "A.2",
    "ImportError": "A.3",
    "ModuleNotFoundError": "A.3",
    "AttributeError": "B.1",
    "NameError": "B.2",
    "UnboundLocalError": "B.2",
    "IndexError": "B.3",
    "KeyError": "B.3",
    "ZeroDivisionError": "B.3",
    "ValueError": "B.3",
}
SIGNATURE = re.compile(r"positional argument|keyword argument|required keyword-only|takes no arguments")
CODE = (
    "Reply with the whole function in one ```python block, without docstring or comments, and nothing else."
)
LINE = "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."


def forward(task, kit):
    classes = "\n".join(f"{leaf} {name}" for leaf, name in TAXONOMY.items())
    if task.kind != "code":
        answer = kit.llm(f"{task.prompt}\n\n{LINE}")
        return kit.extract(
            kit.llm(
                f"{task.prompt}\n\nA worked solution:\n{answer}\n\nKinds of mistakes:\n{classes}\n\nName the kind "
                f"of mistake in it, if there is one, and correct it. {LINE}"
            )
        )
    code = kit.extract(kit.llm(f"Complete this function. {CODE}\n\n```python\n{task.prompt}\n```"))
    for _ in range(ROUNDS):
        result = kit.run(code)
        if result.passed and task.visible_tests:
            break
        leaf = "" if result.passed else classify(code, result.feedback, wrong_values(task, kit, code))
        found = f"It fails:\n{result.feedback}\n\n" if leaf else ""
        hint = f"It looks like {leaf}.\n" if leaf else ""
        critique = kit.llm(
            f"Task:\n{task.prompt}\n\n```python\n{code}\n```\n\n{found}Kinds of bugs:\n{classes}\n\n{hint}"
            "Reply with two short lines: the kind of the bug, and why it is one. If there is no bug reply: none.",
            max_tokens=120,
        )
        kit.log("rule:", leaf or "none", "model:", critique)
        if not leaf and critique.strip().lower().startswith("none"):
            break
        code = kit.extract(
            kit.llm(
                f"Task:\n{task.prompt}\n\n```python\n{code}\n```\n\n{found}The bug: {leaf} {TAXONOMY.get(leaf, '')}\n"
                f"{critique}\n\nRewrite the function without the bug. {CODE}",
                temperature=0.3,
            )
        )
    return code


def classify(code, feedback, values):
    """Return the class of a failure from what a run of it said, and ``(got, expected)`` literals."""
    try:
        compile(code, "code", "exec")
    except SyntaxError as error:
        return BY_ERROR[type(error).__name__]
    except ValueError:
        return "A.1"
    if "limit" in feedback and "stopped" in feedback:
        return "B.5"
    named = re.search(r"-> (?!not reached)(\w+)(.*)", feedback) or re.search(r"(?:^|\n)(\w+)(.*)$", feedback)
    error = named[1] if named else ""
    if error in BY_ERROR:
        return BY_ERROR[error]
    if error == "TypeError" and SIGNATURE.search(named[2]):
        return "B.4"
    if error and error != "AssertionError":
        return "B.5"
    return "C.3" if any(kind_of(got) != kind_of(expected) for got, expected in values) else "C.1"


def wrong_values(task, kit, code):
    """Return ``(got, expected)`` for each visible ``assert f(...) == literal`` that gave another value."""
    pairs = []
    for test in task.visible_tests:
        try:
            line = ast.parse(test).body[0]
            compared = line.test
            pairs.append((ast.unparse(compared.left), ast.unparse(compared.comparators[0])))
        except (SyntaxError, AttributeError, IndexError):
            continue
    if not pairs:
        return []
    values = kit.call(code, [call for call, _ in pairs])
    return [
        (got, expected)
        for (got, error), (_, expected) in zip(values, pairs, strict=True)
        if not error and got != expected
    ]


def kind_of(text):
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return "object"
    return "number" if type(value) in (int, float) else type(value).__name__
