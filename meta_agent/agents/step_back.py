"""Step-back abstraction (Zheng et al. 2023, arXiv 2310.06117): name the principle first, then solve with it.

Cost: 2 calls a task.
"""


def forward(task, kit):
    principle = kit.llm(
        f"{task.prompt}\n\nDo not solve this yet. In two sentences, name the general technique or principle "
        "that solves problems like this one, and the usual mistake.",
        max_tokens=120,
    )
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    return kit.extract(kit.llm(f"{task.prompt}\n\nHint: {principle}\n\n{form}"))
