"""Self-debugging with simple feedback (Chen et al. 2023, arXiv 2304.05128): only whether the program is right.

The visible tests decide, or the model where there are none; the model is told nothing else. It shows how much of
self-debugging is a second chance. Cost: 1 to 4 calls a task, up to 7 when the model decides.
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
    for _ in range(TURNS):
        if is_right(task, kit, answer):
            break
        answer = kit.llm(
            f"Task:\n{task.prompt}\n\nAn answer:\n{answer}\n\nThe answer above is wrong. Please fix it. "
            f"{CODE if task.kind == 'code' else LINE}",
            temperature=0.3,
        )
        answer = kit.extract(answer) if task.kind == "code" else answer
    return kit.extract(answer)


def is_right(task, kit, answer):
    if task.visible_tests:
        return kit.run(answer).passed
    verdict = kit.llm(
        f"Task:\n{task.prompt}\n\nAn answer:\n{answer}\n\nIs it right? Reply with yes or no.", max_tokens=4
    )
    return "no" not in verdict.lower()
