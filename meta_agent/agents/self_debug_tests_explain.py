"""Self-debugging with tests and explanation together (Chen et al. 2023, arXiv 2304.05128).

When a visible test fails, the model first explains what its program does and where that leads to the failure, and
then fixes it. Without tests the explanation alone decides, once. Cost: 1 to 7 calls a task.
"""

TURNS = 3
CODE = (
    "Reply with the whole function in one ```python block, without docstring or comments, and nothing else."
)
LINE = "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."


def forward(task, kit):
    if task.kind == "code":
        answer = kit.extract(kit.llm(f"Complete this function. {CODE}\n\n```python\n{task.prompt}\n```"))
    else:
        answer = kit.llm(f"{task.prompt}\n\n{LINE}")
    for _ in range(TURNS if task.visible_tests else 1):
        failure = ""
        if task.visible_tests:
            result = kit.run(answer)
            if result.passed:
                break
            failure = f"\n\nThis fails:\n{result.feedback}"
        explained = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{answer}{failure}\n\nExplain in at most six short lines what each "
            "part of the solution does, and say which part is wrong.",
            max_tokens=300,
        )
        answer = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{answer}{failure}\n\nWhat it does:\n{explained}\n\n"
            f"Fix the solution. {CODE if task.kind == 'code' else LINE}",
            temperature=0.3,
        )
        answer = kit.extract(answer) if task.kind == "code" else answer
    return kit.extract(answer)
