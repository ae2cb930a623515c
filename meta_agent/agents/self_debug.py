"""Self-debugging with unit-test feedback (Chen et al. 2023, arXiv 2304.05128): run the tests, show failures, repair.

For tasks without code the check is a second opinion instead of a run. Cost: 1 to 4 calls a task.
"""

REPAIRS = 3


def forward(task, kit):
    if task.kind != "code":
        first = kit.llm(
            f"{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
        return kit.extract(
            kit.llm(
                f"{task.prompt}\n\nA worked solution:\n{first}\n\nCheck every step and correct it. "
                "Then write a last line: 'Answer: ' and the final answer alone."
            )
        )
    code = kit.extract(
        kit.llm(
            "Complete this function. Reply with the whole function in one ```python block, "
            "without docstring or comments, and nothing else.\n\n"
            f"```python\n{task.prompt}\n```"
        )
    )
    for _ in range(REPAIRS):
        result = kit.run(code)
        if result.passed:
            break
        code = kit.extract(
            kit.llm(
                f"```python\n{code}\n```\n\nThis fails:\n{result.feedback}\n\nThe task was:\n{task.prompt}\n\n"
                "Reply with the corrected whole function in one ```python block, "
                "without docstring or comments, and nothing else.",
                temperature=0.3,
            )
        )
    return code
