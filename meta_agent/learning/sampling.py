"""Answers of a model in one call, drawn, marked and kept: what the loop explores with, and what it measures by."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal, Protocol

from archive import Evaluation, Program, Rollout, Split
from archive.statistics import best_of_k, pass_at_k
from domains.scoring import extract_code
from meta_agent.agents import load_agent
from meta_agent.agents.kit import extract_answer
from meta_agent.broker import STOP
from meta_agent.learning.balance import Draw, reward_at
from meta_agent.learning.episodes import closed
from meta_agent.learning.judge import Judge
from meta_agent.learning.replay import first_prompt
from meta_agent.llm.llm import Completion, Message, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archive import Archive
    from domains import Domain, Task
    from sandboxes import Sandbox

PROGRAM = '''"""Draw {draws} answers at temperature {temperature:g} from seed {seed}; the first one counts."""


def forward(task, kit):
    prompt = (
        "Complete this function. Reply with the whole function in one ```python block, "
        "without docstring or comments, and nothing else.\\n\\n```python\\n" + task.prompt + "\\n```"
    )
    replies = [kit.llm(prompt, temperature={temperature:g}) for _ in range({draws})]
    return kit.extract(replies[0])
'''
"""What stands in the archive for such draws; see :meth:`Sampler.prompt` for what is asked where no code is."""
SEEDS = 1000
"""Sample indices a seed has."""
HEARTBEAT_S = 30.0
"""Between two lines of progress."""


class Gateway(Protocol):
    """The part of the gateway that drawing needs."""

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return one completion."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The draws of one task."""

    domain: str
    task: Task
    prompt: tuple[Message, ...]
    replies: tuple[str, ...]
    answers: tuple[str, ...]
    """The code in each reply, or the final answer where no code is asked for."""
    rights: tuple[bool, ...]
    rewards: tuple[float, ...]
    """Share of the visible tests that pass: what can be known of an answer without its hidden tests."""
    keys: tuple[str, ...]
    """Equal for answers that mean the same."""
    tokens: float
    """Prompt and generated tokens of a draw, on average."""

    @property
    def score(self) -> float:
        """Share of right draws."""
        return fmean(self.rights)

    def draws(self) -> list[Draw]:
        """Return the draws as B-STaR sees them."""
        return [Draw(*each) for each in zip(self.keys, self.rewards, self.rights, strict=True)]


@dataclass(frozen=True, slots=True)
class Reach:
    """What a set of draws says of exploration and exploitation."""

    draws: int
    pass_at_1: float
    pass_at_k: float
    distinct: float
    """Different answers a task."""
    best_of_k: float
    """Rightness of the draw with the best reward among all of a task."""
    reward_at_half: float
    """Rightness of the better half by reward."""


