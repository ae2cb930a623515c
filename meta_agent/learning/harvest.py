"""An archive becomes training data: every lesson verified by execution, none about a held-out task, none twice.

Only rollouts on search splits are read. Whatever the archive says of an answer, it is marked again; before a row is
written everything it claims is executed once more by a judge that has seen nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meta_agent.agents import load_agent
from meta_agent.agents.kit import extract_code
from meta_agent.check import check, fingerprint
from meta_agent.learning import pairs
from meta_agent.learning.bare import bare
from meta_agent.learning.duplicates import Seen
from meta_agent.learning.episodes import Episode, Turn, read_turns
from meta_agent.learning.heldout import Heldout, whole
from meta_agent.learning.judge import Judge
from meta_agent.learning.pairs import Answered
from meta_agent.learning.replay import first_prompt, repeats
from meta_agent.learning.rewards import code_bleu
from meta_agent.learning.rows import Row, Verdict
from meta_agent.llm.llm import Message, messages
from meta_agent.proposers.author import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from archive import Evaluation, Program, Rollout
    from archive.archive import Archive
    from domains import Task
    from sandboxes import Sandbox

FIX = (
    "```python\n{past}\n```\n\nThis fails:\n{feedback}\n\nThe task was:\n{task}\n\n"
    "Reply with the corrected whole function in one ```python block, without docstring or comments, and nothing else."
)
"""How the shelf's self-debugging agent asks for a repair: what is learned should serve it."""
EXPLAIN = (
    "```python\n{past}\n```\n\nThis fails:\n{feedback}\n\nThe task was:\n{task}\n\n"
    "First explain in one to three sentences why it fails. "
    "Then give the corrected whole function in one ```python block."
)
EXPLANATION_WORDS = 8
GOAL = "\nThe program scores {score:.0%} on the tasks."
MIN_TESTED = 3
"""Rollouts of a program that must be there before anything is learned from it."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """The rows, and what became of everything that was looked at."""

    rows: tuple[Row, ...]
    counts: dict[str, int]
    """How many were looked at, and how many each filter removed, in the order of the filters."""
    outcomes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """For each task the marks of its different answers."""


@dataclass
class Harvester:
    """Reads archives and yields verified rows.

    Args:
        sandbox: where everything is executed.
        seed: the split of this seed decides which tasks are held out, whatever split a run used.
        domains: further domains whose selection and test tasks are held out, beside those of the archives.
        most: rows of a form that a task may give.
        threshold: share of the visible tests that an answer must exceed to be a lesson of its own.
        workers: executions at once.
        report: is told what is being done.
    """

    sandbox: Sandbox
    seed: int = 0
    domains: tuple[str, ...] = ("humaneval", "mbpp")
    most: int = 4
    threshold: float = -1.0
    workers: int = 2
    report: Callable[[str], None] = lambda _text: None

    def __call__(self, archives: Sequence[Archive]) -> Harvest:
        """Return everything that can be learned from the search rollouts of some archives.

        Raises:
            DomainError: the data of a domain cannot be had.
        """
        self.counts: Counter[str] = Counter()
        names = {e.domain for archive in archives for e in archive.evaluations(split="search")}
        self.loaded = {name: whole(name, self.seed) for name in sorted({*names, *self.domains})}
        self.heldout = Heldout(self.loaded.values())
        self.tasks = {
            name: {task.id: task for split in ("search", "selection", "test") for task in domain.tasks(split)}
            for name, domain in self.loaded.items()
        }
        self.judges = {name: Judge(domain, self.sandbox) for name, domain in self.loaded.items()}
        self.prompts: dict[tuple[str, str], tuple[Message, ...]] = {}
        self.outcomes: dict[str, tuple[float, ...]] = {}
        rows: list[Row] = []
        for archive in archives:
            rows += self._of_tasks(archive)
            rows += self._of_programs(archive)
        return Harvest(tuple(self._verified(self._filtered(rows))), dict(self.counts), dict(self.outcomes))

    # Reading

    def _of_tasks(self, archive: Archive) -> Iterator[Row]:
        """Yield the lessons of all episodes, task by task."""
        by_task: dict[tuple[str, str], list[Episode]] = defaultdict(list)
        for evaluation in archive.evaluations(split="search"):
            program = archive.program(evaluation.program)
            for rollout in archive.rollouts(evaluation.id):
                self.counts["rollouts read"] += 1
                if task := self._task(evaluation, rollout):
                    by_task[evaluation.domain, task.id].append(
                        self._episode(evaluation, program, task, rollout)
                    )
        with ThreadPoolExecutor(self.workers) as crowd:
            self.report(f"marking the answers to {len(by_task)} tasks")
            list(crowd.map(lambda item: self._mark_all(item[0][0], item[1]), by_task.items()))
        for number, ((domain, _), unmarked) in enumerate(sorted(by_task.items())):
            episodes = [self._marked(domain, episode) for episode in unmarked]
            task = episodes[0].task
            self.prompts[domain, task.id] = first_prompt(
                archive, load_agent("direct"), task, self.loaded[domain], self.sandbox
            )
            yield from self._lessons(domain, task, episodes, number)

    def _task(self, evaluation: Evaluation, rollout: Rollout) -> Task | None:
        if self.loaded[evaluation.domain].version != evaluation.domain_version:
            self.counts["other version of the data"] += 1
            return None
        task = self.tasks[evaluation.domain].get(rollout.task)
        if task is None:
            self.counts["unknown task"] += 1
            return None
        if self.heldout.holds(evaluation.domain, task):
            self.counts["held-out task"] += 1
            return None
        return task

    def _episode(self, evaluation: Evaluation, program: Program, task: Task, rollout: Rollout) -> Episode:
        turns = read_turns(rollout.trace, task.kind)
        self.counts["replies read"] += len(turns)
        self.counts["replies without an answer"] += sum(not turn.answer for turn in turns)
        return Episode(task, program, rollout, evaluation.run, evaluation.model, rollout.score == 1, turns)

    def _mark_all(self, domain: str, episodes: Sequence[Episode]) -> None:
        judge = self.judges[domain]
        for episode in episodes:
            for answer in {turn.answer for turn in episode.turns if turn.answer} | {episode.rollout.answer}:
                judge.score(episode.task, answer)

    def _marked(self, domain: str, episode: Episode) -> Episode:
        """Return the episode as marking it again says, and count what the archive had otherwise."""
        right = self.judges[domain].right(episode.task, episode.rollout.answer)
        if right != episode.right:
            said, found = ("right", "wrong") if episode.right else ("wrong", "right")
            self.counts[f"{found}, though the archive says {said}"] += 1
        return replace(episode, right=right)

    # Lessons

    def _lessons(self, domain: str, task: Task, episodes: Sequence[Episode], number: int) -> Iterator[Row]:
        judge, prompt = self.judges[domain], self.prompts[domain, task.id]
        answers = self._answers(domain, task, episodes)
        self.outcomes[task.id] = tuple(float(each.right) for each in answers)
        if not all(self.outcomes[task.id]):
            self.counts["wrong answers, of no use alone"] += self.outcomes[task.id].count(0.0)
        tests = _tests(task, episodes)
        scores = pairs.mutual_scores(answers, tests, judge) if task.kind == "code" else [1.0] * len(answers)
        yield from self._solutions(domain, task, prompt, answers, episodes)
        wrapped = [Answered(_reply(task, each.answer), each.right, each.source) for each in answers]
        yield from pairs.right_wrong(task, prompt, wrapped, scores, domain, self.most)
        yield from pairs.steps(task, episodes, judge, domain)
        if task.kind == "code":
            for row in pairs.fast_slow(task, prompt, answers, judge, domain):
                yield _in_blocks(row)
            yield from self._repairs(domain, task, episodes, answers)
            yield from pairs.splices(task, episodes, judge, domain, self.most, start=number)

    def _answers(self, domain: str, task: Task, episodes: Sequence[Episode]) -> list[Answered]:
        """Return the different answers to a task, in the order in which they came, by their tokens."""
        found: dict[str, Answered] = {}
        for episode in episodes:
            given: list[tuple[str, dict[str, object]]] = [
                (turn.answer, episode.source(turn)) for turn in episode.turns if turn.answer
            ]
            if episode.rollout.answer and task.kind == "code":
                given.append((extract_code(episode.rollout.answer), episode.source()))
            for answer, source in given:
                key = self.judges[domain].domain.key(answer) if task.kind == "code" else answer
                if key in found:
                    self.counts["same answer again"] += 1
                    continue
                found[key] = Answered(answer, self.judges[domain].right(task, answer), source)
        return list(found.values())

    def _solutions(
        self,
        domain: str,
        task: Task,
        prompt: tuple[Message, ...],
        answers: Sequence[Answered],
        episodes: Sequence[Episode],
    ) -> Iterator[Row]:
        """Yield task -> right answer; ``distilled`` where it took several calls and one call alone fails."""
        once = [e for e in episodes if e.rollout.calls == 1 and e.turns and e.turns[0].temperature == 0]
        fails_alone = bool(once) and not any(episode.right for episode in once)
        for each in answers:
            if not each.right:
                continue
            if task.kind == "code" and self.threshold >= 0:
                passed = self.judges[domain].passes(each.answer, task.visible_tests)
                if passed and sum(passed) / len(passed) <= self.threshold:
                    self.counts["below the reward threshold"] += 1
                    continue
            answer = bare(each.answer) if task.kind == "code" else each.answer
            calls = each.source["calls"]
            many = isinstance(calls, int) and calls > 1
            yield Row(
                "sft",
                "distilled" if many and fails_alone else "solved",
                domain,
                task.id,
                prompt,
                _reply(task, answer),
                verdicts=(Verdict(answer, True),),
                source=each.source,
            )

    def _repairs(
        self, domain: str, task: Task, episodes: Sequence[Episode], answers: Sequence[Answered]
    ) -> Iterator[Row]:
        """Yield wrong code and its error -> right code: the agent's own repair, else the nearest right answer."""
        judge, right = self.judges[domain], [each for each in answers if each.right]
        done = 0
        seen: set[str] = set()
        for episode in episodes:
            for place, turn in enumerate(episode.turns):
                code = turn.answer
                if not code or code in seen or done == self.most or judge.right(task, code):
                    continue
                seen.add(code)
                own = next(
                    (
                        later
                        for later in episode.turns[place + 1 :]
                        if later.answer and judge.right(task, later.answer)
                    ),
                    None,
                )
                feedback = turn.feedback or judge.feedback(task, code)
                if own is not None or right:
                    done += 1
                    yield self._repair(domain, task, episode, turn, own, right, feedback)
                if own is not None and _explains(own):
                    yield Row(
                        "repair",
                        "explain",
                        domain,
                        task.id,
                        messages("", EXPLAIN.format(past=code, feedback=feedback, task=task.prompt)),
                        own.reply,
                        past=code,
                        verdicts=(Verdict(own.answer, True), Verdict(code, False)),
                        source={"fix": episode.source(own), "past": episode.source(turn)},
                    )

    def _repair(
        self,
        domain: str,
        task: Task,
        episode: Episode,
        turn: Turn,
        own: Turn | None,
        right: Sequence[Answered],
        feedback: str,
    ) -> Row:
        if own is not None:
            fix, source = own.answer, episode.source(own)
        else:
            nearest = max(right, key=lambda each: code_bleu(each.answer, turn.answer))
            fix, source = nearest.answer, nearest.source
        fix = bare(fix)
        return Row(
            "repair",
            "own" if own is not None else "nearest",
            domain,
            task.id,
            messages("", FIX.format(past=turn.answer, feedback=feedback, task=task.prompt)),
            _reply(task, fix),
            past=turn.answer,
            verdicts=(Verdict(fix, True), Verdict(turn.answer, False)),
            source={"fix": source, "past": episode.source(turn)},
        )

    def _of_programs(self, archive: Archive) -> Iterator[Row]:
        """Yield what a meta agent was asked -> the program it wrote, with the score it came to as the goal.

        That is hindsight relabelling (Andrychowicz et al. 2017, arXiv 1707.01495): whatever a program scores, it is a
        right answer to the question for a program of that score.
        """
        for run in archive.runs():
            written = {
                fingerprint(archive.program(m.program).source): m
                for m in archive.members(run.id)
                if m.generation > 0
            }
            means = {
                e.program: _mean(archive.rollouts(e.id))
                for e in archive.evaluations(run=run.id, split="search")
            }
            for call in archive.calls(run.id):
                if call.role != "meta" or not call.request:
                    continue
                self.counts["programs read"] += 1
                source = tidy(extract_code(call.reply))
                member = written.get(fingerprint(source)) if not check(source) else None
                if member is None or member.program not in means:
                    self.counts["programs that did not run"] += 1
                    continue
                program, score = archive.program(member.program), means[member.program]
                if not self._replays(archive, run.id, program):
                    continue
                asked = [Message(m["role"], m["content"]) for m in json.loads(call.request)["messages"]]
                asked[-1] = Message("user", asked[-1].content + GOAL.format(score=score))
                before = max((means[p] for p in member.parents if p in means), default=0.0)
                yield Row(
                    "meta",
                    "better" if score > before else "hindsight",
                    run.domain,
                    "",
                    tuple(asked),
                    f"```python\n{source}\n```",
                    source={
                        "run": run.id,
                        "program": program.id,
                        "parents": list(member.parents),
                        "scores": [before, score],
                    },
                )

    def _replays(self, archive: Archive, run: str, program: Program) -> bool:
        """Tell whether a program's search rollouts can be run again, with the recorded replies, to the same end."""
        done = 0
        for evaluation in archive.evaluations(run=run, program=program.id, split="search"):
            for rollout in archive.rollouts(evaluation.id):
                if rollout.failure or (task := self._task(evaluation, rollout)) is None:
                    continue
                if not repeats(archive, program, task, rollout, self.loaded[evaluation.domain], self.sandbox):
                    self.counts["programs that do not repeat"] += 1
                    return False
                done += 1
        if done < MIN_TESTED:
            self.counts["programs with too few rollouts"] += 1
        return done >= MIN_TESTED

    # Filters

    def _filtered(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Drop repetitions, what gives a held-out task away, and what exceeds a task's share."""
        ids: set[str] = set()
        near, given = Seen(), Counter[tuple[str, str, str, str]]()
        for row in rows:
            self.counts["rows made"] += 1
            share = (row.kind, row.form, row.domain, row.task)
            if row.id in ids:
                self.counts["duplicate"] += 1
            elif self.heldout.given_away(row.text):
                self.counts["held-out text"] += 1
            elif row.kind in ("sft", "meta") and near.repeats(f"{row.kind} {row.task}", row.answer):
                self.counts["near duplicate"] += 1
            elif row.task and given[share] >= self.most:
                self.counts["beyond a task's share"] += 1
            else:
                ids.add(row.id)
                given[share] += 1
                yield row

    def _verified(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Execute everything again, by domains loaded anew, and drop what does not hold."""
        kept = list(rows)
        self.report(f"executing what {len(kept)} rows claim")
        fresh = {name: Judge(whole(name, self.seed), self.sandbox) for name in self.loaded}

        def holds(row: Row) -> bool:
            judge = fresh.get(row.domain)
            return judge is not None and all(
                judge.right(self.tasks[row.domain][row.task], verdict.answer) == verdict.right
                for verdict in row.verdicts
            )

        with ThreadPoolExecutor(self.workers) as crowd:
            verdicts = list(crowd.map(holds, kept))
        for row, good in zip(kept, verdicts, strict=True):
            self.counts["rows written" if good else "did not hold when executed again"] += 1
            if good:
                yield row
        self.counts["answers executed again"] = sum(judge.executed for judge in fresh.values())


def _reply(task: Task, answer: str) -> str:
    """Return an answer as a model should give it."""
    return f"```python\n{answer}\n```" if task.kind == "code" else answer


def _in_blocks(row: Row) -> Row:
    return replace(row, answer=f"```python\n{row.answer}\n```", worse=f"```python\n{row.worse}\n```")


def _explains(turn: Turn) -> bool:
    return len(turn.reply.partition("```")[0].split()) >= EXPLANATION_WORDS


def _tests(task: Task, episodes: Sequence[Episode]) -> list[str]:
    """Return the visible tests and those that agents wrote and ran, each once, at most 30."""
    tests = dict.fromkeys(task.visible_tests)
    for episode in episodes:
        for event in episode.rollout.trace:
            if event.get("op") == "run" and isinstance(event["tests"], list):
                tests |= dict.fromkeys(str(test) for test in event["tests"])
    return list(tests)[:30]


def _mean(rollouts: Sequence[Rollout]) -> float:
    return sum(r.score for r in rollouts) / max(1, len(rollouts))
