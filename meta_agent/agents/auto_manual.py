"""AutoManual (Chen et al. 2024, arXiv 2405.16247): learn an environment by acting in it, and keep a manual of rules.

A planner writes a plan as code and runs it; a builder turns what happened into rules, asked differently after a
direct success, an indirect one and a failure; a full store is merged; a formulator writes the manual.
The environment is Python source, ``task.metadata["environment"]``, put before every plan; practice episodes
are ``task.metadata["practice"]``, a list of ``{"prompt", "tests"}``; an episode succeeds when its tests pass after the
plan. Without practice the task itself is the episode, as often as EPISODES, and its visible tests judge. Where the
answer is no code there is nothing to act in: one call with reasoning. Cost: 1 to 8 calls a task, and with practice
2 to 6 more for each practice episode and one for the manual.
"""

import ast
import re

EPISODES = 3
REPLANS = 1
MOST_RULES = 12
RECORDS = 3
MECHANISM, HELPER, PROCESS, CORRECTED, UNRESOLVED = (
    "Special Mechanism",
    "Helper Method",
    "Success Process",
    "Corrected Error",
    "Unresolved Error",
)
TYPES = (MECHANISM, HELPER, PROCESS, CORRECTED, UNRESOLVED)
CASES = {
    "direct success": f"It worked at once. Write one rule of type {PROCESS} that will help with similar tasks.",
    "imperfect rules": f"A rule is missing or wrong. Write or update one rule of type {CORRECTED}, {MECHANISM} or "
    f"{UNRESOLVED} that would have prevented the error.",
    "imperfect agent": "A good rule was not followed. Update it so that it is harder to overlook.",
}
CODE = "Reply in one ```python block and nothing else."


def forward(task, kit):
    if task.kind != "code":
        return kit.extract(
            kit.llm(
                f"{task.prompt}\n\nReason step by step first. "
                "Then write a last line: 'Answer: ' and the final answer alone."
            )
        )
    world = str(task.metadata.get("environment", ""))
    rules = Rules()
    practice = task.metadata.get("practice", [])
    for lesson in practice:
        episode = act(kit, world, lesson["prompt"], lesson["tests"], rules, rules.text())
        build(kit, rules, episode)
    manual = formulate(kit, rules) if practice and rules.kept else ""
    for turn in range(EPISODES):
        episode = act(kit, world, task.prompt, task.visible_tests, rules, manual or rules.text())
        if episode["success"] or turn == EPISODES - 1 or kit.remaining["calls"] < 5:
            break
        build(kit, rules, episode)
        manual = ""
    return episode["code"]


def act(kit, world, prompt, tests, rules, advice):
    """Plan and run; after an error plan again with it in view. Return what happened."""
    errors = []
    for _ in range(REPLANS + 1):
        surroundings = f"Already defined:\n```python\n{world}\n```\n\n" if world else ""
        known = f"Rules (cite those you use as comments, such as # rule_1):\n{advice}\n\n" if advice else ""
        trouble = f"Your last plan failed:\n{errors[-1]}\n\n" if errors else ""
        reply = kit.llm(
            f"{surroundings}{known}{trouble}Task:\n{prompt}\n\nWrite the Python code for it, with short '# [Step]' "
            f"comments. {CODE}",
            temperature=0.3 * len(errors),
        )
        code = "\n\n".join([*rules.helpers(), kit.extract(reply, kind="code")])
        result = kit.run(f"{world}\n\n{code}", tests)
        rules.note(code, result.passed)
        if result.passed:
            break
        errors.append(result.feedback[-600:])
    return {"prompt": prompt, "code": code, "errors": errors, "success": result.passed, "direct": not errors}


