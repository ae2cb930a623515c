"""Debate (Du et al. 2023, arXiv 2305.14325): two solvers see each other's solution and revise; a judge decides.

Cost: 5 calls a task.
"""

ROLES = (
    "You are a careful programmer and mathematician who looks for edge cases.",
    "You are an experienced engineer who prefers the simplest solution that works.",
)


def forward(task, kit):
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    opening = [kit.llm(f"{task.prompt}\n\n{form}", system=role, temperature=0.7) for role in ROLES]
    revised = [
        kit.llm(
            f"Task:\n{task.prompt}\n\nYour solution:\n{mine}\n\nA colleague's solution:\n{other}\n\n"
            f"Keep the better one or combine them. {form}",
            system=role,
        )
        for role, mine, other in zip(ROLES, opening, reversed(opening), strict=False)
    ]
    if task.kind == "code":
        return kit.select([kit.extract(reply) for reply in revised + opening])
    verdict = kit.llm(
        f"Task:\n{task.prompt}\n\nSolution 1:\n{revised[0]}\n\nSolution 2:\n{revised[1]}\n\n"
        f"Decide which is right. {form}"
    )
    return kit.extract(verdict)
