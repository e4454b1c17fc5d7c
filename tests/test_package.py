"""What is shipped and what is committed: few dependencies, whole wheels, true documents, no private addresses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import llm_to_anthropic
from llm_to_anthropic.config.schema import Schema

ROOT = Path(__file__).resolve().parents[1]
MAX_DISTRIBUTIONS = 25
PRIVATE = re.compile(r"(?<!emit-)\b(?:extra-)?index[-_]url|https?://[\w.-]*(?:pypi|pythonhosted|npmjs|registry)[\w.-]*")
WANTED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==", re.MULTILINE)
"""A pinned distribution; its name, without extras, is the group."""
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def build_wheel(root: Path, out: Path) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)  # noqa: S603  our own command
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly built wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> list[str]:
    """The names in it."""
    with zipfile.ZipFile(wheel_file) as archive:
        return archive.namelist()


def committed() -> list[Path]:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("llm_to_anthropic/py.typed", id="types"),
        pytest.param("llm_to_anthropic/data/o200k_base.tiktoken.gz", id="vocabulary"),
        pytest.param("llm_to_anthropic/data/o200k_base.LICENSE", id="its-licence"),
        pytest.param("llm_to_anthropic/cli/main.py", id="commands"),
    ],
)
def test_wheel_contains(wheel: list[str], name: str) -> None:
    """The wheel brings everything that is read at run time."""
    assert name in wheel


def test_wheel_contains_nothing_else(wheel: list[str]) -> None:
    """The wheel brings the package and its metadata, and nothing that runs at every start of Python."""
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"llm_to_anthropic"}
    assert not [name for name in wheel if name.endswith(".pth")]


def test_wheel_is_the_same_wherever_it_is_built(wheel_file: Path, tmp_path: Path) -> None:
    """Another folder, other times and rights of files give the same bytes: a wheel can be checked by its source."""
    other = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "src", other / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, other)
    for file in other.rglob("*.py"):
        os.utime(file, (1_600_000_000, 1_600_000_000))
        file.chmod(0o600)
    assert build_wheel(other, tmp_path / "out").read_bytes() == wheel_file.read_bytes()


def test_version_is_one() -> None:
    """The installed version is the one that the package tells."""
    assert version("llm-to-anthropic") == llm_to_anthropic.__version__


def test_core_dependencies_are_few() -> None:
    """A core installation, this package included, has at most 25 distributions."""
    locked = WANTED.findall((ROOT / "requirements/core.txt").read_text())
    assert len(locked) + 1 <= MAX_DISTRIBUTIONS


@pytest.mark.parametrize("name", ["core", "vertex", "dev", "fuzz", "audit"])
def test_requirements_are_hashed(name: str) -> None:
    """Every locked distribution has hashes, since pip is told to demand them."""
    entries = re.split(r"\n(?=\S)", (ROOT / f"requirements/{name}.txt").read_text().strip())
    assert entries
    assert [entry for entry in entries if WANTED.match(entry) and "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(("name", "extra"), [("core", None), ("vertex", "vertex"), ("dev", "dev")])
def test_requirements_lock_what_the_project_asks_for(name: str, extra: str | None) -> None:
    """Every dependency in pyproject.toml is locked: `make lock` was run."""
    asked = list(project()["project"]["dependencies"])
    asked += project()["project"]["optional-dependencies"][extra] if extra else []
    locked = set(WANTED.findall((ROOT / f"requirements/{name}.txt").read_text()))
    assert {re.split(r"[<>=!~; \[]", one)[0].lower() for one in asked} <= locked


def test_no_committed_file_names_a_package_index() -> None:
    """Where packages come from is the machine's concern: no committed file names an index."""
    texts = {file: file.read_bytes().decode("utf-8", "ignore") for file in committed()}
    assert {str(file): match[0] for file, text in texts.items() if (match := PRIVATE.search(text))} == {}


def test_start_loads_nothing_that_can_wait(tmp_path: Path) -> None:
    """A server is ready without the packages that only some requests need."""
    heavy = ["pydantic", "tiktoken", "regex", "requests", "google", "dotenv", "openai", "anthropic", "cryptography"]
    code = (
        "import pathlib, sys; from llm_to_anthropic.config import loading; from llm_to_anthropic.cli import proxy; "
        "from llm_to_anthropic.http import server; "
        "server.build_gateway(loading.load({}, {'OPENAI_API_KEY': 'test-key'}, pathlib.Path())); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_environment_names_are_documented() -> None:
    """Every variable that the configuration reads is named in the README or in docs."""
    tables = {"providers", "models", "timeouts", "limits", "retries"}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    assert [name.upper() for name in Schema.__struct_fields__ if name not in tables and name.upper() not in text] == []


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))],
)
def test_links_lead_somewhere(name: str) -> None:
    """Relative links in the documents lead to files of this project."""
    page = ROOT / name
    targets = [(page.parent / link).resolve() for link in LINK.findall(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []


def test_map_of_the_house_has_every_room() -> None:
    """CONTRIBUTING.md names each package and each module beside them."""
    source = ROOT / "src" / "llm_to_anthropic"
    rooms = {f"{room.parent.name}/" for room in source.glob("*/__init__.py")}
    rooms |= {module.name for module in source.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert rooms <= set(re.findall(r"`(\w+(?:/|\.py))`", (ROOT / "CONTRIBUTING.md").read_text()))


@pytest.mark.parametrize("room", ["gateway", "http", "translators"])
def test_map_of_a_large_room_is_complete(room: str) -> None:
    """The docstring of a package of many modules names each of them, and its packages."""
    place = ROOT / "src" / "llm_to_anthropic" / room
    inside = {file.stem for file in place.glob("*.py")} | {file.parent.name for file in place.glob("*/__init__.py")}
    assert inside - {"__init__"} <= set(re.findall(r"\w+", (place / "__init__.py").read_text()))


def test_documented_make_targets_exist() -> None:
    """Every `make` target that the documents name is in the Makefile."""
    rules = set(re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {target for rule in rules for target in rule.split()}
    pages = "".join(page.read_text() for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
    named = {word for line in re.findall(r"(?:^|`)make ([a-z -]+)", pages, re.MULTILINE) for word in line.split()}
    assert named <= targets
