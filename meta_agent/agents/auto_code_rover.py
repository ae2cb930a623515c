"""AutoCodeRover (Zhang et al. 2024, arXiv 2404.05427): search the code by its structure, then patch what was found.

Stage 1: in rounds, the model asks for classes, methods and code, and sees them, until it names places of the bug that
exist; a second call reads its free words as JSON when they cannot be read as they are. The functions that failing tests
run over (Ochiai) are told beforehand. Stage 2: it writes edits, which must match exactly; they are tested, and refused
or failing ones are told. Tasks without a repository are asked once. Cost: 2 to 12 calls a task.
"""

import json
import re

ROUNDS = 4
TRIES = 3
SNIPPETS = 6000

CALL = re.compile(
    r"(search_class|search_method|search_code|search_class_in_file|search_method_in_class|search_method_in_file"
    r"|search_code_in_file|get_code_around_line)\(([^()\n]*)\)"
)
PLACE = re.compile(r"(?im)^[-* ]*bug[ _](?:location|place)?s?:?\s*`?([\w./-]+\.\w+)`?(?:[,: ]+`?([\w.]+)`?)?")
TOOLS = """You can search the code:
search_class(name)                 the signatures of a class
search_method(name)                the code of a method or function
search_method_in_class(name, class)
search_method_in_file(name, path)
search_code(text)                  lines that hold a text
search_code_in_file(text, path)
get_code_around_line(path, line, window)"""
FORM = """Reply with one or more edit blocks, each of this form:

path/to/file
<<<<<<< SEARCH
lines copied exactly from the file
=======
the lines that replace them
>>>>>>> REPLACE"""


def forward(task, kit):
    if task.kind != "patch":
        form = (
            "Reply with the whole function in one ```python block."
            if task.kind == "code"
            else "Reason step by step first. Then write a last line: 'Answer: ' and the final answer alone."
        )
        return kit.extract(kit.llm(f"{task.prompt}\n\n{form}"))
    problem = task.metadata.get("problem", task.prompt)
    suspects = kit.repo.suspects(5)
    told = kit.repo.test().feedback if suspects else ""
    context = retrieve(kit, problem, suspects, told)
    return patch(kit, problem, context, told)


def retrieve(kit, problem, suspects, told):
    """Return the code of the places where the bug is, or at least of what was looked at."""
    seen = "".join(f"\n{one.path}, {one.name}: suspicion {one.score:.2f}" for one in suspects)
    head = f"{problem}\n" + (
        f"\nFunctions that failing tests run over:{seen}\n\nFailing tests:\n{told}\n" if seen else ""
    )
    found = ""
    for _ in range(ROUNDS):
        reply = kit.llm(
            f"{head}\n{TOOLS}\n\nCode so far:\n{found[-SNIPPETS:] or 'none'}\n\n"
            "Write the searches that you need now, one a line. When you have seen the bug, write instead, for each "
            "place, one line: BUG LOCATION: path, method",
            max_tokens=300,
        )
        calls, places = read(reply)
        if not calls and not places:
            calls, places = read(proxy(kit, reply))
        code = [text for path, name in places if (text := show(kit, path, name))]
        if code and not calls:
            return "\n\n".join(code)[:SNIPPETS]
        for name, arguments in calls[:5]:
            found += f"\n{name}({arguments}):\n{search(kit, name, arguments)}\n"
    return "\n\n".join([found[-SNIPPETS:], *(f"{one.path}\n```\n{one.code}\n```" for one in suspects[:2])])


def read(reply):
    places = [(found[1], found[2] or "") for found in PLACE.finditer(reply)]
    return CALL.findall(reply), places


def proxy(kit, reply):
    """Return the words of a reply in the form that is read."""
    text = kit.llm(
        f"{reply}\n\nTurn this into JSON: API_calls (the searches that it asks for, such as search_method(name), one a "
        "line), bug_locations (one 'path, method' a line). Leave empty what it does not say.",
        fields=["API_calls", "bug_locations"],
        max_tokens=200,
    )
    try:
        fields = json.loads(text)
        places = [
            f"BUG LOCATION: {line}" for line in str(fields["bug_locations"]).splitlines() if line.strip()
        ]
        return "\n".join([str(fields["API_calls"]), *places])
    except (ValueError, KeyError, TypeError):
        return text


def search(kit, name, arguments):
    given = [part.strip().strip("\"'`") for part in arguments.split(",")]
    given = [part.partition("=")[2].strip("\"'` ") or part for part in given]
    try:
        if name == "get_code_around_line":
            return kit.repo.around(given[0], int(given[1]), int(given[2]) if len(given) > 2 else 10)
        if name == "search_method_in_class":
            return kit.repo.search_method(given[0], inside=given[1])
        base, _, in_file = name.partition("_in_")
        more = {"path": given[1]} if in_file and len(given) > 1 else {}
        return getattr(kit.repo, base)(given[0], **more)
    except (RuntimeError, ValueError, IndexError) as error:
        return f"refused: {error}"


def show(kit, path, name):
    """Return the code of a place, empty when there is none."""
    try:
        if not name:
            return f"{path}\n```\n{kit.repo.read(path)}\n```"
        text = kit.repo.search_method(name.split(".")[-1], path=path)
        return "" if text.startswith("There is no") else text
    except RuntimeError:
        return ""


def patch(kit, problem, context, told):
    """Return a patch that passes the tests, else the one that passes most of them."""
    best_score, best, wrong = -1.0, "", ""
    for _ in range(TRIES):
        if kit.remaining["calls"] < 1:
            break
        kit.repo.reset()
        reply = kit.llm(
            f"{problem}\n\nThe code:\n{context}\n\n"
            + (f"Failing tests:\n{told}\n\n" if told else "")
            + f"{wrong}{FORM}\n"
            "Change as little as possible.",
            temperature=0.5 * bool(wrong),
            max_tokens=900,
        )
        refused = kit.repo.apply(reply)
        result = kit.repo.test() if kit.repo.patch() else None
        if result and result.score > best_score:
            best_score, best = result.score, kit.repo.patch()
        if result and result.passed:
            return kit.repo.patch()
        wrong = f"This was wrong:\n{reply}\n{refused}\n{result.feedback if result else ''}\n\n"
    return best
