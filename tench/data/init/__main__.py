"""Set up the project for a folder of your own images: write params.yaml for them.

Prints the folder's layout, classes, image sizes, formats and unreadable files. Then sets data.raw
and the recommended parameters in params.yaml, and prints every value it sets. data.classes is
emptied if it names none of the folder's classes. No image is copied or changed.
A folder inside the project must be ignored by git (--ignore) or tracked by DVC (--track).
docs/your-images.md describes the supported layouts.
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
from tench.data.init.location import check_outside_outputs
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

DVC_FILE_FOLDERS = {Path(), DATA, MODELS_DIR}  # .dvcignore hides *.dvc files in all other folders


def data_raw_value(images: str) -> Path:
    """The value of data.raw for a folder: relative to the project if inside it, else absolute.

    An absolute path also works in DVC's temporary experiment folders.

    Raises:
        TenchError: the folder contains the project.
    """
    root, folder = Path.cwd().resolve(), Path(images).resolve()
    if root.is_relative_to(folder):
        raise TenchError(
            f"{folder}: this folder contains the project. Name the folder with the images only"
        )
    return folder.relative_to(root) if folder.is_relative_to(root) else folder


def check_trackable(raw: Path) -> None:
    """Raise TenchError if DVC cannot track the folder."""
    if raw.is_absolute():
        raise TenchError(
            f"{raw}: DVC tracks only folders inside the project ({Path.cwd()}). Move the folder "
            "there, or omit --track: its absolute path works without"
        )
    if raw.parent not in DVC_FILE_FOLDERS:
        raise TenchError(
            f"{raw}: .dvcignore lets DVC track folders directly in data/, in models/ or at the top "
            f"of the project only. Move the folder to data/{raw.name}"
        )


def track_with_dvc(raw: Path) -> None:
    """Run `dvc add` on the folder. Raises TenchError if it fails."""
    command = [sys.executable, "-m", "dvc", "add", "--", str(raw)]
    if subprocess.run(command, check=False).returncode:
        raise TenchError(f"{raw}: `dvc add` failed; see its output above")


def check_hidden_from_git(raw: Path, option: str) -> None:
    """Raise TenchError if git would commit images of the folder and no option prevents it.

    Args:
        raw: the folder, as in data.raw.
        option: "ignore", "track" or "".
    """
    file, tracked = exposed(raw, Path.cwd())
    if tracked:
        raise TenchError(
            f"{raw}: git tracks {printable(file)}, so `dvc exp push` would upload the images. "
            f"Remove them from git and adopt the folder again: {remedies(raw, True)[0]}"
        )
    if file and not option:
        name = shlex.quote(str(raw))
        raise TenchError(
            f"{raw}: git does not ignore this folder, so `dvc exp run` would commit the images "
            "and `dvc exp push` would upload them. Choose one:\n"
            f"  python -m tench.data.init --ignore -- {name}    # adds a line to {GITIGNORE}\n"
            f"  python -m tench.data.init --track -- {name}    # stores the images with DVC\n"
            "or move the folder out of the project"
        )


def add_to_gitignore(raw: Path) -> None:
    """Add a folder of the project to .gitignore, unless git ignores it already.

    Raises:
        TenchError: git would still commit the images.
    """
    if not exposed(raw, Path.cwd())[0]:
        return
    text = GITIGNORE.read_bytes() if GITIGNORE.exists() else b""
    newline = b"" if text.endswith(b"\n") or not text else b"\n"
    with atomic_file(GITIGNORE) as part:
        part.write_bytes(text + newline + f"{ignore_line(raw)}\n".encode())
    print(f"{GITIGNORE}: added {ignore_line(raw)}")
    check_private(raw)


def recommend_changes(raw: Path, survey: FolderSurvey, params: Params) -> list[ParamChoice]:
    """The parameters to set for a surveyed folder."""
    choices = [ParamChoice("data.raw", str(raw), "your folder")]
    classes = params.data.classes
    if classes and not survey.labels & classes.keys():
        choices.append(ParamChoice("data.classes", {}, "your folders keep their names"))
    return choices + recommend_params(survey, params.backbone.name)


def next_steps(survey: FolderSurvey, params: Params, cores: int) -> list[str]:
    """The command that runs the pipeline, its estimated duration, and how to undo the change."""
    duration = format_duration(estimate_seconds(survey, params, cores))
    machine = f"{cores} core{'s' * (cores > 1)}"
    # the estimate rests on measurements of MobileNetV2
    slower = "" if params.backbone.name == "MobileNetV2" else "; longer for this backbone"
    return [
        f"Next: dvc repro    # about {duration} on {machine} the first time{slower}",
        f"Undo: git checkout {PARAMS}",
    ]


def write_params_for_folder(images: str, option: str) -> None:
    """Survey the folder, write params.yaml and print both. Raises TenchError.

    Args:
        images: the folder.
        option: how to keep a folder inside the project out of git: "ignore", "track" or "".
    """
    params, raw = load_params(), data_raw_value(images)
    check_outside_outputs(raw)
    if option == "track":
        check_trackable(raw)
    check_hidden_from_git(raw, option)
    survey = survey_folder(raw, params.data, params.seed)
    with ignore_closed_pipe():  # params.yaml is written even if nobody reads the output
        print("\n".join(describe_survey(raw, survey, params.data.max_rejected)))
    if option == "track":
        track_with_dvc(raw)
    elif option == "ignore":
        add_to_gitignore(raw)
    text = PARAMS.read_text(encoding="utf-8")
    text, changes = apply_choices(text, recommend_changes(raw, survey, params))
    write_text(text, PARAMS)
    lines = ["", f"{PARAMS}", *describe_changes(changes), ""]
    lines += next_steps(survey, load_params(), available_cores())
    if not option:
        lines.append(f"Only {PARAMS} was written; no image was copied or changed.")
    with ignore_closed_pipe():
        print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.data.init",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", metavar="IMAGES", help="folder with the images")
    git = parser.add_mutually_exclusive_group()
    git.add_argument(
        "--ignore",
        dest="option",
        action="store_const",
        const="ignore",
        default="",
        help=f"add a folder inside the project to {GITIGNORE}",
    )
    git.add_argument(
        "--track",
        dest="option",
        action="store_const",
        const="track",
        default="",
        help="track a folder inside the project with DVC (`dvc add`)",
    )
    args = parser.parse_args()
    escape_unencodable_output()
    try:
        write_params_for_folder(args.images, args.option)
    except (TenchError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
