"""Chain of thought (Wei et al. 2022, arXiv 2201.11903): reason in steps before the answer.

Cost: 1 call a task, with a longer reply.
"""


def forward(task, kit):
    if task.kind == "code":
        reply = kit.llm(
            f"```python\n{task.prompt}\n```\n\nThink step by step: in at most five short lines say how the function "
            "must work, edge cases included. Then write the whole function in one ```python block, "
            "without docstring or comments."
        )
    else:
        reply = kit.llm(
            f"{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
    return kit.extract(reply)
