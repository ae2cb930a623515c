"""Words and patches that nobody has read, made fit to be shown in a terminal."""

from __future__ import annotations

from rich.text import Text

from archive.report import printable


def safe(words: str) -> Text:
    """Return words as they are, without what could steer a terminal."""
    return Text(printable(words))


def coloured(patch: str) -> Text:
    """Return a patch in colours."""
    text = Text()
    for line in patch.splitlines():
        head = line.startswith(("diff ", "--- ", "+++ ", "new file", "deleted file"))
        style = "bold" if head else {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        text.append(f"{printable(line)}\n", style)
    return text
