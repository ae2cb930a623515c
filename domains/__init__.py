"""Domains: tasks, splits and honest scoring."""

from domains.domain import Domain, DomainError, Kind, Score, SplitName, Task

__all__ = ["Domain", "DomainError", "Kind", "Score", "SplitName", "Task"]
