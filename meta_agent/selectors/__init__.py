"""Choosing among candidate solutions by what they do: which tests they pass, what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.selectors.agreement import functional_consensus, majority, mbr_exec
from meta_agent.selectors.b4 import b4
from meta_agent.selectors.behaviour import Behaviour, probe_inputs, values_as_numbers
from meta_agent.selectors.evidence import Choice, Evidence
from meta_agent.selectors.mutual_rank import mutual_rank
from meta_agent.selectors.passing import biggest_set, codet, max_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BY_TESTS: Mapping[str, Callable[[Evidence], Choice]] = {
    "max_pass": max_pass,
    "biggest_set": biggest_set,
    "codet": codet,
    "b4": b4,
    "mutual_rank": mutual_rank,
}
"""Selectors that look at passed tests."""
BY_OUTPUTS: Mapping[str, Callable[[Evidence], Choice]] = {
    "majority": majority,
    "mbr_exec": mbr_exec,
    "functional_consensus": functional_consensus,
}
"""Selectors that look at outputs; functional consensus looks at trusted tests besides."""
SELECTORS = {**BY_TESTS, **BY_OUTPUTS}

__all__ = [
    "BY_OUTPUTS",
    "BY_TESTS",
    "SELECTORS",
    "Behaviour",
    "Choice",
    "Evidence",
    "b4",
    "biggest_set",
    "codet",
    "functional_consensus",
    "majority",
    "max_pass",
    "mbr_exec",
    "mutual_rank",
    "probe_inputs",
    "values_as_numbers",
]
