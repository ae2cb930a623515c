"""Adaptive refinement (ToolACE-R, Zeng et al. 2025, arXiv 2504.01400): refine until nothing changes.

No outside feedback: the model is shown its own answer and asked for a better one, until the answer repeats itself
(the same program up to layout, or the same meaning), which also ends a cycle A, B, A. Easy tasks stop after two calls
by themselves. Cost: 2 to 5 calls a task.
"""

import ast

TURNS = 4


def forward(task, kit):
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments, and nothing else."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    opening = "Complete this function. " if task.kind == "code" else ""
    shown = f"```python\n{task.prompt}\n```" if task.kind == "code" else task.prompt
    answer = kit.extract(kit.llm(f"{opening}{form}\n\n{shown}"))
    seen = {canonical(answer, task.kind)}
    for _ in range(TURNS):
        answer = kit.extract(
            kit.llm(
                f"Task:\n{task.prompt}\n\nCurrent answer:\n{answer}\n\nImprove it, or repeat it if it is right. "
                f"{form}"
            )
        )
        if canonical(answer, task.kind) in seen:
            break
        seen.add(canonical(answer, task.kind))
    return answer


def canonical(answer, kind):
    try:
        return ast.dump(ast.parse(answer)) if kind == "code" else " ".join(answer.lower().split())
    except (SyntaxError, ValueError):
        return answer
