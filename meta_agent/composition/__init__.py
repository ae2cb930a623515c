"""Agent programs from building blocks: the space of what can be put together, and three ways to search it."""

from meta_agent.composition.agents import HAND, agent_space
from meta_agent.composition.mcts import MCTS
from meta_agent.composition.smbo import SMBO
from meta_agent.composition.space import Choices, Space, at_random, made, walk
from meta_agent.composition.tpe import TPE

__all__ = ["HAND", "MCTS", "SMBO", "TPE", "Choices", "Space", "agent_space", "at_random", "made", "walk"]
