"""Auto-Evolve (Aswani et al. 2024, arXiv 2410.06328): the model makes its own reasoning modules for a kind of task.

From one to three unlabelled instances it names reasoning modules, turns them into a step-by-step plan, and refines
the plan against an instance; then the plan is filled in for the task. Instances come from ``task.metadata
["instances"]``, and the plan made from them is shared by all tasks that show the same ones (equal requests have one
completion); without them the task is its own instance. Cost: 3 calls and one for each refinement (4 in all).
"""

REFINEMENTS = 1


def forward(task, kit):
    instances = [str(text) for text in task.metadata.get("instances", [])][:3] or [task.prompt]
    shown = "\n\n".join(f"Instance:\n{text}" for text in instances)
    modules = kit.llm(
        f"{shown}\n\nName three reasoning modules that help with tasks of this kind. One line for each: its name, "
        "and how to use it. Do not solve anything.",
        max_tokens=160,
    )
    plan = kit.llm(
        f"{shown}\n\nReasoning modules:\n{modules}\n\nTurn them into a plan of at most five numbered steps that "
        "works for every task of this kind. Do not solve anything.",
        max_tokens=200,
    )
    for turn in range(REFINEMENTS):
        plan = kit.llm(
            f"Instance:\n{instances[turn % len(instances)]}\n\nPlan:\n{plan}\n\nFollow the plan in your mind. Which "
            "step is missing or wrong? Reply with the corrected plan alone, at most five numbered steps.",
            max_tokens=200,
        )
    form = (
        "Fill in each step in one short line, then write the whole function in one ```python block, "
        "without docstring or comments."
        if task.kind == "code"
        else "Fill in each step in one line. Then write a last line: 'Answer: ' and the final answer alone."
    )
    return kit.extract(kit.llm(f"{task.prompt}\n\nPlan:\n{plan}\n\n{form}"))
