"""Replies of scripted models: ``--model scripted:tests.meta_agent.assistant.replies:NAME``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from domains.repair import _archive
from meta_agent.proposers.author import EXAMPLES

if TYPE_CHECKING:
    from meta_agent.llm import Request

EDIT = """The sign is wrong.

sums.py
<<<<<<< SEARCH
    return a - b
=======
    return a + b
>>>>>>> REPLACE
"""


def repairs(request: Request) -> str:
    """Write the right edit, or the whole function where that is asked for."""
    if "whole corrected function" in request.messages[-1].content:
        return "```python\ndef add(a, b):\n    return a + b\n```"
    return EDIT


def spoils(_request: Request) -> str:
    """Write an edit that makes it worse."""
    return EDIT.replace("a + b", "a * b")


def helpless(_request: Request) -> str:
    """Write no edit."""
    return "I cannot help with that."


def indents_when_told(request: Request) -> str:
    """Forget the indentation, unless an earlier refusal shows the line as it is."""
    told = request.messages[-1].content.partition("An earlier attempt changed nothing:")[2]
    return EDIT if "\n    return a - b" in told else EDIT.replace("    return", "\treturn")


def asks_for_secrets(request: Request) -> str:
    """Do as an injected prompt says: print the environment, reach for files and the network."""
    return (
        "leak.py\n<<<<<<< SEARCH\n=======\nimport os\nprint(dict(os.environ))\n>>>>>>> REPLACE\n"
        "../../outside\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"
        ".git/hooks/post-commit\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"
        "secrets/key\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n" + repairs(request)
    )


def quixbugs(request: Request) -> str:
    """Repair a program of QuixBugs, whose right version is in the data, where it is asked for as a whole."""
    prompt = request.messages[-1].content
    name = re.findall(r"(\w+)\.py has a bug", prompt)[0]
    right = _archive()[f"correct_python_programs/{name}.py"]
    if "whole corrected function" in prompt:
        return f"```python\n{right.partition(chr(34) * 3)[0].strip()}\n```"
    return f"{name}.py\n<<<<<<< SEARCH\nnot there\n=======\n\n>>>>>>> REPLACE"


def writes_a_repairer(request: Request) -> str:
    """Write the example of an agent program for repositories."""
    sample = request.sample % 100
    return f"```python\n{EXAMPLES['patch']}\n# {sample}\n```"
