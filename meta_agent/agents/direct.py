"""Ask once, take the answer: the floor that every other agent must beat.

Cost: 1 call a task.
"""


def forward(task, kit):
    if task.kind == "code":
        return kit.extract(
            kit.llm(
                "Complete this function. Reply with the whole function in one ```python block, "
                "without docstring or comments, and nothing else.\n\n"
                f"```python\n{task.prompt}\n```"
            )
        )
    if task.kind == "patch":
        return kit.extract(kit.llm(task.prompt, max_tokens=900))
    return kit.extract(kit.llm(f"{task.prompt}\n\nEnd with one line: 'Answer: ' and the final answer alone."))
