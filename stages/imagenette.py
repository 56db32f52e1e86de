"""imagenette: obtain the ten classes of Imagenette v2 at 224 pixels and verify them.

In:  the folder in $IMAGENETTE_DIR, or ../shared/imagenette, or, in the temporary folder of an
     experiment, the pictures of the checkout it belongs to, or else the public git repository.
Out: data/imagenette/{train,val}/WORDNET-ID/*.JPEG, 13,394 pictures.
"""

import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tench.cli import TenchError, progress, run_stage
from tench.git_tree import tree_id

OUT = Path("data/imagenette")
BESIDE = Path("../shared/imagenette")
HOST = "github.com"
REPOSITORY = f"https://{HOST}/thunderInfy/imagenette"
COMMIT = "b850f030ff0701c36a4adc8b928ea9483a46915b"  # a 224-pixel copy of Imagenette v2, 140 MB
TREES = {
    "train": "b5b3dd77dff0927aa628bfad778c731a103f142d",
    "val": "b8b2b2c6ab7c20f1362021497531e668431744b9",
}
TIMEOUT = 10  # seconds for the first answer
WAYS = f"""three ways to get the pictures:
  1. set IMAGENETTE_DIR to a folder that holds them in train/ and val/
  2. connect to the network and run again: they come from {REPOSITORY} (140 MB)
  3. use other pictures: set data.raw in params.yaml to data/sample or to a folder of your own"""


def copy_folder(source: Path, out: Path) -> None:
    """Copy train/ and val/ of a folder, with a progress bar. Raises TenchError."""
    for part in TREES:
        if not (source / part).is_dir():
            raise TenchError(f"{source}: has no folder {part}/; {WAYS}")
    files = sorted(file for part in TREES for file in (source / part).rglob("*") if file.is_file())
    for file in progress(files, "imagenette", len(files)):
        target = out / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def git(folder: str, *arguments: str) -> bytes:
    """Run git in `folder`; return what it prints. Raises TenchError."""
    slow = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20"]
    try:
        return subprocess.run(
            ["git", *slow, *arguments],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise TenchError(f"{REPOSITORY}: could not be fetched ({error}); {WAYS}") from None


def fetch_repository(out: Path) -> None:
    """Fetch the pictures from the public repository, wherever in it they lie. Raises TenchError."""
    try:
        socket.create_connection((HOST, 443), TIMEOUT).close()
    except OSError as error:
        raise TenchError(f"{HOST} cannot be reached ({error}); {WAYS}") from None
    with tempfile.TemporaryDirectory() as folder:
        git(folder, "init", "-q")
        git(folder, "fetch", "--progress", "--depth=1", REPOSITORY, COMMIT)
        for part, tree in TREES.items():
            content = io.BytesIO(git(folder, "archive", "--format=tar", tree))
            with tarfile.open(fileobj=content) as archive:
                # an argument of extractall only from Python 3.11.4 on
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(out / part)


def verify(out: Path) -> None:
    """Compare the git tree ids of what arrived with the known ones. Raises TenchError."""
    for part, expected in TREES.items():
        found = tree_id(out / part)
        if found != expected:
            raise TenchError(
                f"{out / part}: not the pictures of Imagenette v2 at 224 pixels: git tree id "
                f"{found}, expected {expected}. To train on them all the same, set data.raw in "
                "params.yaml to their folder"
            )


def nearby() -> Path | None:
    """The folder on this machine to take the pictures from, if there is one. Raises TenchError."""
    named = os.environ.get("IMAGENETTE_DIR")
    if named and not Path(named).is_dir():
        raise TenchError(f"IMAGENETTE_DIR = {named}: no such folder; {WAYS}")
    # DVC runs queued experiments in .dvc/tmp/exps/… of the checkout.
    checkouts = [folder / OUT for folder in Path.cwd().parents if (folder / ".dvc").is_dir()]
    folders = [Path(named)] if named else [BESIDE, *checkouts]
    return next((folder for folder in folders if folder.is_dir()), None)


def main() -> None:
    source = nearby()
    if source:
        copy_folder(source, OUT)
    else:
        fetch_repository(OUT)
    verify(OUT)


if __name__ == "__main__":
    run_stage(main)
