"""Everything that decides a training; unknown keys are refused, and the whole is kept with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meta_agent.config import validated
from meta_agent.learning.rows import Kind  # noqa: TC001 (pydantic reads it)

if TYPE_CHECKING:
    from collections.abc import Mapping

Method = Literal["sft", "dpo", "rpo", "sppo", "srpo"]
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RATES: dict[Method, float] = {"sft": 2e-4, "dpo": 2e-5, "rpo": 2e-5, "sppo": 2e-5, "srpo": 2e-5}
BETAS: dict[Method, float] = {"sft": 0.0, "dpo": 0.1, "rpo": 0.1, "sppo": 1e-3, "srpo": 0.1}


class TrainSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = "local/qwen2.5-coder-0.5b"
    """A model of the catalogue, or ``local/PATH.gguf``."""
    method: Method = "sft"
    kinds: tuple[Kind, ...] = ("sft", "repair", "splice")
    """Rows to learn from; a preference method takes ``preference`` whatever this says."""
    rank: int = Field(16, ge=1, le=256)
    alpha: float = Field(32.0, gt=0)
    modules: tuple[str, ...] = MODULES
    layers: tuple[int, ...] = ()
    """Transformer layers that are adapted; empty: all."""
    rate: float = Field(0.0, ge=0)
    """Peak learning rate; 0 takes the method's own (:data:`RATES`)."""
    epochs: int = Field(2, ge=1)
    batch: int = Field(8, ge=1)
    """Rows a step."""
    micro: int = Field(1, ge=1)
    """Rows computed at once; they take memory together."""
    steps: int = Field(0, ge=0)
    """End after so many steps; 0: after the epochs."""
    length: int = Field(1024, ge=16)
    """Tokens of the longest row; longer ones are left out, and counted."""
    beta: float = Field(0.0, ge=0)
    """How dear it is to leave the reference; 0 takes the method's own (:data:`BETAS`)."""
    hide: float = Field(0.1, ge=0, lt=1)
    """Share of the tokens of earlier code that a repair does not see, so that copying does not pay (CYCLE)."""
    degrees: int = Field(4, ge=2)
    """Degrees of damage that the auxiliary task of SPO tells apart."""
    degree_weight: float = Field(0.0, ge=0)
    """Weight of that task; 0: it is not there."""
    response_only: bool = False
    """Control: learn the answers without what was asked (arXiv 2410.02465). What this gains is style."""
    seed: int = 0

    @property
    def peak_rate(self) -> float:
        """The learning rate in force."""
        return self.rate or RATES[self.method]

    @property
    def strength(self) -> float:
        """The beta in force."""
        return self.beta or BETAS[self.method]


def load_settings(given: Mapping[str, object]) -> TrainSettings:
    """Return settings; comma-separated texts become lists.

    Raises:
        UserError: An unknown key or a bad value, in one line.
    """
    fields: dict[str, Any] = dict(given)
    for key in ("kinds", "modules", "layers"):
        if isinstance(fields.get(key), str):
            fields[key] = tuple(filter(None, str(fields[key]).split(",")))
    return validated(TrainSettings, fields)
