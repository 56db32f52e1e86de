"""Look at a folder of your own pictures and write params.yaml for them.

It says what is in the folder (which layout, how many pictures of which classes, sizes and formats,
what cannot be read) and sets data.raw and what suits own pictures; what data.classes says of other
folders is taken out. Every value it replaces is printed. No picture is copied or changed.
A folder in the project must be ignored by git or tracked by DVC; --ignore or --track sees to it.
docs/your-pictures.md shows the layouts that a folder may have.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from tench.adopting.found import Found, look
from tench.adopting.location import check_apart
from tench.adopting.recipe import Choice, recipe
from tench.adopting.settings import apply
from tench.adopting.telling import describe, duration, seconds, tell
from tench.console.silence import escape_output, ignore_closed_pipe
from tench.core.errors import TenchError
from tench.core.files import whole, write_text
from tench.core.gitignore import GITIGNORE, ignore_line
from tench.core.names import shown
from tench.core.parallel import cores
from tench.core.params import Params, load_params
from tench.core.paths import DATA, MODELS, PARAMS
from tench.intake.privacy import check_private, exposed, remedies

TRACKED = {Path(), DATA, MODELS}  # the folders whose *.dvc files .dvcignore leaves to DVC


def place(pictures: str) -> Path:
    """What data.raw says for a folder: its path from the project's root if it is below that, else
    from the system's, by which experiments in other folders find it, too.

    Raises:
        TenchError: the project is in it.
    """
    root, folder = Path.cwd().resolve(), Path(pictures).resolve()
    if root.is_relative_to(folder):
        raise TenchError(f"{folder}: this project is in it; name the folder of the pictures alone")
    return folder.relative_to(root) if folder.is_relative_to(root) else folder


def check_trackable(raw: Path) -> None:
    """Raise TenchError if DVC cannot track what data.raw says: it is not below the project."""
    if raw.is_absolute():
        raise TenchError(
            f"{raw}: DVC tracks only what is below the project ({Path.cwd()}); move the folder "
            "there, or leave --track out: by its absolute path it is found all the same"
        )
    if raw.parent not in TRACKED:
        raise TenchError(
            f"{raw}: .dvcignore lets DVC track what is right in data/, in models/ or at the top of "
            f"the project, and nothing deeper; move it to data/{raw.name}"
        )


def track(raw: Path) -> None:
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
            f"{raw}: git tracks {shown(file)}, so `dvc exp push` would send the images. Take them "
            f"out of git and adopt the folder again: {remedies(raw, True)[0]}"
        )
    if file and not option:
        name = shlex.quote(str(raw))
        raise TenchError(
            f"{raw}: git does not ignore this folder, so `dvc exp run` would commit the images "
            "and `dvc exp push` send them. Choose one:\n"
            f"  python -m tench.adopting --ignore -- {name}    # git ignores it: a line in "
            f"{GITIGNORE}\n"
            f"  python -m tench.adopting --track -- {name}    # DVC stores it, for dvc push\n"
            "or move the folder out of the project"
        )


def ignore(raw: Path) -> None:
    """Have git ignore a folder of the project; nothing is written if it does already. Raises
    TenchError if git would commit its images all the same."""
    if not exposed(raw, Path.cwd())[0]:
        return
    text = GITIGNORE.read_bytes() if GITIGNORE.exists() else b""
    gap = b"" if text.endswith(b"\n") or not text else b"\n"
    with whole(GITIGNORE) as part:
        part.write_bytes(text + gap + f"{ignore_line(raw)}\n".encode())
    print(f"{GITIGNORE}: {ignore_line(raw)} added")
    check_private(raw)


def choices(raw: Path, found: Found, params: Params) -> list[Choice]:
    """What params.yaml is to say of this folder."""
    classes = params.data.classes
    chosen = [Choice("data.raw", str(raw), "the folder")]
    if classes and not found.labels & classes.keys():
        chosen.append(Choice("data.classes", {}, "none of these folders is in it"))
    return chosen + recipe(found, params.backbone.name)


def adopt(pictures: str, option: str) -> None:
    """Look at the folder, write params.yaml, and say both. Raises TenchError.

    Args:
        pictures: the folder.
        option: what keeps a folder in the project out of git: "ignore", "track" or "" for nothing.
    """
    params, raw = load_params(), place(pictures)
    check_apart(raw)
    if option == "track":
        check_trackable(raw)
    check_hidden(raw, option)
    found = look(raw, params.data, params.seed)
    with ignore_closed_pipe():  # and set the parameters all the same
        print("\n".join(describe(raw, found, params.data.max_rejected)))
    if option == "track":
        track(raw)
    elif option == "ignore":
        ignore(raw)
    text = PARAMS.read_text(encoding="utf-8")
    text, changes = apply(text, choices(raw, found, params))
    write_text(text, PARAMS)
    with ignore_closed_pipe():
        print("\n".join([f"{PARAMS}", *tell(changes)]))
    about, count = duration(seconds(found, load_params(), cores())), cores()
    machine = f"{count} core{'s' * (count > 1)}"
    other = (
        "" if params.backbone.name == "MobileNetV2" else ", with MobileNetV2; others take longer"
    )
    with ignore_closed_pipe():
        print(f"Now: dvc repro    roughly {about} on {machine}, the first time{other}")
        print(f"Undo: git checkout {PARAMS}")
        if not option:
            print(f"No picture was copied or changed, and nothing but {PARAMS} written.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.adopting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", metavar="PICTURES", help="the folder")
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
    escape_output()
    try:
        adopt(given.pictures, given.option)
    except (TenchError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
