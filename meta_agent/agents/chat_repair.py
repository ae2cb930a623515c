"""Conversational repair (Xia and Zhang 2023, ChatRepair, arXiv 2304.00385): rewrite the suspect, run the tests, tell.

The functions that failing tests run over are ranked by Ochiai's formula. The model rewrites the first one, sees which
tests still fail and what it wrote before, and tries again; after a few rounds the next function is tried with fresh
samples. The first patch that passes all tests is the answer, else the one that passes most. Tasks without a repository
or without a failing test are asked once. Cost: 1 to 9 calls a task.
"""

ROUNDS = 3
SUSPECTS = 3
WHOLE = 4000
"""Characters of a file that is shown whole."""


def forward(task, kit):
    if task.kind != "patch":
        form = (
            "Reply with the whole function in one ```python block."
            if task.kind == "code"
            else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
        )
        return kit.extract(kit.llm(f"{task.prompt}\n\n{form}"))
    best_score, best = -1.0, ""
    suspects = kit.repo.suspects(SUSPECTS)
    first = kit.repo.test().feedback if suspects else ""
    for suspect in suspects:
        told, history = first, ""
        for round_ in range(ROUNDS):
            if kit.remaining["calls"] < 1:
                return best
            reply = kit.llm(
                prompt(task, kit, suspect, told, history),
                temperature=0.4 * bool(round_),
                max_tokens=900,
                stop=["\n```\n"],
            )
            new = kit.extract(reply, "code")
            history += f"\nThis version was wrong too:\n```python\n{new}\n```\n"
            if f"def {suspect.name.rpartition('.')[2]}(" not in new:
                continue
            kit.repo.reset()
            try:
                kit.repo.rewrite(suspect.name, new, suspect.path)
            except RuntimeError as refused:
                kit.log("refused:", refused)
                continue
            result = kit.repo.test()
            told = result.feedback
            if result.score > best_score:
                best_score, best = result.score, kit.repo.patch()
            if result.passed:
                return kit.repo.patch()
    return best or kit.extract(kit.llm(task.prompt, max_tokens=900))


def prompt(task, kit, suspect, told, history):
    problem = task.metadata.get("problem", task.prompt)
    whole = kit.repo.read(suspect.path)
    shown = whole if len(whole) <= WHOLE else suspect.code
    return (
        f"{problem}\n\n{suspect.path}:\n```python\n{shown}\n```\n\nThese tests fail:\n{told}\n{history}\n"
        f"Find the bug in {suspect.name}. Reply with the whole corrected function {suspect.name} in one ```python "
        "block, changed as little as possible."
    )
