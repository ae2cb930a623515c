"""CoGEX with CoTACS (Weir et al. 2024, arXiv 2405.16337): search a pseudo-program, emulate the leaves it lacks.

A pseudo-program is Python whose leaf functions may be undefined. It is run for real; the model is asked only for the
value of an undefined call (``kit.run_partial``). Several programs are sampled; those that do too badly on labelled
examples are dropped, and the best KEEP vote. Examples come from ``task.metadata["examples"]``, a list of ``{"input",
"output"}``; without them all programs vote. The answer to a code task must run without a model: an undefined leaf is
then written by the model once, and the visible tests are the examples. Cost: 4 to 16 calls a task.
"""

import ast
import builtins

PROGRAMS = 4
KEEP = 3
ALPHA = 0.5


def forward(task, kit):
    return code_answer(task, kit) if task.kind == "code" else emulated_answer(task, kit)


def emulated_answer(task, kit):
    examples = task.metadata.get("examples", [])[:4]
    prompt = (
        f"{examples[0]['input'] if examples else task.prompt}\n\nWrite a Python function solve(question) that takes "
        "the whole text above as its argument and returns the short answer. Hard parts may be calls of functions "
        "that do not exist, with telling names such as count_people(question). Reply with solve alone in one "
        "```python block."
    )
    programs = [kit.extract(reply, kind="code") for reply in kit.llm(prompt, temperature=0.7, n=PROGRAMS)]
    ranked = []
    for program in programs:
        right = [run(kit, program, example["input"]) == str(example["output"]) for example in examples]
        ranked.append((sum(right) / len(right) if right else 1.0, program))
    ranked.sort(key=lambda pair: -pair[0])
    kit.log("program scores:", [score for score, _ in ranked])
    kept = [program for score, program in ranked if score >= ALPHA][:KEEP] or [ranked[0][1]]
    answers = [answer for program in kept if (answer := run(kit, program, task.prompt))]
    if answers:
        return kit.vote(answers)
    return kit.extract(
        kit.llm(
            f"{task.prompt}\n\nReason step by step first. "
            "Then write a last line: 'Answer: ' and the final answer alone."
        )
    )


def run(kit, program, question):
    """Return what the program prints for a question; nothing when it fails."""
    result = kit.run_partial(f"{program}\n\nprint(solve({question!r}))")
    return (result.output.strip().splitlines() or [""])[-1] if result.passed else ""


def code_answer(task, kit):
    prompt = (
        "Complete this function. Hard parts may be calls of helper functions that do not exist yet. Reply with the "
        f"whole function in one ```python block, without docstring or comments.\n\n```python\n{task.prompt}\n```"
    )
    candidates = []
    for reply in kit.llm(prompt, temperature=0.7, n=PROGRAMS):
        code = kit.extract(reply)
        missing = undefined_calls(code, task.prompt)
        if missing and kit.remaining["calls"] > 0:
            leaves = kit.llm(
                f"```python\n{code}\n```\n\nThese functions are missing: {', '.join(missing)}. Write them. Reply "
                "with them alone in one ```python block, without docstring or comments."
            )
            code = f"{kit.extract(leaves)}\n\n{code}"
        candidates.append((kit.run(code).score if task.visible_tests else 1.0, code))
    candidates.sort(key=lambda pair: -pair[0])
    kit.log("program scores:", [score for score, _ in candidates])
    kept = [code for score, code in candidates if score >= ALPHA][:KEEP] or [candidates[0][1]]
    return kit.select(kept)


def undefined_calls(code, given):
    """Return the names of functions that a source calls and nothing defines."""
    known, called = set(dir(builtins)), []
    for text in (given, code):
        try:
            nodes = list(ast.walk(ast.parse(text)))
        except (SyntaxError, ValueError):
            continue
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.add(node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called.append(node.func.id)
    return [name for name in dict.fromkeys(called) if name not in known]
