"""Quality-diversity (Lu et al. 2024; a seed of ADAS, arXiv 2408.08435): ask for solutions unlike the ones so far.

Different approaches fail on different inputs, so the choice among them carries more information than among samples
of one approach. Cost: 3 calls a task, 4 when the answer is not code.
"""

DRAFTS = 3


def forward(task, kit):
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    drafts = [kit.llm(f"{task.prompt}\n\n{form}")]
    while len(drafts) < DRAFTS:
        drafts.append(
            kit.llm(
                f"{task.prompt}\n\nAn earlier attempt:\n{drafts[-1]}\n\nIt may be wrong. Solve the task in a "
                f"clearly different way. {form}",
                temperature=0.7,
            )
        )
    if task.kind == "code":
        return kit.select([kit.extract(draft) for draft in drafts])
    shown = "\n\n".join(f"Attempt {i + 1}:\n{draft}" for i, draft in enumerate(drafts))
    return kit.extract(
        kit.llm(f"{task.prompt}\n\n{shown}\n\nWhich attempt is right? Solve it finally. {form}")
    )
