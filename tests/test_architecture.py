"""The house: what stages depend on is what they import, and versions are those of the lock."""

import ast
import sys
from functools import cache
from typing import Any

import grimp
import pytest
from clones import CHECKOUT as ROOT
from clones import pipeline
from ruamel.yaml import YAML

from tench.core.packages import versions_in
from tench.exporting.card import MADE_WITH

ROOMS = sorted(file.parent.name for file in (ROOT / "tench").glob("*/__init__.py"))

HARMLESS_ROOMS = {
    "console": "help, progress, messages and the record of a run: DVC does not know of them",
    "spread": "hands work on and refuses who may compute otherwise: test_spread_ray compares",
}
HARMLESS_PACKAGES = {
    "joblib": "counts the cores, on which nothing depends",
    "markupsafe": "is jinja2's own",
    "pydantic": "accepts or refuses parameters as they are written, and changes none",
    "ruamel": "reads them, as DVC itself does",
    "threadpoolctl": "gives a product of matrices one thread, whatever its version",
    "tqdm": "draws progress bars",
    "yaml": "reads what a stage depends on, by which a run is told from others",
}
WITHOUT_CODE = {
    "raw": "writes down a name",
    "imagenette": "what it leaves is compared with known digests",
}
UNSEEN = {"tench.network.saving": "h5py"}  # with which Keras writes weights
DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}


STAGES = pipeline()
WITH_CODE = sorted(STAGES.keys() - WITHOUT_CODE.keys())


@cache
def imports() -> Any:
    """Who imports whom; packages of others by their top name."""
    return grimp.build_graph("stages", "tench", include_external_packages=True, cache_dir=None)


def closure(module: str) -> set[str]:
    """Our modules that a module imports, directly or not, itself included; what only harmless rooms
    import is not followed."""
    found, waiting = {module}, [module]
    while waiting:
        for name in imports().find_modules_directly_imported_by(waiting.pop()):
            if name.startswith("tench.") and room(name) not in HARMLESS_ROOMS and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def room(module: str) -> str:
    """The room of a module of tench."""
    return module.split(".")[1]


@pytest.mark.parametrize("name", WITH_CODE)
def test_a_stage_depends_on_the_rooms_it_imports_and_on_no_others(name: str) -> None:
    stage = STAGES[name]
    needed = {room(one) for one in closure(stage.module) if one.startswith("tench.")}
    named = {dep.removeprefix("tench/") for dep in stage.deps if dep.startswith("tench/")}
    assert named == needed
    assert f"{stage.module.replace('.', '/')}.py" in stage.deps


@pytest.mark.parametrize("name", WITH_CODE)
def test_a_stage_depends_on_the_packages_it_imports_and_on_no_others(name: str) -> None:
    stage, graph = STAGES[name], imports()
    ours = closure(stage.module)
    others = {
        one
        for module in ours
        for one in graph.find_modules_directly_imported_by(module)
        if graph.is_module_squashed(one)
    }
    needed = {DISTRIBUTIONS.get(one, one) for one in others - HARMLESS_PACKAGES.keys()}
    needed |= {package for module, package in UNSEEN.items() if module in ours}
    assert stage.packages == needed - sys.stdlib_module_names


@pytest.mark.parametrize("name", WITHOUT_CODE)
def test_a_stage_without_code_among_its_dependencies_names_none(name: str) -> None:
    assert not {dep for dep in STAGES[name].deps if dep.startswith(("tench/", "stages/"))}


def test_packages_are_those_of_the_lock() -> None:
    written = YAML(typ="safe", pure=True).load(ROOT / "packages.yaml")
    assert written == versions_in((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    named = set().union(*(stage.packages for stage in STAGES.values()))
    assert named == written.keys()


def test_the_model_card_tells_the_versions_its_stage_depends_on_and_no_others() -> None:
    assert STAGES["export"].packages == set(MADE_WITH)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_belongs_in_it(name: str) -> None:
    text = (ROOT / "tench" / name / "__init__.py").read_text(encoding="utf-8")
    sentence = ast.get_docstring(ast.parse(text))
    assert sentence
    assert sentence.endswith(".")
    assert len(text.splitlines()) == 1


def test_no_file_holds_two_ideas() -> None:
    folders = ("tench", "stages", "benchmarks", "tests")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {str(file): lines for file, lines in lengths.items() if lines > 300} == {}
