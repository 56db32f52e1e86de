"""How a stage meets its user: an answer to --help, one line for what went wrong, a record."""

import argparse
import ctypes
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tench.core.errors import TenchError
from tench.run.packages import check_installed_versions, pinned_versions
from tench.run.record import RESUMED_FACT, write_record
from tench.run.resume import has_checkpoint, lock_stage
from tench.run.verify import check_inputs

# What the machine refuses, with the way out; whatever else goes wrong is a bug and keeps its trace.
REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some of your space there",
    errno.EROFS: "work in a folder that can be written to",
    errno.EACCES: "allow it to be read and written",
    errno.EPERM: "allow it to be read and written",
    errno.EIO: "check the disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "free some memory",
}
# What libraries say instead of MemoryError: the loader, TensorFlow, C++, Python's threads, ONNX
OUT_OF_MEMORY_PHRASES = (
    *("failed to map segment", "cannot allocate memory", "failed to allocate memory"),
    *("oom when allocating", "bad_alloc", "can't start new thread", "failed with error '12'"),
)
PR_SET_PDEATHSIG = 1  # sys/prctl.h
STOP_TIMEOUT_SECONDS = 30  # seconds
RERUN_HINT = "then run `dvc repro` again: what was finished before is kept"


def run_stage(main: Callable[[], Mapping[str, str] | None], outs: Sequence[Path] = ()) -> None:
    """Run a stage's `main`: answer --help with its module's docstring, refuse other packages than
    those pinned, exit 1 with one line where it is the user or the machine that must change
    something, and record what the run was like.

    Args:
        main: the stage; it may return facts for the record.
        outs: what it writes, by which the record is told from those of other runs.
    """
    module = sys.modules[main.__module__]
    argparse.ArgumentParser(
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    signal.signal(signal.SIGTERM, handle_interrupt)
    exit_with_dvc()
    try:
        packages = pinned_versions()
        check_installed_versions(packages)
        stage = Path(str(module.__file__)).stem.replace("_", "-")
        with lock_stage(stage):
            started = time.monotonic()
            check_inputs(stage)
            resumed = has_checkpoint(stage)
            if resumed:
                print(f"{stage} resumes what an earlier run had finished", file=sys.stderr)
            facts = {**(main() or {}), **(RESUMED_FACT if resumed else {})}
            write_record(stage, outs, time.monotonic() - started, packages, facts)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {system_error_message(error)}")
    except KeyboardInterrupt as stop:
        kept = ", ".join(getattr(stop, "__notes__", ["what was finished before is kept"]))
        sys.exit(f"stopped: {kept}; run `dvc repro` again to go on")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.exit(f"error: out of memory: free some, {RERUN_HINT}")


def handle_interrupt(*_: Any) -> NoReturn:
    """End as on Ctrl-C; at once, after STOPS_WITHIN, where that leaves threads or processes that
    wait for each other: the next run would wait for this one."""
    signal.alarm(STOP_TIMEOUT_SECONDS)
    raise KeyboardInterrupt


def exit_with_dvc() -> None:
    """Have Linux send SIGTERM to this process where the DVC that has started it is killed.

    A stage that went on would write where the next `dvc repro` deletes, and in vain: DVC would run
    it again. Other systems cannot do that; there the next run waits for it (`alone`).
    """
    if sys.platform == "linux" and "DVC_STAGE" in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that there is no more memory."""
    if error is None:
        return False
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or any(words in text for words in OUT_OF_MEMORY_PHRASES)
        or is_out_of_memory(error.__cause__ or error.__context__)
    )


def system_error_message(error: OSError) -> str:
    """What the machine refused, where, and the way out; raises the error again if that is not
    known. (HDF5 gives the reason in its text alone.)"""
    number = error.errno
    if number is None and "errno = 28" in str(error):
        number = errno.ENOSPC
    if number not in REMEDIES:
        raise error
    where = error.filename or Path.cwd()
    reason = os.strerror(number).lower()
    return f"{where}: {reason}: {REMEDIES[number]}, {RERUN_HINT}"
