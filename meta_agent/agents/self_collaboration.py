"""Self-collaboration (Dong et al. 2023, arXiv 2304.07590): analyst, coder and tester in one team.

The analyst plans, the coder writes, the tester writes calls that print; its report is what a real run of them says,
and goes back to the coder. As in the paper, a program passes when nothing crashes: printed values are shown, not
compared. The team stops when the coder has nothing new. Where the answer is no code, the tester checks by reading.
Cost: 3 to 8 calls a task (4 rounds at most).
"""

import ast

ROUNDS = 4
PASSED = "Code Test Passed."
TEAM = "You are part of a small team: an analyst plans, a coder writes, a tester tests. You are the {role}."


def forward(task, kit):
    requirement = f"```python\n{task.prompt}\n```" if task.kind == "code" else task.prompt

    def ask(role, prompt, **options):
        return kit.llm(f"Requirement:\n{requirement}\n\n{prompt}", system=TEAM.format(role=role), **options)

    plan = ask(
        "analyst",
        "Explain to the coder in plain English what to do, in at most four numbered steps, and which edge cases to "
        "mind. Do not write code: a plan that holds code is thrown away.",
        max_tokens=200,
        stop=["```"],
    ).strip()
    form = (
        "Reply with the whole function, as long as it needs to be, in a ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    report, answer = f"The analyst's plan:\n{plan}" if plan else "", ""
    for turn in range(ROUNDS):
        earlier = f"Your last version:\n{answer}\n\n" if answer else ""
        reply = ask("coder", f"{earlier}{report}\n\n{form}")
        old, answer = answer, (kit.extract(reply) if task.kind == "code" else reply.strip()) or answer
        if turn == ROUNDS - 1 or answer == old:
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
            f"The coder's function:\n```python\n{code}\n```\n\nWrite a function check(candidate) that calls candidate "
            "on up to five different inputs that the requirement allows, edge cases included, and prints each result. "
            f"No asserts. Reply with check alone in this form:\n```python\ndef check(candidate):\n"
            "    print(candidate(...))\n    print(candidate(...))\n```",
            max_tokens=256,
        )
    )
    while not parses(check):  # it may have run out of tokens in the middle of a call
        check = check.rpartition("\n")[0]
    if "def check(" not in check:
        return PASSED
    result = kit.run(f"{code}\n\n{check}\n\ncheck({task.entry_point})", tests=[])
    return f"{PASSED} It printed:\n{result.output[:500]}" if result.passed else result.feedback[-800:]


def parses(code):
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def review(ask, answer):
    return ask(
        "tester",
        f"The coder's solution:\n{answer}\n\nCheck it. If it is right reply only: {PASSED} Otherwise name the first "
        "mistake in one sentence.",
        max_tokens=120,
    )