@dataclass
class Sampler:
    """Draws from one model, many requests at once."""

    archive: Archive
    run: str
    gateway: Gateway
    sandbox: Sandbox
    model: str
    workers: int = 64
    """Requests under way at most; the gateway lets through as many as the model wants at once."""
    max_tokens: int = 512
    prompts: dict[tuple[str, str], tuple[Message, ...]] = field(default_factory=dict)
    """What is asked about each task, by domain and id; found out when it is not there."""
    report: Callable[[str], None] = lambda _text: None

    def __call__(
        self,
        domain: Domain,
        tasks: Sequence[Task],
        split: Split,
        *,
        temperature: float,
        draws: int,
        seed: int,
    ) -> list[Drawn]:
        """Return the draws of each task, and keep them as rollouts of one evaluation.

        Equal arguments give equal draws: a repetition after a crash is paid by the cache.
        """
        judge = Judge(domain, self.sandbox)
        with ThreadPoolExecutor(self.workers) as crowd:
            prompts = list(crowd.map(lambda task: self.prompt(domain, task), tasks))
            requests = [
                Request(
                    self.model,
                    prompt,
                    temperature,
                    self.max_tokens,
                    STOP,
                    sample=seed * SEEDS + number if temperature else 0,
                )
                for prompt in prompts
                for number in range(draws)
            ]
            completions, told = [], time.monotonic()
            for completion in crowd.map(self.gateway.complete, requests):
                completions.append(completion)
                if time.monotonic() - told >= HEARTBEAT_S:
                    told = time.monotonic()
                    self.report(f"{len(completions)} of {len(requests)} answers, {domain.name} {split}")
            groups = [completions[i * draws : (i + 1) * draws] for i in range(len(tasks))]
            drawn = list(
                crowd.map(
                    lambda each: self._mark(domain, judge, *each), zip(tasks, prompts, groups, strict=True)
                )
            )
        self._keep(domain, drawn, groups, split, temperature, draws, seed)
        return drawn

    def prompt(self, domain: Domain, task: Task) -> tuple[Message, ...]:
        """Return what is asked about a task: for code as the direct agent does, for an answer step by step.

        A small model that answers at once solves no word problem, and so could forget nothing about them.
        """
        key = domain.name, task.id
        if key not in self.prompts:
            asks = load_agent("chain_of_thought" if task.kind == "answer" else "direct")
            self.prompts[key] = first_prompt(self.archive, asks, task, domain, self.sandbox)
        return self.prompts[key]

    def _mark(
        self,
        domain: Domain,
        judge: Judge,
        task: Task,
        prompt: tuple[Message, ...],
        completions: Sequence[Completion],
    ) -> Drawn:
        replies = tuple(closed(completion.text) for completion in completions)
        code = task.kind == "code"
        answers = tuple(
            extract_code(reply, task.entry_point) if code else extract_answer(reply) for reply in replies
        )
        rewards = {}
        for answer in dict.fromkeys(answers):
            passed = judge.passes(answer, task.visible_tests) if code else ()
            rewards[answer] = fmean(passed) if passed else 0.0
        return Drawn(
            domain.name,
            task,
            prompt,
            replies,
            answers,
            tuple(judge.right(task, answer) for answer in answers),
            tuple(rewards[answer] for answer in answers),
            tuple(domain.key(answer) for answer in answers),
            fmean(c.prompt_tokens + c.completion_tokens for c in completions),
        )

    def _keep(
        self,
        domain: Domain,
        drawn: Sequence[Drawn],
        groups: Sequence[Sequence[Completion]],
        split: Split,
        temperature: float,
        draws: int,
        seed: int,
    ) -> None:
        program = sampling_program(draws, temperature, seed)
        evaluation = Evaluation(
            run=self.run,
            program=program.id,
            domain=domain.name,
            domain_version=domain.version,
            split=split,
            model=self.model,
            seed=seed,
            scorer=domain.scorer,
            tasks=len(drawn),
        )
        self.archive.add_program(program)
        self.archive.add_evaluation(evaluation)
        for each, completions in zip(drawn, groups, strict=True):
            trace: tuple[dict[str, object], ...] = tuple(
                {
                    "op": "llm",
                    "system": each.prompt[0].content if len(each.prompt) > 1 else "",
                    "prompt": each.prompt[-1].content,
                    "temperature": temperature,
                    "sample": seed * SEEDS + number if temperature else 0,
                    "reply": completion.text,
                    "finish": completion.finish,
                }
                for number, completion in enumerate(completions)
            )
            self.archive.add_rollout(
                Rollout(
                    evaluation.id,
                    each.task.id,
                    float(each.rights[0]),
                    each.answers[0],
                    calls=draws,
                    prompt_tokens=sum(c.prompt_tokens for c in completions),
                    completion_tokens=sum(c.completion_tokens for c in completions),
                    cost_usd=math.fsum(c.cost_usd or 0.0 for c in completions),
                    trace=trace,
                    created=time.time(),
                )
            )
        self.archive.flush()


def sampling_program(draws: int, temperature: float, seed: int) -> Program:
    """Return the program that stands for such draws."""
    source = PROGRAM.format(draws=draws, temperature=temperature, seed=seed)
    return Program(source=source, name=f"sample-{draws}-{temperature:g}", origin="hand")


def reach(drawn: Sequence[Drawn]) -> Reach:
    """Return how far draws reach, and how well their reward tells the right ones.

    Raises:
        ValueError: There are no draws.
    """
    if not drawn:
        raise ValueError("expected the draws of at least one task")
    k = len(drawn[0].rights)
    return Reach(
        draws=k,
        pass_at_1=fmean(each.score for each in drawn),
        pass_at_k=fmean(pass_at_k(k, sum(each.rights), k) for each in drawn),
        distinct=fmean(len(set(each.keys)) for each in drawn),
        best_of_k=fmean(best_of_k(each.rewards, [float(r) for r in each.rights], k) for each in drawn),
        reward_at_half=fmean(reward_at(each.draws(), max(1, k // 2)) for each in drawn),
    )
