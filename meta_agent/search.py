"""Meta Agent Search, the loop: select proposers and parents, propose, reflect, check, try, evaluate, repair, keep.

The loop is a LangGraph graph with a SQLite checkpointer. One generation is ``width`` candidates in flight, each its
own small graph; they see the archive as it was when the generation began, so a run gives the same archive whatever
the timing, and a run that was killed goes on from its last step. What a repeated step asks the model again is in the
cache and costs nothing.
"""

from __future__ import annotations

import difflib
import operator
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from archive import Archive, Failure, Member, Program, Rollout
from meta_agent.check import check, fingerprint
from meta_agent.errors import BudgetError
from meta_agent.parents import choose_parents
from meta_agent.proposers import Example, Play, Proposal, Proposer, Turn, choose_proposer, quarantine, rank
from meta_agent.racing import Race

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.types import StateSnapshot

    from domains import Domain
    from meta_agent.config import SearchConfig
    from meta_agent.evaluation import Evaluator

CRASH_SHARE = 0.5
"""A program that fails by itself on more than this share of the tasks goes back to its author."""


class Candidate(TypedDict, total=False):
    """State of one candidate on its way into the archive."""

    generation: int
    slot: int
    proposer: str
    parents: list[str]
    barred: list[str]
    proposal: dict[str, Any]
    attempt: int
    stage: str
    error: str
    candidates: Annotated[list[dict[str, Any]], operator.add]


class Ended(TypedDict):
    """What a candidate's graph hands to the outer one."""

    candidates: Annotated[list[dict[str, Any]], operator.add]


class Generations(TypedDict):
    """State of the whole search."""

    generation: int
    candidates: Annotated[list[dict[str, Any]], operator.add]
    """Every candidate that came to its end, in the order of their ends."""


