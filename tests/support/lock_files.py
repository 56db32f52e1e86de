"""Write a dvc.lock that matches its clone, as a finished run would leave it."""

from functools import reduce
from hashlib import md5
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tench.core.yaml_files import read_mapping
from tench.run.dvc_digest import dvc_digest

YAML_FILE = YAML(typ="safe", pure=True)


def rewrite_lock_file(folder: Path) -> None:
    """Rewrite dvc.lock with the clone's commands, parameters and file digests.

    Missing data gets an invented digest.
    """
    made = {
        out["path"]: out["md5"]
        for stage in YAML_FILE.load(folder / "data/dvc.lock")["stages"].values()
        for out in stage["outs"]
    }
    raw = YAML_FILE.load(folder / "params.yaml")["data"]["raw"]

    def entry(one: Any) -> dict[str, str]:
        path = (next(iter(one)) if isinstance(one, dict) else one).replace("${data.raw}", raw)
        invented = made.get(path) or md5(path.encode()).hexdigest()
        return {"path": path, "hash": "md5", "md5": dvc_digest(folder / path) or invented}

    def locked(stage: dict[str, Any]) -> dict[str, Any]:
        keys: dict[str, list[str]] = {"params.yaml": []}
        for one in stage.get("params", []):
            keys["params.yaml"] += [one] if isinstance(one, str) else []
            keys |= one if isinstance(one, dict) else {}
        written = [one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])]
        return {
            "cmd": stage["cmd"],
            "deps": [entry(one) for one in stage["deps"]],
            "params": {
                file: read_param_values(folder / file, names) for file, names in keys.items()
            },
            "outs": [entry(one) for one in written],
        }

    stages = YAML_FILE.load(folder / "dvc.yaml")["stages"]
    content = {"schema": "2.0", "stages": {name: locked(one) for name, one in stages.items()}}
    YAML_FILE.dump(content, folder / "dvc.lock")


def read_param_values(file: Path, keys: list[str]) -> dict[str, Any]:
    """Read the values of dotted keys from a parameter file."""
    content = read_mapping(file.read_bytes(), file)
    return {key: reduce(getitem, key.split("."), content) for key in keys}
