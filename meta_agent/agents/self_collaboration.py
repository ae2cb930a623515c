"""Self-collaboration (Dong et al. 2023, arXiv 2304.07590): analyst, coder and tester in one team.

The analyst plans, the coder writes, the tester writes calls that print; its report is what a real run of them says,
and goes back to the coder. As in the paper, a program passes when nothing crashes: printed values are shown, not
compared. Where the answer is no code, the tester checks by reading. Cost: 4 to 9 calls a task (4 rounds at most).
"""

ROUNDS = 4
PASSED = "Code Test Passed."
TEAM = "You are part of a small team: an analyst plans, a coder writes, a tester tests. You are the {role}."


def forward(task, kit):
    def ask(role, prompt, **options):
        return kit.llm(f"Requirement:\n{task.prompt}\n\n{prompt}", system=TEAM.format(role=role), **options)

    plan = ask(
        "analyst",
        "Split the requirement into at most four small steps, edge cases included. Write one line for each step. "
        "Do not write code.",
        max_tokens=200,
    )
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "End with one line: 'Answer: ' and the final answer alone."
    )
    report, answer = f"The analyst's plan:\n{plan}", ""
    for turn in range(ROUNDS):
        earlier = f"Your last version:\n{answer}\n\n" if answer else ""
        reply = ask("coder", f"{earlier}{report}\n\n{form}")
        answer = (kit.extract(reply) if task.kind == "code" else reply.strip()) or answer
        if turn == ROUNDS - 1:
            break
        finding = run_tests(task, kit, ask, answer) if task.kind == "code" else review(ask, answer)
        kit.log("tester:", finding)
        if finding.startswith(PASSED):
            break
        report = f"The tester's report on it:\n{finding}\nCorrect it."
    return kit.extract(answer)


def run_tests(task, kit, ask, code):
    check = kit.extract(
        ask(
            "tester",
            f"```python\n{code}\n```\n\nWrite a function check(candidate) that calls candidate with up to five "
            "different inputs, edge cases included, and prints each result. No asserts. Reply with check alone in "
            "one ```python block.",
            max_tokens=256,
        )
    )
    if "def check(" not in check:
        return PASSED
    result = kit.run(f"{code}\n\n{check}\n\ncheck({task.entry_point})", tests=[])
    return f"{PASSED} It printed:\n{result.output[:500]}" if result.passed else result.feedback[-800:]


def review(ask, answer):
    return ask(
        "tester",
        f"The coder's solution:\n{answer}\n\nCheck it. If it is right reply only: {PASSED} Otherwise name the first "
        "mistake in one sentence.",
        max_tokens=120,
    )
