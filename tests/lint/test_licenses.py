"""docs/packages.md lists the license of each installed package, in the versions of the lock."""

import re
from importlib.metadata import distributions

from pipeline_clones import CHECKOUT

# whose metadata name no license: docs/licenses.md does
UNKNOWN = {"namex"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_locked_package_that_is_installed_is_there_with_its_license() -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    locked = {plain(name) for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)}
    installed = {plain(one.name): one.version for one in distributions()}
    wanted = {name: version for name, version in installed.items() if name in locked}
    lines = (CHECKOUT / "docs/packages.md").read_text(encoding="utf-8").splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines]
    documented = {plain(name): (version, license) for name, version, license in rows}
    found = {name: documented[name][0] for name in wanted if name in documented}
    assert found == wanted, "run `make licenses`"
    assert {
        name for name, (_, license) in documented.items() if license in {"", "UNKNOWN"}
    } == UNKNOWN
    about = (CHECKOUT / "docs/licenses.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in about for name in UNKNOWN)
