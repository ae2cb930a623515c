"""Self-debugging with tests and an execution trace (Chen et al. 2023, arXiv 2304.05128).

When a visible test fails, the model plays the interpreter: it runs the failing test through its program line by
line, writing down the variables, until it sees where the value goes wrong; then it fixes the program. Without tests
there is nothing to trace, and the first answer stands. Cost: 1 to 7 calls a task.
"""

TURNS = 3
CODE = (
    "Reply with the whole function in one ```python block, without docstring or comments, and nothing else."
)


def forward(task, kit):
    if task.kind != "code":
        return kit.extract(
            kit.llm(
                f"{task.prompt}\n\nReason step by step first. "
                "Then write a last line: 'Answer: ' and the final answer alone."
            )
        )
    code = kit.extract(kit.llm(f"Complete this function. {CODE}\n\n```python\n{task.prompt}\n```"))
    for _ in range(TURNS if task.visible_tests else 0):
        result = kit.run(code)
        if result.passed:
            break
        failed = result.feedback.split("\nassert ")[0]  # one failing test, with what really happened
        trace = kit.llm(
            f"```python\n{code}\n```\n\nThis fails:\n{failed}\n\nRun the failing test through the code by hand, line "
            "by line. For each line write the values of the variables. Use at most ten short lines. End with the "
            "first line that does something wrong.",
            max_tokens=300,
        )
        code = kit.extract(
            kit.llm(
                f"```python\n{code}\n```\n\nThis fails:\n{failed}\n\nA trace of it:\n{trace}\n\nThe task was:\n"
                f"{task.prompt}\n\nFix the function. {CODE}",
                temperature=0.3,
            )
        )
    return code
