"""Look at a folder of your own images and write params.yaml for them.

It says what is in the folder (which layout, how many images of which classes, sizes and formats,
what cannot be read) and sets data.raw and what suits own images; what data.classes says of other
folders is taken out. Every value it replaces is printed. No image is copied or changed.
A folder in the project must be ignored by git or tracked by DVC; --ignore or --track sees to it.
docs/your-images.md shows the layouts that a folder may have.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from tench.core.errors import TenchError
from tench.core.files import atomic_file, write_text
from tench.core.gitignore import GITIGNORE, ignore_line
from tench.core.names import printable
from tench.core.parallel import available_cores
from tench.core.params import Params, load_params
from tench.core.paths import DATA, MODELS_DIR, PARAMS
from tench.data.ingest.privacy import check_private, exposed, remedies
from tench.data.init.location import check_apart
from tench.data.init.params_file import apply_choices
from tench.data.init.recipe import ParamChoice, recommend_params
from tench.data.init.summary import (
    describe_changes,
    describe_survey,
    estimate_seconds,
    format_duration,
)
from tench.data.init.survey import FolderSurvey, survey_folder
from tench.run.silence import escape_unencodable_output, ignore_closed_pipe

DVC_FILE_FOLDERS = {
    Path(),
    DATA,
    MODELS_DIR,
}  # the folders whose *.dvc files .dvcignore leaves to DVC


def data_raw_value(images: str) -> Path:
    """What data.raw says for a folder: its path from the project's root if it is below that, else
    from the system's, by which experiments in other folders find it, too.

    Raises:
        TenchError: the project is in it.
    """
    root, folder = Path.cwd().resolve(), Path(images).resolve()
    if root.is_relative_to(folder):
        raise TenchError(f"{folder}: this project is in it; name the folder of the images alone")
    return folder.relative_to(root) if folder.is_relative_to(root) else folder


def check_trackable(raw: Path) -> None:
    """Raise TenchError if DVC cannot track what data.raw says: it is not below the project."""
    if raw.is_absolute():
        raise TenchError(
            f"{raw}: DVC tracks only what is below the project ({Path.cwd()}); move the folder "
            "there, or leave --track out: by its absolute path it is found all the same"
        )
    if raw.parent not in DVC_FILE_FOLDERS:
        raise TenchError(
            f"{raw}: .dvcignore lets DVC track what is right in data/, in models/ or at the top of "
            f"the project, and nothing deeper; move it to data/{raw.name}"
        )


def track_with_dvc(raw: Path) -> None:
    """Have DVC track the folder. Raises TenchError if it does not."""
    command = [sys.executable, "-m", "dvc", "add", "--", str(raw)]
    if subprocess.run(command, check=False).returncode:
        raise TenchError(f"{raw}: `dvc add` failed; what it says is above")


def check_hidden(raw: Path, option: str) -> None:
    """Raise TenchError if git would commit images of the folder and no option keeps them out.

    Args:
        raw: the folder, as data.raw will have it.
        option: "ignore", "track" or "".
    """
    file, tracked = exposed(raw, Path.cwd())
    if tracked:
        raise TenchError(
            f"{raw}: git tracks {printable(file)}, so `dvc exp push` would send the images. Take them "
            f"out of git and adopt the folder again: {remedies(raw, True)[0]}"
        )
    if file and not option:
        name = shlex.quote(str(raw))
        raise TenchError(
            f"{raw}: git does not ignore this folder, so `dvc exp run` would commit the images "
            "and `dvc exp push` send them. Choose one:\n"
            f"  python -m tench.data.init --ignore -- {name}    # git ignores it: a line in "
            f"{GITIGNORE}\n"
            f"  python -m tench.data.init --track -- {name}    # DVC stores it, for dvc push\n"
            "or move the folder out of the project"
        )


def ignore(raw: Path) -> None:
    """Have git ignore a folder of the project; nothing is written if it does already. Raises
    TenchError if git would commit its images all the same."""
    if not exposed(raw, Path.cwd())[0]:
        return
    text = GITIGNORE.read_bytes() if GITIGNORE.exists() else b""
    gap = b"" if text.endswith(b"\n") or not text else b"\n"
    with atomic_file(GITIGNORE) as part:
        part.write_bytes(text + gap + f"{ignore_line(raw)}\n".encode())
    print(f"{GITIGNORE}: {ignore_line(raw)} added")
    check_private(raw)


def recommend_changes(raw: Path, found: FolderSurvey, params: Params) -> list[ParamChoice]:
    """What params.yaml is to say of this folder."""
    classes = params.data.classes
    chosen = [ParamChoice("data.raw", str(raw), "the folder")]
    if classes and not found.labels & classes.keys():
        chosen.append(ParamChoice("data.classes", {}, "none of these folders is in it"))
    return chosen + recommend_params(found, params.backbone.name)


def write_params_for_folder(images: str, option: str) -> None:
    """Look at the folder, write params.yaml, and say both. Raises TenchError.

    Args:
        images: the folder.
        option: what keeps a folder in the project out of git: "ignore", "track" or "" for nothing.
    """
    params, raw = load_params(), data_raw_value(images)
    check_apart(raw)
    if option == "track":
        check_trackable(raw)
    check_hidden(raw, option)
    found = survey_folder(raw, params.data, params.seed)
    with ignore_closed_pipe():  # and set the parameters all the same
        print("\n".join(describe_survey(raw, found, params.data.max_rejected)))
    if option == "track":
        track_with_dvc(raw)
    elif option == "ignore":
        ignore(raw)
    text = PARAMS.read_text(encoding="utf-8")
    text, changes = apply_choices(text, recommend_changes(raw, found, params))
    write_text(text, PARAMS)
    with ignore_closed_pipe():
        print("\n".join([f"{PARAMS}", *describe_changes(changes)]))
    about, count = (
        format_duration(estimate_seconds(found, load_params(), available_cores())),
        available_cores(),
    )
    machine = f"{count} core{'s' * (count > 1)}"
    other = (
        "" if params.backbone.name == "MobileNetV2" else ", with MobileNetV2; others take longer"
    )
    with ignore_closed_pipe():
        print(f"Now: dvc repro    roughly {about} on {machine}, the first time{other}")
        print(f"Undo: git checkout {PARAMS}")
        if not option:
            print(f"No image was copied or changed, and nothing but {PARAMS} written.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.data.init",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", metavar="IMAGES", help="the folder")
    care = parser.add_mutually_exclusive_group()
    care.add_argument(
        "--ignore",
        dest="option",
        action="store_const",
        const="ignore",
        default="",
        help=f"add it to {GITIGNORE}, if it is in the project and git does not ignore it",
    )
    care.add_argument(
        "--track",
        dest="option",
        action="store_const",
        const="track",
        default="",
        help="`dvc add` it, if it is in the project",
    )
    given = parser.parse_args()
    escape_unencodable_output()
    try:
        write_params_for_folder(given.images, given.option)
    except (TenchError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
