"""The engines that serve a local model."""
