"""packages.yaml: the versions that can change what a stage writes, pinned with the lock.

Stages name them in dvc.yaml under `params`, so that DVC knows a number by the packages it was made
with. `make lock` writes the file: `python -m tench.run.packages`.
"""

import importlib.metadata
import re
import sys
from collections.abc import Mapping

from ruamel.yaml import YAML

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.core.paths import PACKAGES, REQUIREMENTS_LOCK

PINNED_PACKAGES = (
    *("ai-edge-litert", "ai-edge-quantizer", "cleanlab", "cleanvision", "dvclive"),
    *("faiss-cpu", "h5py"),
    *("jinja2", "keras", "matplotlib", "numpy", "onnx", "onnxruntime", "pillow", "scikit-learn"),
    *("scipy", "tensorflow", "tf2onnx"),
)
PACKAGES_HEADER = """\
# The versions that can change what a stage writes, from requirements.lock. Written by `make lock`;
# stages name theirs in dvc.yaml, and refuse to run with others.
"""


def parse_lock_versions(lock: str) -> dict[str, str]:
    """The versions of PINNED in the text of requirements.lock, by name.

    Raises:
        TenchError: one is missing, or there are several for different machines.
    """
    found = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE)
    versions = {}
    for name in PINNED_PACKAGES:
        of_name = [version for other, version in found if other == name]
        if len(of_name) != 1:
            raise TenchError(
                f"{REQUIREMENTS_LOCK}: {name}: expected one version, found {of_name or 'none'}"
            )
        versions[name] = of_name[0]
    return versions


def pinned_versions() -> dict[str, str]:
    """The content of packages.yaml."""
    try:
        content = YAML(typ="safe", pure=True).load(PACKAGES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TenchError(f"{PACKAGES}: no such file; run from the project's root") from None
    return {str(name): str(version) for name, version in content.items()}


def installed_version(name: str) -> str:
    """The installed version of a package, or `none`."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def check_installed_versions(wanted: Mapping[str, str]) -> None:
    """Raise TenchError unless the installed packages have the versions wanted."""
    others = [
        f"{name} {have} instead of {version}"
        for name, version in wanted.items()
        if (have := installed_version(name)) != version
    ]
    if others:
        raise TenchError(
            f"other packages than {PACKAGES} says: {', '.join(others)}. Run `make setup`, then "
            "`source .venv/bin/activate`; to move to other versions, `make lock`"
        )


def main() -> None:
    try:
        versions = parse_lock_versions(REQUIREMENTS_LOCK.read_text(encoding="utf-8"))
    except TenchError as error:
        sys.exit(f"error: {error}")
    lines = [f'{name}: "{version}"' for name, version in versions.items()]
    write_text(PACKAGES_HEADER + "\n".join(lines) + "\n", PACKAGES)


if __name__ == "__main__":
    main()
