"""FunCoder (Chen et al. 2024, arXiv 2405.20092): divide and conquer with functional consensus.

Divide: write a function, handing hard parts to new helper functions given as stubs; each new helper is divided in
turn. Conquer: once its helpers are done, a function is written again several times with them in view, and the
version that agrees most with the others on shared inputs is kept, which needs no expected outputs. An answer that is
no code is what a function ``solve()`` returns. Cost: 6 calls a function (1 to divide, 4 to conquer, 1 for inputs),
6 to 24 a task.
"""

import ast

SAMPLES = 4
DEPTH = 3
RETRIES = 2
CRASH = -100
BROKEN = -10000
CODE = "Reply in one ```python block, without comments, and nothing else."


def forward(task, kit):
    if task.kind == "code":
        return Coder(kit, task.visible_tests).build(task.entry_point, task.prompt)
    question = f"{task.prompt}\nReturn the final answer."
    source = Coder(kit, []).build("solve", f"def solve():\n    {question!r}\n")
    ((value, error),) = kit.call(source, ["solve()"])
    if error or value == "None":
        return kit.extract(
            kit.llm(
                f"{task.prompt}\n\nReason step by step first. "
                "Then write a last line: 'Answer: ' and the final answer alone."
            )
        )
    return value.strip("'\"")


class Coder:
    """Builds one function and everything below it."""

    def __init__(self, kit, tests):
        self.kit, self.tests = kit, tests
        self.visited = set()  # a helper that asks for its own caller as a helper must not loop

    def build(self, name, stub):
        """Return the whole source for a stub."""
        return "\n\n".join([header(stub, name), *self.solve(name, stub, "", 0)]).strip("\n")

    def solve(self, name, stub, callers, depth):
        """Return the sources of a function and of all below it, helpers first."""
        self.visited.add(name)
        draft, helpers = self.divide(name, stub, callers)
        below = []
        for helper, helper_stub in helpers.items():
            if helper not in self.visited and depth + 1 < DEPTH and self.affords(2):
                below += self.solve(helper, helper_stub, f"{callers}\n\n{draft}".strip(), depth + 1)
        if self.affords(1):
            draft = self.conquer(name, stub, draft, "\n\n".join(below), self.tests if depth == 0 else [])
        return [*below, draft]

    def affords(self, functions):
        """Whether what is left of the allowance is enough for so many functions."""
        left = self.kit.remaining
        return left["calls"] >= functions * (SAMPLES + 2) and left["tokens"] >= functions * 2500

    def divide(self, name, stub, callers):
        """Return a draft and the stubs of its new helpers; the stub itself when no reply keeps to it."""
        seen = f"These functions call it:\n```python\n{callers}\n```\n\n" if callers else ""
        prompt = (
            f"{seen}Complete `{name}`. If a part is hard, call a new helper function and add the helper at the end "
            "as a stub: its header, a docstring, and `raise NotImplementedError()`. Simple functions need no helper. "
            f"{CODE}\n\n```python\n{stub}\n```"
        )
        for attempt in range(RETRIES):
            reply = self.kit.extract(self.kit.llm(prompt, temperature=0.2 * (attempt + 1)), kind="code")
            found = functions(reply)
            if is_version(found.get(name), name, stub):
                given = {name, *functions(header(stub, name))}
                helpers = {other: ast.unparse(node) for other, node in found.items() if other not in given}
                return alone(reply, name), helpers
        return stub, {}

    def conquer(self, name, stub, draft, below, trusted):
        """Return the version that agrees most with the others, the draft included; ties go to the earliest."""
        known = f"These functions exist:\n```python\n{below}\n```\n\n" if below else ""
        prompt = f"{known}Complete `{name}`. Write only this function. {CODE}\n\n```python\n{stub}\n```"
        replies = [
            self.kit.extract(reply, kind="code") for reply in self.kit.llm(prompt, temperature=0.8, n=SAMPLES)
        ]
        written = [
            alone(reply, name) for reply in replies if is_version(functions(reply).get(name), name, stub)
        ]
        candidates = [draft, *written]
        whole = ["\n\n".join([header(stub, name), below, code]) for code in candidates]
        calls = self.inputs(name, stub, trusted)
        outputs = [self.kit.call(code, calls) if calls else [] for code in whole]
        passed = [not trusted or self.kit.run(code, trusted).passed for code in whole]
        scores = consensus(outputs, passed)
        self.kit.log(name, "agreement:", scores)
        return candidates[scores.index(max(scores))]

    def inputs(self, name, stub, trusted):
        """Return calls of the function: those in trusted tests, then the model's."""
        node = functions(stub).get(name)
        if node and not node.args.args:
            return [f"{name}()"]
        reply = self.kit.llm(
            f"```python\n{stub}\n```\n\nWrite five different calls of `{name}`, one a line, edge cases included. "
            "Reply in one ```python block with the calls alone.",
            temperature=0.2,
            max_tokens=200,
        )
        lines = [*trusted, *self.kit.extract(reply, kind="code").splitlines()]
        return list(dict.fromkeys(call for line in lines if (call := call_in(line, name))))[:10]


def consensus(outputs, passed):
    """Return a score for each candidate: how many others agree, input by input, less the penalties.

    ``outputs[i][j]`` is ``(value, error)`` of candidate i on input j; ``passed[i]`` says whether i passed the tests.
    """
    scores = []
    for mine, good in zip(outputs, passed, strict=True):
        score = 0 if good else BROKEN
        for j, (value, error) in enumerate(mine):
            score += CRASH if error else sum(list(other[j]) == [value, ""] for other in outputs) - 1
        scores.append(score)
    return scores


def functions(source):
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def is_version(node, name, stub):
    """Whether a function is there, is written, and takes the parameters that its stub has (if there is a stub)."""
    if node is None or "NotImplementedError" in ast.unparse(node):
        return False
    wanted = functions(stub).get(name)
    return wanted is None or [arg.arg for arg in node.args.args] == [arg.arg for arg in wanted.args.args]


def alone(source, name):
    """Return the function of a source with the imports beside it."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(ast.unparse(node) for node in [*imports, functions(source)[name]])


def header(stub, name):
    """Return the imports and helpers that stand before a function in its stub."""
    before, found, _ = stub.partition(f"def {name}(")
    return before.strip("\n") if found else ""


def call_in(text, name):
    """Return the first call of a function in a line of Python, or nothing."""
    try:
        nodes = ast.walk(ast.parse(text.strip()))
    except (SyntaxError, ValueError):
        return ""
    calls = (node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return next((ast.unparse(node) for node in calls if node.func.id == name), "")
