"""Takes secrets out of text before it is kept: what looks like a key, a token, a password or a private key."""

from __future__ import annotations

import os
import re

REDACTED = "[redacted]"
_WORDS = (
    r"api[_-]?key|secret|token(?![a-z])|passw(?:or)?d|passphrase|credential|private[_-]?key|access[_-]?key"
)
_NAME = rf"[\w.-]{{0,60}}(?:{_WORDS})[\w.-]{{0,60}}"
_VALUE = r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s,;)}]+)"""
_PATTERNS = (
    # Private keys, whole.
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # Keys that are known by their beginning: OpenAI, Anthropic, Hugging Face, GitHub, GitLab, Slack, AWS, Google, ...
    re.compile(
        r"\b(?:sk|pk|rk|hf|gsk|xai|r8|ghp|gho|ghu|ghs|ghr|github_pat|glpat|npm|pypi|dop_v1|shpat|xox[abeprs])[-_][\w-]{10,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA|AIza|ya29\.|SG\.|AGE-SECRET-KEY-)[\w./+=-]{10,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    # What follows a scheme of HTTP, or a user's name in a URL.
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}|(?<=basic )[\w+/=]{8,}"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    # What a name says is a secret: api_key = "...", PASSWORD: ..., "token": "...".
    re.compile(rf"""(?i)(?<=[\s"'{{,(])(?P<name>{_NAME}["']?\s*[:=]\s*)(?P<value>{_VALUE})"""),
)
_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


def redact(text: str) -> str:
    """Return a text without secrets: those in this process's environment, and what looks like one."""
    for value in sorted(_known(), key=len, reverse=True):
        text = text.replace(value, REDACTED)
    padded = f" {text}"
    for pattern in _PATTERNS:
        padded = pattern.sub(_replacement, padded)
    return padded[1:]


def redact_all(value: object) -> object:
    """Return a JSON value with every text in it redacted, names of fields left as they are."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    if isinstance(value, dict):
        return {key: redact_all(item) for key, item in value.items()}
    return value


def _replacement(found: re.Match[str]) -> str:
    name = found.groupdict().get("name")
    if name is None:
        return REDACTED
    value = found["value"]
    if value.strip("\"'") in ("", "None", "null", "str", "True", "False", REDACTED) or value.startswith(
        ("os.", "getpass")
    ):
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{quote}{REDACTED}{quote}"


def _known() -> set[str]:
    return {value for name, value in os.environ.items() if _VARIABLE.search(name) and len(value) >= 8}
