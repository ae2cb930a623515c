"""When to solve, when to verify (Singhi et al. 2025, arXiv 2504.01005): one budget, two ways to spend it.

Self-consistency spends it on solutions and takes the majority; generative verification spends it on fewer solutions
and several judgements of each. Solutions are the better buy at small budgets, so a pilot decides: where two solutions
agree already, the rest goes to more solutions; where all differ, a majority says nothing, and ``plan_budget`` splits
the budget as the paper's fit says. Cost: BUDGET solutions' worth of calls (8 to 12 a task).
"""

BUDGET = 8
PILOT = 3
RATIO = 0.5
"""Cost of a verification in solutions; a verdict is short, but its prompt holds the solution."""


def forward(task, kit):
    if task.kind == "code":
        prompt = (
            "Complete this function. Reply with the whole function in one ```python block, without docstring or "
            f"comments, and nothing else.\n\n```python\n{task.prompt}\n```"
        )
    else:
        prompt = (
            f"{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
    drawn = kit.llm(prompt, temperature=0.7, n=PILOT)
    answers = [kit.extract(reply) for reply in drawn]
    classes = [number for number in kit.classes(answers) if number >= 0]
    solutions, verifications = plan_budget(BUDGET, RATIO, agreement=len(set(classes)) < len(classes))
    answers += [kit.extract(kit.llm(prompt, temperature=0.7)) for _ in range(solutions - PILOT)]
    if not verifications:
        return kit.vote(answers)
    scores = [verdict(task, kit, answer, verifications) for answer in answers]
    kit.log("verified:", scores)
    return answers[scores.index(max(scores))]


def plan_budget(budget, ratio, agreement):
    """Return (solutions, verifications of each) worth at most ``budget`` solutions.

    Agreement in the pilot means that a majority can form: all is spent on solutions. Otherwise solutions grow as
    budget ** 0.57 and verifications take what is left, at least one.
    """
    if agreement:
        return budget, 0
    solutions = max(PILOT, round(budget**0.57))
    while solutions > 1 and solutions * (1 + ratio) > budget:
        solutions -= 1
    return solutions, max(1, int((budget / solutions - 1) / ratio))


def verdict(task, kit, answer, verifications):
    """Return the share of judgements that say yes; unreadable ones do not count, and an empty answer never wins."""
    if not answer.strip():
        return 0.0
    replies = [
        kit.llm(
            f"Task:\n{task.prompt}\n\nA solution:\n{answer}\n\nIs it right? Check one example in one line. End with "
            "one line: 'Verdict: yes' or 'Verdict: no'.",
            temperature=0.7,
            max_tokens=100,
        )
        for _ in range(verifications)
    ]
    said = [
        reply.lower().rpartition("verdict:")[2].strip(" *")
        for reply in replies
        if "verdict:" in reply.lower()
    ]
    readable = [text.startswith("yes") for text in said if text.startswith(("yes", "no"))]
    return sum(readable) / len(readable) if readable else 0.0
