"""SOP-guided agent (Ding 2024, arXiv 2401.04124): act by a standard operating procedure distilled from successes.

Traces of successful work, ``task.metadata["traces"]`` (lists of step texts), are boiled down by rule: repeated steps
go, and what all traces have in common, in order, stays. The agent then works through the procedure, seeing at each
sub-goal what is done so far. Without traces PROCEDURE serves, written by hand for coding and arithmetic. Cost: one
call for each sub-goal (4 a task).
"""

PROCEDURE = (
    "State in one sentence what goes in and what must come out.",
    "Name the edge cases in one line, such as empty input, zero, negative or repeated values.",
    "Name the method in one line.",
    "Write the final answer.",
)


def forward(task, kit):
    steps = distil(task.metadata.get("traces", [])) or list(PROCEDURE)
    form = (
        "Reply with the whole function in one ```python block, without docstring or comments."
        if task.kind == "code"
        else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
    )
    done = ""
    for number, step in enumerate(steps[:-1], 1):
        progress = f"Done so far:\n{done}\n" if done else ""
        reply = kit.llm(
            f"{task.prompt}\n\n{progress}Step {number} of {len(steps)}: {step}\nDo this step only, in at most two "
            "short lines.",
            max_tokens=100,
        )
        done += f"{number}. {step} {reply.strip()}\n"
    return kit.extract(kit.llm(f"{task.prompt}\n\nDone so far:\n{done}\nLast step: {steps[-1]}\n{form}"))


def distil(traces):
    """Return the steps that all traces share, in order and without repetition."""
    shared = None
    for trace in traces:
        steps = list(dict.fromkeys(str(step).strip() for step in trace))
        shared = steps if shared is None else longest_common(shared, steps)
    return shared or []


def longest_common(first, second):
    """Return the longest common subsequence of two lists."""
    table = [[[] for _ in range(len(second) + 1)] for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = (
                [*table[i][j], a] if a == b else max(table[i][j + 1], table[i + 1][j], key=len)
            )
    return table[-1][-1]
