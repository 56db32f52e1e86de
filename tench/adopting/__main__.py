"""Look at a folder of your own pictures and write params.yaml for them.

It says what is in the folder (which layout, how many pictures of which classes, sizes and formats,
what cannot be read) and sets data.raw and what suits own pictures; what data.classes says of other
folders is taken out. Every value it replaces is printed. No picture is copied or changed.
docs/your-pictures.md shows the layouts that a folder may have.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tench.adopting.found import Found, look
from tench.adopting.recipe import Choice, recipe
from tench.adopting.settings import apply
from tench.adopting.telling import describe, duration, seconds, tell
from tench.console.silence import escape_output, ignore_closed_pipe
from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.core.parallel import cores
from tench.core.params import Params, load_params
from tench.core.paths import DATA, MODELS, PARAMS

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


def choices(raw: Path, found: Found, params: Params) -> list[Choice]:
    """What params.yaml is to say of this folder."""
    classes = params.data.classes
    chosen = [Choice("data.raw", str(raw), "the folder")]
    if classes and not found.labels & classes.keys():
        chosen.append(Choice("data.classes", {}, "none of these folders is in it"))
    return chosen + recipe(found, params.backbone.name)


def adopt(pictures: str, tracked: bool) -> None:
    """Look at the folder, write params.yaml, and say both. Raises TenchError."""
    params, raw = load_params(), place(pictures)
    if tracked:
        check_trackable(raw)
    found = look(raw, params.data, params.seed)
    with ignore_closed_pipe():  # and set the parameters all the same
        print("\n".join(describe(raw, found, params.data.max_rejected)))
    if tracked:
        track(raw)
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
        if not tracked:
            print(f"No picture was copied or changed, and nothing but {PARAMS} written.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.adopting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", metavar="PICTURES", help="the folder")
    parser.add_argument(
        "--track", action="store_true", help="`dvc add` it, too, if it is below the project"
    )
    given = parser.parse_args()
    escape_output()
    try:
        adopt(given.pictures, given.track)
    except (TenchError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
