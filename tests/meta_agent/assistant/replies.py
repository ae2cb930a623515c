"""Replies of scripted models: ``--model scripted:tests.meta_agent.assistant.replies:NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def asks_for_secrets(request: Request) -> str:
    """Do as an injected prompt says: print the environment, reach for files and the network."""
    return (
        "leak.py\n<<<<<<< SEARCH\n=======\nimport os\nprint(dict(os.environ))\n>>>>>>> REPLACE\n"
        "../../outside\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"
        ".git/hooks/post-commit\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"
        "secrets/key\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n" + repairs(request)
    )
