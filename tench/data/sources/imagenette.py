"""Obtain Imagenette v2 at 224 pixels and verify it by its git tree ids."""

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.files import atomic_folder
from tench.data.sources.generated_folder import is_missing_or_empty, occupied_folder_error
from tench.data.sources.git_tree import tree_id
from tench.run.progress import progress_bar

SHARED_FOLDER = Path("../shared/imagenette")
REPOSITORY = "https://github.com/thunderInfy/imagenette"
COMMIT = "b850f030ff0701c36a4adc8b928ea9483a46915b"  # Imagenette v2 at 224 pixels, 140 MB
TREE_IDS = {
    "train": "b5b3dd77dff0927aa628bfad778c731a103f142d",
    "val": "b8b2b2c6ab7c20f1362021497531e668431744b9",
}
DATASET_NAME = "Imagenette v2 at 224 pixels"
TIMEOUT = 20  # seconds until the server must respond
# git gives up a transfer that is slower than 1,000 bytes/s for 20 seconds
GIT_TIMEOUT_OPTIONS = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20")
WAYS_TO_OBTAIN = f"""There are three ways to get images:
  1. set IMAGENETTE_DIR to a folder with Imagenette's train/ and val/
  2. connect to the network and run again to download {REPOSITORY} (140 MB)
  3. use other images: set data.raw in params.yaml to data/sample or to your own folder"""


def find_mismatch(folder: Path) -> str:
    """Why a folder is not Imagenette; "" if it is. Only train/ and val/ are compared."""
    for part, expected in TREE_IDS.items():
        if not (folder / part).is_dir():
            return f"it has no {part}/"
        actual = tree_id(folder / part)
        if actual != expected:
            return (
                f"its {part}/ is not that of {DATASET_NAME} (git tree id {actual}, not {expected})"
            )
    return ""


def find_local_copy() -> Path | None:
    """A folder on this machine with the images, None if there is none.

    Raises:
        TenchError: IMAGENETTE_DIR is set to another folder.
    """
    variable = os.environ.get("IMAGENETTE_DIR")
    if variable:
        folder = Path(variable)
        problem = find_mismatch(folder) if folder.is_dir() else "no such folder"
        if problem:
            raise TenchError(f"IMAGENETTE_DIR = {variable}: {problem}. {WAYS_TO_OBTAIN}")
        return folder
    if SHARED_FOLDER.is_dir():
        problem = find_mismatch(SHARED_FOLDER)
        if not problem:
            return SHARED_FOLDER
        print(f"{SHARED_FOLDER}: skipped: {problem}")
    return None


def copy_folder(source: Path, out: Path) -> None:
    """Copy train/ and val/ of a folder without file modes; shows a progress bar."""
    files = sorted(
        file for part in TREE_IDS for file in (source / part).rglob("*") if file.is_file()
    )
    for file in progress_bar(files, "imagenette", len(files)):
        target = out / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def start_git(repository: str, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start git on a repository; git never prompts for a password.

    Raises:
        TenchError: git cannot be started.
    """
    try:
        return subprocess.Popen(
            ["git", f"--git-dir={repository}", *GIT_TIMEOUT_OPTIONS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            **options,
        )
    except OSError as error:
        raise TenchError(f"git cannot be run ({error}). {WAYS_TO_OBTAIN}") from None


def git_stdout(repository: str, *arguments: str) -> bytes:
    """Run git and return its output; progress and errors go to stderr.

    Raises:
        TenchError: git fails.
    """
    with start_git(repository, *arguments) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise TenchError(f"{REPOSITORY}: download failed, see git's error above. {WAYS_TO_OBTAIN}")
    return output


def check_repository_reachable(repository: str) -> None:
    """Check that git reaches the public repository, with git's settings and the proxies.

    Raises:
        TenchError: the repository does not respond in time.
    """
    # A new session has no terminal for ssh to prompt at, and git's helpers are killed with it.
    options = {"stderr": subprocess.PIPE, "start_new_session": True}
    with start_git(repository, "ls-remote", REPOSITORY, "HEAD", **options) as process:
        try:
            _, stderr = process.communicate(timeout=TIMEOUT)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            stderr = f"no response within {TIMEOUT} seconds".encode()
    if process.returncode:
        reason = stderr.decode(errors="replace").splitlines() or ["no reason given"]
        raise TenchError(f"{REPOSITORY}: cannot be reached ({reason[-1]}). {WAYS_TO_OBTAIN}")


def fetch_repository(out: Path) -> None:
    """Download the images from the public repository into `out`. Raises TenchError."""
    with tempfile.TemporaryDirectory() as repository:
        git_stdout(repository, "init", "--quiet", "--bare")
        check_repository_reachable(repository)
        git_stdout(repository, "fetch", "--progress", "--depth=1", REPOSITORY, COMMIT)
        for part, tree in TREE_IDS.items():
            content = io.BytesIO(git_stdout(repository, "archive", "--format=tar", tree))
            try:
                with tarfile.open(fileobj=content) as archive:
                    # extractall has this as an argument only from Python 3.11.4 on
                    archive.extraction_filter = getattr(tarfile, "data_filter", None)
                    archive.extractall(out / part)
            except tarfile.TarError as error:
                raise TenchError(
                    f"{REPOSITORY}: the archive contains more than images: {error}. "
                    f"{WAYS_TO_OBTAIN}"
                ) from None


def obtain_imagenette(out: Path) -> None:
    """Make sure that `out` contains Imagenette: use it, copy it or download it.

    Raises:
        TenchError: `out` contains something else, or the images are not available.
    """
    if not is_missing_or_empty(out):
        problem = find_mismatch(out) if out.is_dir() else "it is not a folder"
        if problem:
            raise occupied_folder_error(out, problem, DATASET_NAME)
        print(f"{out}: already contains {DATASET_NAME}")
        return
    source = find_local_copy()
    with atomic_folder(out) as part:
        if source:
            copy_folder(source, part)
        else:
            fetch_repository(part)
        problem = find_mismatch(part)
        if problem:
            raise TenchError(
                f"{source or REPOSITORY}: this is not {DATASET_NAME}: {problem}. {WAYS_TO_OBTAIN}"
            )
