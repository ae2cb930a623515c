"""Reads the fields of what an agent program asks: anything may have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.agents.kit import MAX_CANDIDATES

if TYPE_CHECKING:
    from sandboxes import Json

    Asked = dict[str, Json]


class BadFieldError(ValueError):
    """A request that the program got wrong, or may not make any more."""


def text(request: Asked, name: str) -> str:
    """Return a text, empty when there is none."""
    value = request.get(name, "")
    if not isinstance(value, str):
        raise BadFieldError(f"{name}: expected text, got {type(value).__name__}")
    return value


def texts(request: Asked, name: str, at_least: int = 0) -> list[str]:
    """Return a list of texts; what is no text in it becomes one."""
    value = request.get(name, [])
    if not isinstance(value, list) or not at_least <= len(value) <= MAX_CANDIDATES:
        came = f"{len(value)} of them" if isinstance(value, list) else type(value).__name__
        raise BadFieldError(f"{name}: expected a list of {at_least} to {MAX_CANDIDATES} texts, got {came}")
    return [item if isinstance(item, str) else str(item) for item in value]


def number(request: Asked, name: str, default: float, low: float, high: float) -> float:
    """Return a number within bounds."""
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadFieldError(f"{name}: expected a number from {low} to {high}")
    return float(value)


def integer(request: Asked, name: str, default: int, low: int, high: int) -> int:
    """Return a whole number within bounds."""
    return int(number(request, name, default, low, high))
