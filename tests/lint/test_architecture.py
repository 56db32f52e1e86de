"""Architecture: stages depend on what they import, and versions are those of the lock."""

import ast
import sys
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from pipeline_clones import CHECKOUT as ROOT
from pipeline_clones import PipelineStage, read_pipeline_stages
from ruamel.yaml import YAML

from tench.export.card import LISTED_PACKAGES
from tench.run.packages import parse_lock_versions

PACKAGES = sorted(file.parent for file in (ROOT / "tench").rglob("__init__.py"))
# How a stage runs cannot change what it writes, so `run` is named by no stage.
NEUTRAL = "tench.run"
MOST_SURPLUS = 80  # (stage, file) pairs that dvc.yaml names and the stage does not import

HARMLESS_PACKAGES = {
    "joblib": "counts the cores, on which nothing depends",
    "markupsafe": "is jinja2's own",
    "pydantic": "accepts or refuses parameters as they are written, and changes none",
    "ruamel": "reads them, as DVC itself does",
    "threadpoolctl": "gives a product of matrices one thread, whatever its version",
    "tqdm": "draws progress bars",
    "yaml": "reads the dependencies of a stage, which identify a run",
}
WITHOUT_CODE = {
    "raw": "writes down a name",
    "imagenette": "what it leaves is compared with known digests",
}
UNSEEN = {"tench.model.network.save": "h5py"}  # with which Keras writes weights
DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}


STAGES = read_pipeline_stages()
WITH_CODE = sorted(STAGES.keys() - WITHOUT_CODE.keys())


@cache
def imports() -> Any:
    """Who imports whom; packages of others by their top name."""
    return grimp.build_graph("stages", "tench", include_external_packages=True, cache_dir=None)


def closure(module: str) -> set[str]:
    """A module and the modules of tench that it imports, directly or not, without NEUTRAL."""
    modules, waiting = {module}, [module]
    while waiting:
        for name in imports().find_modules_directly_imported_by(waiting.pop()):
            if name.startswith("tench.") and not is_neutral(name) and name not in modules:
                modules.add(name)
                waiting.append(name)
    return modules


def is_neutral(module: str) -> bool:
    """Whether a module belongs to NEUTRAL."""
    return f"{module}.".startswith(f"{NEUTRAL}.")


def file_of(module: str) -> Path:
    """The file of a module, relative to the root."""
    path = Path(*module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")


def named_files(stage: PipelineStage) -> set[Path]:
    """The Python files that a stage's deps name, alone or in a folder, without `__init__.py`."""
    deps = [ROOT / dep for dep in stage.deps if dep.startswith(("stages/", "tench/"))]
    missing = [dep for dep in deps if not dep.exists()]
    assert not missing
    files = {file for dep in deps for file in ([dep] if dep.is_file() else dep.rglob("*.py"))}
    return {file.relative_to(ROOT) for file in files if file.name != "__init__.py"}


def imported_files(stage: PipelineStage) -> set[Path]:
    """The Python files that a stage imports, without `__init__.py` and NEUTRAL."""
    files = {file_of(module) for module in closure(stage.module)}
    return {file for file in files if file.name != "__init__.py"}


@pytest.mark.parametrize("name", WITH_CODE)
def test_a_stage_depends_on_every_file_that_it_imports(name: str) -> None:
    assert imported_files(STAGES[name]) - named_files(STAGES[name]) == set()


@pytest.mark.parametrize("name", WITH_CODE)
def test_a_stage_depends_on_no_file_that_cannot_change_its_outputs(name: str) -> None:
    modules = {dep.replace("/", ".") for dep in STAGES[name].deps if dep.startswith("tench/")}
    assert not {module for module in modules if is_neutral(module)}


def test_stages_depend_on_few_files_that_they_do_not_import() -> None:
    surplus = [
        (name, file.as_posix())
        for name in WITH_CODE
        for file in sorted(named_files(STAGES[name]) - imported_files(STAGES[name]))
    ]
    print(f"{len(surplus)} (stage, file) pairs are named but not imported")
    assert len(surplus) <= MOST_SURPLUS, surplus


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
    assert written == parse_lock_versions((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    named = set().union(*(stage.packages for stage in STAGES.values()))
    assert named == written.keys()


def test_the_model_card_lists_the_versions_its_stage_depends_on_and_no_others() -> None:
    assert STAGES["export"].packages == set(LISTED_PACKAGES)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_docstring_is_one_sentence(package: Path) -> None:
    text = (package / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    sentence = docstring.splitlines()[0]
    assert sentence.endswith(".")
    if package != ROOT / "tench":  # it sets variables before libraries are imported
        assert len(text.splitlines()) == 1


def test_files_are_short() -> None:
    folders = ("tench", "stages", "benchmarks", "tests")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {str(file): lines for file, lines in lengths.items() if lines > 300} == {}


def test_every_run_is_stored_in_the_run_cache() -> None:
    # A plain output with `cache: false` or `persist: true` disables it for the stage.
    content = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
    options = [
        (name, *output.items())
        for name, stage in content["stages"].items()
        for output in stage.get("outs", [])
        if isinstance(output, dict)
    ]
    assert options == []
