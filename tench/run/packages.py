"""packages.yaml: versions of the packages that stages depend on.

Each stage names its packages in dvc.yaml under `params`, so that a new version reruns it.
`make lock` writes the file with `python -m tench.run.packages`.
"""

import importlib.metadata
import re
import sys
from collections.abc import Mapping

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.core.paths import PACKAGES, PIPELINES, REQUIREMENTS_LOCK
from tench.core.yaml_files import read_mapping
from tench.run.dvc_files import read_stages

PACKAGES_HEADER = """\
# Versions of the packages that stages depend on, from requirements.lock. Written by `make lock`.
# Stages name theirs in dvc.yaml and refuse to run with other versions.
"""


def pinned_packages() -> list[str]:
    """The packages that the stages in dvc.yaml name under `params`, sorted. Raises TenchError."""
    params = (
        entry
        for pipeline in PIPELINES
        for stage in read_stages(pipeline).values()
        for entry in stage.get("params", [])
    )
    named = (entry.get(str(PACKAGES), []) for entry in params if isinstance(entry, dict))
    return sorted({package for packages in named for package in packages})


def parse_lock_versions(lock: str) -> dict[str, str]:
    """The versions of the pinned packages in the text of requirements.lock, by name.

    Raises:
        TenchError: a package is missing, or has several versions for different platforms.
    """
    pins = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE)
    versions = {}
    for package in pinned_packages():
        candidates = [version for name, version in pins if name == package]
        if len(candidates) != 1:
            raise TenchError(
                f"{REQUIREMENTS_LOCK}: {package}: expected one version, "
                f"found {candidates or 'none'}"
            )
        versions[package] = candidates[0]
    return versions


def pinned_versions() -> dict[str, str]:
    """The versions in packages.yaml, by package. Raises TenchError."""
    try:
        content = read_mapping(PACKAGES.read_bytes(), PACKAGES)
    except FileNotFoundError:
        raise TenchError(f"{PACKAGES}: no such file; run from the project's root") from None
    return {str(name): str(version) for name, version in content.items()}


def installed_version(name: str) -> str:
    """The installed version of a package, or "none"."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def check_installed_versions(wanted: Mapping[str, str]) -> None:
    """Raise TenchError unless the installed packages have the wanted versions."""
    different = [
        f"{name} {installed} instead of {version}"
        for name, version in wanted.items()
        if (installed := installed_version(name)) != version
    ]
    if different:
        raise TenchError(
            f"installed packages differ from {PACKAGES}: {', '.join(different)}. Run `make setup`, "
            "then `source .venv/bin/activate`; to change the pinned versions, run `make lock`"
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
