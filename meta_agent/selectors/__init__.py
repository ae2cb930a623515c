"""Choosing among candidate solutions by what they do."""

from meta_agent.selectors.behaviour import Behaviour, probe_inputs
from meta_agent.selectors.majority import majority, most_passed

__all__ = ["Behaviour", "majority", "most_passed", "probe_inputs"]
