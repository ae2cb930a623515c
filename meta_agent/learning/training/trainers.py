"""Learning from answers and from comparisons, on top of TRL's and transformers' trainers.

Logits are computed for learned tokens only: prompts are longer than answers, and a vocabulary of 150,000 is most of the
work of a small model. TRL has DPO, but neither a chance of being wrong for each pair, nor RPO with execution, nor SRPO.
For what TRL has, its own trainers give the same curves, which tests check.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import Trainer
from trl import SFTTrainer

from meta_agent.learning import losses

if TYPE_CHECKING:
    from meta_agent.learning.training.settings import TrainSettings

HEAD = "degree_head.pt"
IGNORED = -100
"""Label of a token that is not learned."""


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer for supervised fine-tuning, with a leaner loss of the same value."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return the mean negative log-likelihood of the learned tokens, over all that a step accumulates."""
        learned = inputs["labels"] != IGNORED
        sums, _ = log_probabilities(
            self.accelerator.unwrap_model(model), inputs["input_ids"], inputs["attention_mask"], learned
        )
        count = learned[:, 1:].sum() if num_items_in_batch is None else num_items_in_batch
        return -sums.sum() / count


class PreferenceTrainer(Trainer):  # type: ignore[misc]
    """Trains an adapter by one of the losses over log-ratios; the reference is the model without the adapter."""

    def __init__(self, *args: Any, settings: TrainSettings, **more: Any) -> None:
        super().__init__(*args, **more)
        self.model_accepts_loss_kwargs = False  # the mean of a batch is divided among accumulated ones
        self.settings = settings
        self.head: nn.Linear | None = None
        if settings.degree_weight:
            width = self.model.config.hidden_size
            self.head = nn.Linear(width, settings.degrees)
            with torch.no_grad():
                self.head.weight.normal_(
                    std=width**-0.5, generator=torch.Generator().manual_seed(settings.seed)
                )
                self.head.bias.zero_()
            # Inside the model it is optimised, clipped and cleared with the rest.
            self.model.add_module("degree_head", self.head.to(self.args.device))

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return the mean loss of a batch of :func:`collate`."""
        unwrapped = self.accelerator.unwrap_model(model)
        batch = {name: inputs[name] for name in ("input_ids", "attention_mask", "learned")}
        sums, ends = log_probabilities(unwrapped, **batch)
        with torch.no_grad(), unwrapped.disable_adapter():
            reference, _ = log_probabilities(unwrapped, **batch)
        rows = len(inputs["wrong"])
        ratios = (sums - reference).view(-1, rows)
        loss = self._losses(ratios, sums.view(-1, rows)[0], inputs)
        if self.head is None:
            return loss.mean()
        told = losses.degree(self.head(ends.view(-1, rows, ends.shape[-1])[-1].float()), inputs["degree"])
        return losses.with_degree(loss, told, self.settings.degree_weight)

    def _losses(self, ratios: Tensor, chosen: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        beta, better, worse = self.settings.strength, ratios[0], ratios[1]
        match self.settings.method:
            case "rpo":
                count = inputs["learned"].view(-1, len(better), inputs["learned"].shape[-1])[0].sum(-1)
                return losses.rpo(better, worse, chosen / count, beta)
            case "sppo":
                return losses.sppo(better, worse, beta=beta)
            case "srpo":
                return losses.srpo(losses.Revisions(*ratios[:6]), beta)
            case _:
                return losses.dpo(better, worse, beta, inputs["wrong"])

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        if self.head is not None and output_dir is not None:
            torch.save(self.head.state_dict(), Path(output_dir) / HEAD)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.head is not None:
            self.head.load_state_dict(torch.load(Path(resume_from_checkpoint) / HEAD, weights_only=True))


def log_probabilities(
    model: Any, input_ids: Tensor, attention_mask: Tensor, learned: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the summed log-probability of the learned tokens of each row, and the hidden state of its last token.

    Args:
        model: a ``peft`` model of a causal language model.
        input_ids: shape (B, T), padded on the right.
        attention_mask: shape (B, T).
        learned: shape (B, T), 1 where a token counts; the first token of a row never does.
    """
    causal = model.get_base_model()
    hidden = causal.get_decoder()(
        input_ids=input_ids, attention_mask=attention_mask, use_cache=False
    ).last_hidden_state
    counted = learned[:, 1:].bool()
    logits = causal.get_output_embeddings()(hidden[:, :-1][counted]).float()
    found = -nn.functional.cross_entropy(logits, input_ids[:, 1:][counted], reduction="none")
    row = torch.arange(len(input_ids), device=input_ids.device)[:, None].expand_as(counted)[counted]
    sums = torch.zeros(len(input_ids), device=found.device).index_add(0, row, found)
    last = attention_mask.sum(-1) - 1
    return sums, hidden[torch.arange(len(hidden), device=hidden.device), last]


def collate(rows: list[dict[str, Any]], padding: int) -> dict[str, Tensor]:
    """Return a batch: the first sequences of all rows, then the second ones, and so on, padded on the right."""
    sequences = [row["sequences"][i] for i in range(len(rows[0]["sequences"])) for row in rows]
    longest = max(len(ids) for ids, _ in sequences)

    def padded(values: list[list[int]], filler: int) -> Tensor:
        return torch.tensor([[*each, *[filler] * (longest - len(each))] for each in values])

    return {
        "input_ids": padded([list(ids) for ids, _ in sequences], padding),
        "attention_mask": padded([[1] * len(ids) for ids, _ in sequences], 0),
        "learned": padded([[int(x) for x in learned] for _, learned in sequences], 0),
        "wrong": torch.tensor([row["wrong"] for row in rows]),
        "degree": torch.tensor([row["degree"] for row in rows]),
    }
