"""Rows -> a LoRA adapter, registered as a local model."""

from meta_agent.learning.training.settings import Method, TrainSettings

__all__ = ["Method", "TrainSettings"]