def build(kit, rules, episode):
    """Ask for changes of the rules, by the case at hand, and apply those that are allowed."""
    story = f"Task:\n{episode['prompt']}\n\nCode:\n```python\n{episode['code']}\n```\n\n"
    story += "".join(f"It failed:\n{error}\n\n" for error in episode["errors"])
    story += f"In the end it {'succeeded' if episode['success'] else 'failed'}.\n\n"
    story += f"Rules so far:\n{rules.text() or 'none'}\n\n"
    case = "direct success"
    if not episode["direct"]:
        verdict = kit.llm(
            f"{story}Was a rule missing or wrong (reply: rules), or was a good rule not followed (reply: agent)?",
            max_tokens=8,
        )
        case = "imperfect agent" if "agent" in verdict.lower() and rules.kept else "imperfect rules"
    reply = kit.llm(
        f"{story}{CASES[case]} Reply with one line for each change, in one of these forms:\n"
        f"write TYPE: RULE\nupdate NUMBER: RULE\ndelete NUMBER\nTYPE is one of: {', '.join(TYPES)}.",
        max_tokens=160,
    )
    kit.log(case, "->", reply)
    rules.apply(reply, episode["success"], episode["code"])
    if len(rules.kept) > MOST_RULES:
        merged = kit.llm(
            f"Rules:\n{rules.text()}\n\nThere are too many. Merge two that say similar things: update one of them and "
            "delete the other. Reply with two lines:\nupdate NUMBER: RULE\ndelete NUMBER",
            max_tokens=120,
        )
        rules.apply(merged, episode["success"], "")
        rules.crop()
    rules.arrange()


def formulate(kit, rules):
    """Return the manual: the rules in categories, easy ones first."""
    return kit.llm(
        f"Rules:\n{rules.text()}\n\nWrite them as a short manual in Markdown: a headline for each category, the rules "
        "under it with their names (rule_1 and so on), easy ones first. Change no rule.",
        max_tokens=400,
    )


class Rules:
    """The store: ids are dense after ``arrange``, and no text names a rule that is gone."""

    def __init__(self):
        self.kept = {}

    def apply(self, reply, success, code):
        """Apply the lines of a reply; a method or process cannot be learnt from a failure."""
        for line in reply.splitlines():
            if found := re.match(r"\W*write\s+([\w ]+?)\W*:\s*(.+)", line, re.IGNORECASE):
                kind = next((name for name in TYPES if name.lower() == found[1].strip().lower()), UNRESOLVED)
                if success or kind not in (HELPER, PROCESS):
                    self.write(kind, found[2].strip(), code if kind == HELPER else "")
            elif found := re.match(r"\W*update\s+(?:rule_)?(\d+)\W*:\s*(.+)", line, re.IGNORECASE):
                if int(found[1]) in self.kept:
                    self.kept[int(found[1])]["rule"] = found[2].strip()
            elif found := re.match(r"\W*delete\s+(?:rule_)?(\d+)", line, re.IGNORECASE):
                self.kept.pop(int(found[1]), None)

    def write(self, kind, rule, example=""):
        """Add a rule under the next number."""
        number = max(self.kept, default=0) + 1
        self.kept[number] = {"type": kind, "rule": rule, "example": example, "record": []}

    def crop(self):
        """Drop the rules with the worst records, among equals the newest, when a merge was not enough."""
        while len(self.kept) > MOST_RULES:
            del self.kept[min(self.kept, key=lambda number: (sum(self.kept[number]["record"]), -number))]

    def arrange(self):
        """Renumber the rules 1, 2, ... and rewrite what they say of each other."""
        new = {old: number for number, old in enumerate(self.kept, 1)}

        def renamed(match):
            return f"rule_{new[int(match[1])]}" if int(match[1]) in new else "an earlier rule"

        for rule in self.kept.values():
            rule["rule"] = re.sub(r"\brule_(\d+)", renamed, rule["rule"])
        self.kept = {new[old]: rule for old, rule in self.kept.items()}

    def note(self, code, success):
        """Record for each rule that a plan cites whether the plan worked."""
        for number in {int(text) for text in re.findall(r"\brule_(\d+)", code)} & set(self.kept):
            record = self.kept[number]["record"]
            self.kept[number]["record"] = [*record, 1 if success else -1][-RECORDS:]

    def helpers(self):
        """Return the functions found in the examples of helper methods, those without a body left out."""
        found = {}
        for rule in self.kept.values():
            for node in ast.parse(rule["example"]).body:
                if isinstance(node, ast.FunctionDef) and not is_empty(node):
                    found[node.name] = ast.unparse(node)
        return list(found.values())

    def text(self):
        """Return the rules, one a line."""
        return "\n".join(f"rule_{n} ({rule['type']}): {rule['rule']}" for n, rule in self.kept.items())


def is_empty(node):
    return all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in node.body
    )
