"""MGSM: the first 250 test problems of GSM8K in eleven languages.

Shi et al. 2022, "Language Models are Multilingual Chain-of-Thought Reasoners",
https://github.com/google-research/url-nlp/tree/main/mgsm, CC-BY-SA-4.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.benchmark import Benchmark, Item, from_pools
from domains.data import Row, Source
from domains.domain import DomainError, SplitName, Task
from domains.gsm8k import INSTRUCTION
from domains.scoring import expected_number
from domains.splits import partition

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")

SHARES: Mapping[SplitName, int] = {"search": 1, "selection": 1, "test": 2}


def mgsm(language: str = "", *, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load MGSM in one language, or all eleven mixed.

    A problem and its translations are in the same split: 62 or 63 problems for ``search`` and ``selection``
    each, 125 for ``test``, times the number of languages.

    Raises:
        DomainError: an unknown language, no data, or sizes that are too large.

    """
    if language and language not in LANGUAGES:
        choices = ", ".join(LANGUAGES)
        raise DomainError(
            f"mgsm has no language {language!r}: choose one of {choices}, or all with plain 'mgsm'"
        )
    chosen = (language,) if language else LANGUAGES
    translations = {
        str(number): [_item(name, number, row) for name, row in zip(chosen, problem, strict=True)]
        for number, problem in enumerate(zip(*(source(name).rows() for name in chosen), strict=True))
    }
    parts = partition(list(translations), SHARES, seed)
    pools = [
        ({split: 1}, [item for problem in part for item in translations[problem]])
        for split, part in parts.items()
    ]
    return from_pools(
        f"mgsm:{language}" if language else "mgsm",
        "Each task is a word problem of primary-school arithmetic, in "
        + (f"the language {language!r}" if language else "one of eleven languages")
        + ". The answer is one number; the last number in the returned text counts, compared exactly.",
        pools,
        sizes=sizes,
        seed=seed,
    )


def source(language: str) -> Source:
    """Return where the problems of a language come from."""
    return Source(
        file=f"mgsm/mgsm_{language}.tsv",
        hub=("juletxara/mgsm", language, "test"),
        revision="refs/convert/parquet",  # the main branch needs a loading script, which datasets 4 refuses
        columns=("question", "answer_number"),
    )


def _item(language: str, number: int, row: Row) -> Item:
    return Item(
        Task(
            f"mgsm/{language}/{number}",
            f"{row['question']}\n\n{INSTRUCTION}",
            "answer",
            metadata={"language": language},
        ),
        expected_number(str(row["answer_number"])),
    )
