"""Self-debugging by explanation, or rubber duck (Chen et al. 2023, arXiv 2304.05128): needs no tests at all.

The model says line by line what its program does, compares that with the task, and gives a verdict; a program that
it finds wrong is rewritten with the explanation in view. Cost: 2 to 5 calls a task.
"""

TURNS = 2
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
        explained = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{answer}\n\nExplain in at most six short lines what each part of "
            "the solution does. Then compare it with the task. End with one line: 'Verdict: correct' or "
            "'Verdict: wrong'.",
            max_tokens=300,
        )
        if "wrong" not in explained.lower().rpartition("verdict")[2]:
            break
        answer = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{answer}\n\nWhat it does:\n{explained}\n\n"
            f"Fix the solution. {CODE if task.kind == 'code' else LINE}"
        )
        answer = kit.extract(answer) if task.kind == "code" else answer
    return kit.extract(answer)
