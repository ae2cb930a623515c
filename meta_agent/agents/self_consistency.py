"""Self-consistency (Wang et al. 2022, arXiv 2203.11171): sample several solutions, return the majority's.

Code is compared by behaviour (what it returns on shared inputs), answers by meaning. This is also the baseline that
a discovered agent must beat at equal cost: the search sets SAMPLES to match.

Cost: SAMPLES calls a task.
"""

SAMPLES = 5


def forward(task, kit):
    if task.kind == "code":
        prompt = (
            "Complete this function. Reply with the whole function in one ```python block, "
            "without docstring or comments, and nothing else.\n\n"
            f"```python\n{task.prompt}\n```"
        )
    else:
        prompt = (
            f"{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
    replies = [kit.llm(prompt)]
    if SAMPLES > 1:
        more = kit.llm(prompt, temperature=0.8, n=SAMPLES - 1)
        replies += more if SAMPLES > 2 else [more]
    return kit.vote([kit.extract(reply) for reply in replies])
