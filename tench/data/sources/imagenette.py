"""Imagenette v2 at 224 pixels: where it comes from, and whether it is the right one."""

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
COMMIT = "b850f030ff0701c36a4adc8b928ea9483a46915b"  # a 224-pixel copy of Imagenette v2, 140 MB
TREE_IDS = {
    "train": "b5b3dd77dff0927aa628bfad778c731a103f142d",
    "val": "b8b2b2c6ab7c20f1362021497531e668431744b9",
}
DATASET_NAME = "Imagenette v2 at 224 pixels"
TIMEOUT = 20  # seconds for the first answer
# bytes a second, for so many seconds: then a transfer is given up
GIT_TIMEOUT_OPTIONS = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20")
WAYS_TO_OBTAIN = f"""three ways to get the images:
  1. set IMAGENETTE_DIR to a folder that holds them in train/ and val/
  2. connect to the network and run again: they come from {REPOSITORY} (140 MB)
  3. use other images: set data.raw in params.yaml to data/sample or to a folder of your own"""


def find_mismatch(folder: Path) -> str:
    """What keeps a folder from being Imagenette, empty if nothing does. Other things beside its
    train/ and val/ do not matter."""
    for part, expected in TREE_IDS.items():
        if not (folder / part).is_dir():
            return f"there is no {part}/ in it"
        found = tree_id(folder / part)
        if found != expected:
            return (
                f"its {part}/ is not that of {DATASET_NAME} (git tree id {found}, not {expected})"
            )
    return ""


def find_local_copy() -> Path | None:
    """The folder on this machine that holds the images, if there is one.

    Raises:
        TenchError: IMAGENETTE_DIR names a folder that does not.
    """
    named = os.environ.get("IMAGENETTE_DIR")
    if named:
        folder = Path(named)
        wrong = find_mismatch(folder) if folder.is_dir() else "no such folder"
        if wrong:
            raise TenchError(f"IMAGENETTE_DIR = {named}: {wrong}; {WAYS_TO_OBTAIN}")
        return folder
    if SHARED_FOLDER.is_dir():
        wrong = find_mismatch(SHARED_FOLDER)
        if not wrong:
            return SHARED_FOLDER
        print(f"{SHARED_FOLDER}: passed over: {wrong}")
    return None


def copy_folder(source: Path, out: Path) -> None:
    """Copy train/ and val/ of a folder, with a progress bar; contents alone, not their modes."""
    files = sorted(
        file for part in TREE_IDS for file in (source / part).rglob("*") if file.is_file()
    )
    for file in progress_bar(files, "imagenette", len(files)):
        target = out / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def start_git(repository: str, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start git on a repository, without a password to be asked for. TenchError if it cannot."""
    try:
        return subprocess.Popen(
            ["git", f"--git-dir={repository}", *GIT_TIMEOUT_OPTIONS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            **options,
        )
    except OSError as error:
        raise TenchError(f"git cannot be run ({error}); {WAYS_TO_OBTAIN}") from None


def git_stdout(repository: str, *arguments: str) -> bytes:
    """What git prints, its progress and errors shown as they come. Raises TenchError."""
    with start_git(repository, *arguments) as running:
        content, _ = running.communicate()
    if running.returncode:
        raise TenchError(
            f"{REPOSITORY}: could not be fetched, git says why above; {WAYS_TO_OBTAIN}"
        )
    return content


def check_repository_reachable(repository: str) -> None:
    """Ask the public repository for an answer, the way that git's settings and the environment's
    proxies lead there; TenchError where none comes in time."""
    # in a session of its own: no terminal for ssh to ask at, and its helpers end with it
    options = {"stderr": subprocess.PIPE, "start_new_session": True}
    with start_git(repository, "ls-remote", REPOSITORY, "HEAD", **options) as asked:
        try:
            _, said = asked.communicate(timeout=TIMEOUT)
        except BaseException as error:
            os.killpg(asked.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            said = f"no answer within {TIMEOUT} seconds".encode()
    if asked.returncode:
        reason = said.decode(errors="replace").splitlines() or ["no reason given"]
        raise TenchError(f"{REPOSITORY}: cannot be reached ({reason[-1]}); {WAYS_TO_OBTAIN}")


def fetch_repository(out: Path) -> None:
    """Fetch the images from the public repository, wherever in it they lie. Raises TenchError."""
    with tempfile.TemporaryDirectory() as repository:
        git_stdout(repository, "init", "--quiet", "--bare")
        check_repository_reachable(repository)
        git_stdout(repository, "fetch", "--progress", "--depth=1", REPOSITORY, COMMIT)
        for part, tree in TREE_IDS.items():
            content = io.BytesIO(git_stdout(repository, "archive", "--format=tar", tree))
            try:
                with tarfile.open(fileobj=content) as archive:
                    # an argument of extractall only from Python 3.11.4 on
                    archive.extraction_filter = getattr(tarfile, "data_filter", None)
                    archive.extractall(out / part)
            except tarfile.TarError as error:
                raise TenchError(
                    f"{REPOSITORY}: what came from there holds more than images: {error}; {WAYS_TO_OBTAIN}"
                ) from None


def obtain_imagenette(out: Path) -> None:
    """See to it that `out` holds Imagenette: as it lies there, copied, or fetched.

    Raises:
        TenchError: something else lies there, or the images cannot be had.
    """
    if not is_missing_or_empty(out):
        wrong = find_mismatch(out) if out.is_dir() else "it is no folder"
        if wrong:
            raise occupied_folder_error(out, wrong, DATASET_NAME)
        print(f"{out}: {DATASET_NAME}, kept as it is")
        return
    source = find_local_copy()
    with atomic_folder(out) as part:
        if source:
            copy_folder(source, part)
        else:
            fetch_repository(part)
        wrong = find_mismatch(part)
        if wrong:
            raise TenchError(
                f"{source or REPOSITORY}: what came from there is something else: {wrong}; {WAYS_TO_OBTAIN}"
            )
