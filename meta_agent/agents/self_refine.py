"""Self-refine (Madaan et al. 2023, arXiv 2303.17651): draft, criticise, rewrite; stop when the critic is content.

Cost: 1 to 5 calls a task (two rounds at most).
"""

ROUNDS = 2


def forward(task, kit):
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    draft = kit.llm(f"{task.prompt}\n\n{form}")
    for _ in range(ROUNDS):
        critique = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{draft}\n\nCheck it with one concrete example from the task. If it "
            "is right, reply only: CORRECT. Otherwise name the first mistake in two sentences.",
            max_tokens=160,
        )
        if "CORRECT" in critique and "INCORRECT" not in critique:
            break
        draft = kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{draft}\n\nA reviewer says: {critique}\n\n"
            f"Write a corrected solution. {form}"
        )
    return kit.extract(draft)
