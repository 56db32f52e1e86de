"""Run a stage as a command: --help, one-line errors, and a record of the run."""

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

# Errors of the system, with how to fix them. Any other exception is a bug and keeps its traceback.
REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some of your space there",
    errno.EROFS: "work in a writable folder",
    errno.EACCES: "make it readable and writable",
    errno.EPERM: "make it readable and writable",
    errno.EIO: "check the disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "free some memory",
}
# Out-of-memory messages of the loader, TensorFlow, C++, Python's threads and ONNX
OUT_OF_MEMORY_PHRASES = (
    *("failed to map segment", "cannot allocate memory", "failed to allocate memory"),
    *("oom when allocating", "bad_alloc", "can't start new thread", "failed with error '12'"),
)
PR_SET_PDEATHSIG = 1  # from sys/prctl.h
STOP_TIMEOUT_SECONDS = 30
RERUN_HINT = "then run `dvc repro` again; it resumes from the finished work"


def run_stage(main: Callable[[], Mapping[str, str] | None], outs: Sequence[Path] = ()) -> None:
    """Run a stage's `main` as a command, and record the run.

    --help prints the module's docstring. The stage exits with status 1 and one line if the
    installed packages are not the pinned ones, an input is damaged, or the user or the system
    caused the error.

    Args:
        main: the stage; it may return facts for the record.
        outs: outputs whose digests identify the record.
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
                print(f"{stage} resumes an interrupted run", file=sys.stderr)
            facts = {**(main() or {}), **(RESUMED_FACT if resumed else {})}
            write_record(stage, outs, time.monotonic() - started, packages, facts)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {system_error_message(error)}")
    except KeyboardInterrupt as stop:
        progress = ", ".join(getattr(stop, "__notes__", ["finished work is saved"]))
        sys.exit(f"stopped: {progress}; run `dvc repro` again to resume")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.exit(f"error: out of memory: free some memory, {RERUN_HINT}")


def handle_interrupt(*_: Any) -> NoReturn:
    """Stop as on Ctrl-C. The process is killed after STOP_TIMEOUT_SECONDS, since deadlocked threads
    or children would make the next run wait."""
    signal.alarm(STOP_TIMEOUT_SECONDS)
    raise KeyboardInterrupt


def exit_with_dvc() -> None:
    """Ask Linux to send SIGTERM to this process when the DVC process that started it ends.

    Otherwise the stage would write outputs that the next `dvc repro` deletes. Other systems cannot
    do this; there the next run waits in `lock_stage`.
    """
    if sys.platform == "linux" and "DVC_STAGE" in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, means that memory ran out."""
    if error is None:
        return False
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or any(phrase in text for phrase in OUT_OF_MEMORY_PHRASES)
        or is_out_of_memory(error.__cause__ or error.__context__)
    )


def system_error_message(error: OSError) -> str:
    """The path, reason and remedy of a system error. Raises the error if no remedy is known."""
    code = error.errno
    if code is None and "errno = 28" in str(error):  # HDF5 sets no errno
        code = errno.ENOSPC
    if code not in REMEDIES:
        raise error
    path = error.filename or Path.cwd()
    reason = os.strerror(code).lower()
    return f"{path}: {reason}: {REMEDIES[code]}, {RERUN_HINT}"
