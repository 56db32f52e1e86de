"""docs/packages.md tells the licence of what is installed, in the versions of the lock."""

import re
from importlib.metadata import distributions

from clones import CHECKOUT

# whose metadata name no licence: docs/licences.md does
UNKNOWN = {"namex"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_locked_package_that_is_installed_is_there_with_its_licence() -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    locked = {plain(name) for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)}
    installed = {plain(one.name): one.version for one in distributions()}
    wanted = {name: version for name, version in installed.items() if name in locked}
    lines = (CHECKOUT / "docs/packages.md").read_text(encoding="utf-8").splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines]
    told = {plain(name): (version, licence) for name, version, licence in rows}
    found = {name: told[name][0] for name in wanted if name in told}
    assert found == wanted, "run `make licences`"
    assert {name for name, (_, licence) in told.items() if licence in {"", "UNKNOWN"}} == UNKNOWN
    about = (CHECKOUT / "docs/licences.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in about for name in UNKNOWN)
