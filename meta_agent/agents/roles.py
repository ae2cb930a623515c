"""Dynamic role assignment (Xu et al. 2023, arXiv 2305.14688; a seed of ADAS): let the model pick who should answer.

Cost: 2 calls a task.
"""

EXPERTS = ("algorithm designer", "string processing expert", "mathematician", "data structures expert")


def forward(task, kit):
    reply = kit.llm(
        f"{task.prompt}\n\nWho should solve this? Choose one of: {', '.join(EXPERTS)}. Reply with the choice only.",
        max_tokens=12,
    ).lower()
    expert = next((name for name in EXPERTS if name in reply), EXPERTS[0])
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    return kit.extract(kit.llm(f"{task.prompt}\n\n{form}", system=f"You are a world-class {expert}."))
