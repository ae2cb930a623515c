"""Proposers: who writes the next agent program."""

from meta_agent.proposers.proposer import Example, Proposal, Proposer
from meta_agent.proposers.reflective import ReflectiveProposer

__all__ = ["Example", "Proposal", "Proposer", "ReflectiveProposer"]