@dataclass
class Search:
    """The nodes of the two graphs, over the parts that do the work.

    ``enough`` says, before each generation, whether the rest of the budget is better kept for the finish; ``observe``
    is told what happens to each candidate: generation, slot, stage, words.
    """

    run: str
    config: SearchConfig
    domain: Domain
    archive: Archive
    evaluator: Evaluator
    proposers: Sequence[Proposer]
    seeds: Sequence[Program]
    enough: Callable[[], bool] = lambda: False
    observe: Callable[[int, int, str, str], None] = lambda _generation, _slot, _stage, _words: None
    _seen: dict[int, tuple[Example, ...]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, checkpointer: BaseCheckpointSaver[str]) -> None:
        """Search from the start, or from the last checkpoint, until the generations or the budget are used up."""
        graph = self.generations().compile(checkpointer=checkpointer)
        thread: Any = {
            "configurable": {"thread_id": self.run},
            "max_concurrency": self.config.width,
            "recursion_limit": 10 + 2 * self.config.generations + 4 * self.config.repairs,
        }
        begun = graph.get_state(thread).created_at is not None
        try:
            graph.invoke(None if begun else {"generation": 0, "candidates": []}, thread, durability="sync")
        except BudgetError:
            self.keep_ended(graph.get_state(thread))
            raise

    def generations(self) -> Any:
        """Return the outer graph: seed -> [select -> candidates -> keep] until enough."""
        graph = StateGraph(Generations)
        graph.add_node("seed", self.seed)
        graph.add_node("candidate", self.candidate().compile())
        graph.add_node("keep", self.keep)
        graph.add_edge(START, "seed")
        graph.add_conditional_edges("seed", self.select, ["candidate", END])
        graph.add_edge("candidate", "keep")
        graph.add_conditional_edges("keep", self.select, ["candidate", END])
        return graph

    def candidate(self) -> Any:
        """Return the inner graph: propose -> reflect -> check -> try -> evaluate, and repair from where it fails."""
        graph = StateGraph(Candidate, output_schema=Ended)
        for name, node in (
            ("propose", self.propose),
            ("reflect", self.reflect),
            ("check", self.check),
            ("try", self.attempt),
            ("evaluate", self.evaluate),
            ("repair", self.repair),
            ("end", self.end),
        ):
            graph.add_node(name, node)
        graph.add_edge(START, "propose")
        graph.add_edge("propose", "reflect")
        graph.add_edge("reflect", "check")
        for step, following in (("check", "try"), ("try", "evaluate"), ("evaluate", "end")):
            graph.add_conditional_edges(step, self.then(following), [following, "repair", "end"])
        graph.add_edge("repair", "check")
        graph.add_edge("end", END)
        return graph

    def seed(self, state: Generations) -> dict[str, Any]:
        """Put the hand-designed agents into the archive and measure them."""
        for slot, program in enumerate(self.seeds):
            self.archive.add_program(program)
            self.archive.add_member(Member(self.run, program.id, generation=0, slot=slot, proposer="hand"))
        self.evaluator.evaluate(self.run, self.seeds, self.domain.tasks("search"), "search")
        return {"generation": 1}

    def select(self, state: Generations) -> list[Send] | str:
        """Choose the proposers and parents of the next generation's candidates, or end."""
        generation = state["generation"]
        if generation > self.config.generations or self.enough():
            return END
        members, plays = self.members(generation), self.plays(state)
        candidates = []
        for slot in range(self.config.width):
            draw = f"{self.config.seed}/{generation}/{slot}"
            proposer = choose_proposer([one.name for one in self.proposers], plays, draw)
            barred = quarantine(plays, proposer)
            parents = choose_parents([m for m in members if m.program not in barred] or members, draw)
            candidates.append(
                {
                    "generation": generation,
                    "slot": slot,
                    "attempt": 0,
                    "proposer": proposer,
                    "parents": [parent.program for parent in parents],
                    "barred": sorted(barred),
                }
            )
        return [Send("candidate", candidate) for candidate in candidates]

    def propose(self, state: Candidate) -> Candidate:
        """Ask for a new program."""
        self.evaluator.raise_if_stopped()
        self.observe(state["generation"], state["slot"], "propose", state["proposer"])
        members = self.members(state["generation"])
        by_id = {member.program: member for member in members}
        turn = Turn(
            members,
            tuple(by_id[parent] for parent in state["parents"]),
            self.draw(state),
            state["slot"],
            frozenset(state["barred"]),
        )
        return {"proposal": asdict(self.author(state).propose(turn))}

    def reflect(self, state: Candidate) -> Candidate:
        """Let the author think again, twice."""
        proposal = Proposal(**state["proposal"])
        for step in range(1, self.config.reflections + 1):
            self.evaluator.raise_if_stopped()
            self.observe(state["generation"], state["slot"], "reflect", proposal.name)
            proposal = self.author(state).reflect(proposal, step, self.draw(state))
        return {"proposal": asdict(proposal)}

    def check(self, state: Candidate) -> Candidate:
        """Look at the source before anything is paid: syntax, contract, imports, names, and whether it is new."""
        source = state["proposal"]["source"]
        if error := check(source):
            return {"stage": "check", "error": error}
        known = {
            fingerprint(self.archive.program(m.program).source)
            for m in self.archive.members(self.run)
            if m.generation < state["generation"]
        }
        if fingerprint(source) in known:
            return {
                "stage": "duplicate",
                "error": "this program exists already: write one that works differently",
            }
        return {"stage": "check", "error": ""}

    def attempt(self, state: Candidate) -> Candidate:
        """Try the program on one task; a wrong answer is fine, a crash is not."""
        self.evaluator.raise_if_stopped()
        self.observe(state["generation"], state["slot"], "try", state["proposal"]["name"])
        tasks = self.domain.tasks("search")
        task = tasks[(state["generation"] + state["slot"]) % len(tasks)]
        return {"stage": "try", "error": self.evaluator.attempt(self.program(state), task).failure}

    def evaluate(self, state: Candidate) -> Candidate:
        """Measure the program on the search split, as long as it may still be the best."""
        self.observe(state["generation"], state["slot"], "evaluate", state["proposal"]["name"])
        race = Race(self.evaluator, self.archive, self.run, self.config.race_risk, self.config.race_block)
        rivals = [member.scores for member in self.members(state["generation"])]
        evaluation, drop = race(self.program(state), rivals)
        if drop:
            self.observe(state["generation"], state["slot"], "dropped", drop.reason)
        rollouts = self.archive.rollouts(evaluation.id)
        crashed = [rollout.failure for rollout in rollouts if rollout.failure]
        broken = len(crashed) > CRASH_SHARE * len(rollouts)
        return {"stage": "evaluate", "error": Counter(crashed).most_common(1)[0][0] if broken else ""}

    def repair(self, state: Candidate) -> Candidate:
        """Record what stopped the program and show it to the author."""
        self.evaluator.raise_if_stopped()
        self.fail(state)
        attempt = state["attempt"] + 1
        self.observe(state["generation"], state["slot"], "repair", state["error"])
        proposal = self.author(state).repair(
            Proposal(**state["proposal"]), state["error"], attempt, self.draw(state)
        )
        return {"proposal": asdict(proposal), "attempt": attempt}

    def then(self, following: str) -> Callable[[Candidate], str]:
        """Return the way on: ``following`` without an error, else repair while attempts are left, else the end."""
        return lambda state: (
            following if not state["error"] else "repair" if state["attempt"] < self.config.repairs else "end"
        )

    def end(self, state: Candidate) -> Candidate:
        """Hand the candidate over to its generation."""
        if state["error"]:
            self.fail(state)
        words = state["error"].strip().rsplit("\n", 1)[-1] if state["error"] else state["proposal"]["name"]
        self.observe(state["generation"], state["slot"], "failed" if state["error"] else "ran", words)
        return {"candidates": [{key: value for key, value in state.items() if key != "candidates"}]}

    def keep(self, state: Generations) -> dict[str, Any]:
        """Add the generation's programs that ran to the archive, in the order of their slots."""
        generation = state["generation"]
        ended = [cast("Candidate", c) for c in state["candidates"] if c["generation"] == generation]
        kept = {
            member.slot: fingerprint(self.archive.program(member.program).source)
            for member in self.archive.members(self.run)
            if member.generation == generation
        }
        seen = set(kept.values())
        for candidate in sorted(ended, key=lambda c: c["slot"]):
            if candidate["error"] or candidate["slot"] in kept:
                continue
            mark = fingerprint(candidate["proposal"]["source"])
            if mark in seen:
                self.fail({**candidate, "stage": "duplicate", "error": "written twice in one generation"})
                continue
            seen.add(mark)
            program = self.program(candidate)
            self.archive.add_member(
                Member(
                    self.run,
                    program.id,
                    generation,
                    candidate["slot"],
                    tuple(candidate["proposal"]["parents"]),
                    self.diff(candidate, program),
                    candidate["attempt"],
                    candidate["proposer"],
                )
            )
        self.archive.flush()
        return {"generation": generation + 1}

    def keep_ended(self, cut: StateSnapshot) -> None:
        """Keep the programs of an unfinished generation that ran; a resumed run keeps them again, among the rest."""
        ended = [candidate for task in cut.tasks if task.result for candidate in task.result["candidates"]]
        if ended:
            self.keep({"generation": ended[0]["generation"], "candidates": ended})

    def members(self, generation: int) -> tuple[Example, ...]:
        """Return the measured members of the generations before one, as the proposers see them."""
        if generation not in self._seen:
            measured = {e.program: e.id for e in self.archive.evaluations(run=self.run, split="search")}
            self._seen = {
                generation: tuple(
                    self.example(member, self.archive.rollouts(measured[member.program]))
                    for member in self.archive.members(self.run)
                    if member.generation < generation and member.program in measured
                )
            }
        return self._seen[generation]

    def example(self, member: Member, rollouts: Sequence[Rollout]) -> Example:
        """Return a member with what it did on the search split."""
        program = self.archive.program(member.program)
        reasons = Counter(r.reason for r in rollouts if r.score < 1 and r.reason)
        return Example(
            program=member.program,
            name=program.name,
            source=program.source,
            scores={rollout.task: rollout.score for rollout in rollouts},
            failures=tuple(reason for reason, _ in reasons.most_common(2)),
            thought=program.thought,
            proposer=member.proposer,
            parents=member.parents,
        )

    def plays(self, state: Generations) -> list[Play]:
        """Return what became of every proposal of earlier generations, in the order of their slots."""
        scores = {member.program: member.score for member in self.members(state["generation"])}
        plays = []
        for candidate in sorted(state["candidates"], key=lambda c: (c["generation"], c["slot"])):
            program = self.program(cast("Candidate", candidate)).id
            runs = not candidate["error"] and program in scores
            plays.append(
                Play(
                    proposer=candidate["proposer"],
                    parent=next(iter(candidate["proposal"]["parents"]), ""),
                    reward=rank(program, scores) if runs else 0.0,
                    broken=bool(candidate["error"]) and candidate["stage"] != "duplicate",
                )
            )
        return plays

    def author(self, state: Candidate) -> Proposer:
        """Return the candidate's proposer."""
        return next(proposer for proposer in self.proposers if proposer.name == state["proposer"])

    def program(self, state: Candidate) -> Program:
        """Return the candidate as a program."""
        proposal = state["proposal"]
        return Program(source=proposal["source"], name=proposal["name"], thought=proposal["thought"])

    def draw(self, state: Candidate) -> int:
        """Return the number of this proposal in the run."""
        return self.config.seed * 10_000 + (state["generation"] - 1) * self.config.width + state["slot"]

    def diff(self, state: Candidate, program: Program) -> str:
        """Return the unified diff from the first parent to the program."""
        parents = state["proposal"]["parents"]
        if not parents:
            return ""
        parent = self.archive.program(parents[0])
        return "\n".join(
            difflib.unified_diff(
                parent.source.splitlines(),
                program.source.splitlines(),
                parent.name,
                program.name,
                lineterm="",
            )
        )

    def fail(self, state: Candidate) -> None:
        """Record why a proposal did not go on."""
        self.archive.add_failure(
            Failure(
                self.run,
                state["generation"],
                state["slot"],
                state["attempt"],
                state["stage"],  # type: ignore[arg-type]
                state["error"],
                state["proposal"]["source"],
            )
        )
