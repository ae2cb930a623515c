"""SEC, self-contemplation prompting (Li et al. 2023, arXiv 2309.14681): the model writes its own demonstrations.

From the task alone it makes up similar tasks with solutions. They are validated (right count, code compiles, or the
answer is there) and asked for again in other words and at a rising temperature until they are; then they are the
few-shot context of the task. Cost: 2 to 5 calls a task.
"""

import ast

DEMONSTRATIONS = 2
ASK = (
    "Write {n} other small tasks like the one above, each with its solution.",
    "Make up {n} simple exercises that are similar to the one above, and solve them.",
    "Give {n} worked examples of the same kind as the task above.",
)
RETRIES = 3


def forward(task, kit):
    shots = []
    for attempt in range(RETRIES + 1):
        shots = demonstrations(task, kit, attempt)
        if shots:
            kit.log("valid demonstrations after retries:", attempt)
            break
    context = "\n\n".join(f"Example:\n{shot}" for shot in shots)
    if task.kind == "code":
        examples = f"Some solved examples:\n```python\n{context}\n```\n\n" if shots else ""
        return kit.extract(
            kit.llm(
                f"{examples}Complete this function. Reply with the whole function in one ```python block, "
                f"without docstring or comments, and nothing else.\n\n```python\n{task.prompt}\n```"
            )
        )
    return kit.extract(
        kit.llm(
            f"{context}\n\nTask:\n{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
    )


def demonstrations(task, kit, attempt):
    """Return valid demonstrations as texts, or nothing when the reply does not keep to the form."""
    ask = ASK[attempt % len(ASK)].format(n=DEMONSTRATIONS)
    temperature = min(1.0, 0.3 * attempt)
    if task.kind == "code":
        reply = kit.llm(
            f"```python\n{task.prompt}\n```\n\n{ask} Each is one complete Python function with a one-line docstring "
            "and its code. Put both in one ```python block.",
            temperature=temperature,
        )
        return valid_code(kit.extract(reply), task.entry_point)
    reply = kit.llm(
        f"{task.prompt}\n\n{ask} Write each as two lines: 'Q: ' and the task, then 'A: ' its solution, which "
        "ends with 'Answer: ' and the result.",
        temperature=temperature,
    )
    blocks = [part.strip() for part in ("\n" + reply).split("\nQ:")[1:]]
    good = [f"Q: {block}" for block in blocks if "A:" in block and "Answer:" in block]
    return good[:DEMONSTRATIONS] if len(good) >= DEMONSTRATIONS else []


def valid_code(source, entry):
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    found = [node for node in body if isinstance(node, ast.FunctionDef)]
    if len(found) < DEMONSTRATIONS or entry in {node.name for node in found}:
        return []
    return [ast.unparse(node) for node in found[:DEMONSTRATIONS]]
