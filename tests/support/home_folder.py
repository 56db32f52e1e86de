"""An empty home folder, and the files that a program leaves in it."""

import os
import sys
from pathlib import Path

import pytest

# Variables that make a library write elsewhere, or nothing: `tench` sets some of them in the test
# process, and ONNX Runtime sends no telemetry where CI is set.
REDIRECTING = ("CI", "KERAS_", "MPL", "ORT_", "XDG_")


SYSTEM_PATH = "/usr/bin:/bin"  # without rustup: pip calls its shim, which writes into the home


def list_tree(folder: Path) -> list[str]:
    """Every file and folder below a folder."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


def isolate_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty home folder in `folder`, and remove every variable that points elsewhere."""
    for name in [name for name in os.environ if name.startswith(REDIRECTING)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{SYSTEM_PATH}")
    (folder / "home").mkdir()
    return folder / "home"
