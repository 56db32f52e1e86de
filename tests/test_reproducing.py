"""How to repeat the results, and what keeps others from it, from lock files made by hand."""

import random
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from clones import commit, git
from reports import lock, lock_all, stages, texts
from ruamel.yaml import YAML

from tench.core import paths
from tench.core.digests import dvc_digest
from tench.core.files import write_text
from tench.reporting.parameters import ABSENT, leaves, settings
from tench.reporting.publish import publish
from tench.reporting.reproducing import hindrances, needs, public_address, reproduction


def set_params(**values: object) -> None:
    """Change the text of params.yaml: key to value, wherever the key stands."""
    text = paths.PARAMS.read_text(encoding="utf-8")
    for key, value in values.items():
        line = next(one for one in text.splitlines() if one.strip().startswith(f"{key}:"))
        text = text.replace(line, f"{line.split(':')[0]}: {value}")
    write_text(text, paths.PARAMS)


def test_a_commit_with_its_results_needs_two_commands(made: Path) -> None:
    git(made, "remote", "add", "origin", "https://me:secret@example.com/a/b.git?token=x")
    git(made, "update-ref", "refs/remotes/origin/main", "HEAD")
    lock("imagenette", outs=[paths.IMAGENETTE], pipeline=1)
    shown = reproduction(stages())
    assert shown is not None
    assert shown["hindrances"] == shown["needs"] == shown["parameters"]["rows"] == []
    head = git(made, "rev-parse", "HEAD").strip()
    assert shown["commit"] == head
    assert shown["commands"] == (
        "git clone https://example.com/a/b.git tench && cd tench\n"
        f"git checkout {head}\nmake setup\nmake repro\n"
    )
    publish(ended=True)
    assert "secret" not in paths.OPEN_PAGE.read_text(encoding="utf-8")
    commit_nothing_but_docs = Path("notes.txt")
    commit_nothing_but_docs.write_text("changes no result")
    assert reproduction(stages()) == shown


def test_parameters_other_than_in_the_commit_are_options(made: Path) -> None:
    lock_all(**{"data.raw": "data/sample", "finetune.learning_rate": 1e-5, "backbone.tap_at": 100})
    set_params(raw="data/sample", fine_tune_at=129, tap_at=100, image_size=224)
    lock("sample", outs=[paths.SAMPLE], pipeline=1)
    shown = reproduction(stages())
    assert shown is not None
    assert texts(shown["parameters"]) == [  # image_size has made nothing yet
        ["data.raw", '"data/imagenette"', '"data/sample"'],
        ["backbone.tap_at", "125", "100"],
        ["finetune.learning_rate", "0.0001", "1e-05"],
    ]
    assert shown["commands"].endswith(
        "make setup\n"
        "source .venv/bin/activate\n"
        "dvc exp run \\\n  -S data.raw=data/sample \\\n  -S backbone.tap_at=100 \\\n"
        "  -S finetune.learning_rate=1.0e-05\n"
        "make report\n"
    )
    assert "make repro" not in shown["commands"]
    commit(made)  # with what the results were made with, and more
    shown = reproduction(stages())
    assert shown is not None
    keys = [row[0] for row in texts(shown["parameters"])]
    assert keys == ["data.image_size", "finetune.fine_tune_at", "finetune.learning_rate"]


def test_the_options_are_what_dvc_takes(tmp_path: Path) -> None:
    from dvc.utils.cli_parse import to_path_overrides
    from dvc.utils.hydra import apply_overrides

    values = [
        *(1, 0, -3, 1.0, 0.1, 1e-05, 1.5e-07, 1e16, True, False, None),
        *("x", "data/sample", "/abs/2024/x.y", "../x", "~/x", "true", "Null", "1e-3", "12", "nan"),
        *("", " a", "my pics", "a,b", "a=b", "a:b", "[x]", "{y: 1}", "(x)", "$HOME", "`ls`", "#c"),
        *('it\'s "q"', "back\\", 'b\\"x', "\\", "ä/ö", "日本", "data/1.50", "-x", "+x", "*", "a|b"),
    ]
    rng, yaml, file = random.Random(1), YAML(typ="safe", pure=True), tmp_path / "params.yaml"

    def some() -> dict[str, Any]:
        classes = {f"n{rng.randint(0, 3)}": rng.choice(values) for _ in range(rng.randint(1, 4))}
        data = {"raw": rng.choice(values), "classes": rng.choice([None, {}, classes])}
        return {"seed": rng.choice(values), "data": data}

    def whole(content: dict[str, Any]) -> list[str]:  # an empty section is as good as none
        found = leaves(content).items()
        return sorted(f"{key} {v!r}" for key, v in found if v not in ({}, None))

    for _ in range(100):
        head, locked_ = some(), some()
        yaml.dump(head, file)
        before, after = leaves(head), leaves(locked_)
        both = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in before | after}
        options, by_hand = settings(
            {key: (old, new) for key, (old, new) in both.items() if repr(old) != repr(new)}
        )
        assert by_hand == []
        words = [word for word in shlex.split(" ".join(options)) if word != "-S"]
        overrides = to_path_overrides(words)
        assert set(overrides) <= {"params.yaml"}
        apply_overrides(file, overrides.get("params.yaml", []))
        assert whole(yaml.load(file)) == whole(locked_), (head, words)


def test_what_no_option_can_say_is_to_be_done_by_hand() -> None:
    options, by_hand = settings(
        {
            ("data", "classes", "my class"): (ABSENT, "a class"),
            ("data", "classes", "003"): ("three", ABSENT),
            ("data", "raw"): ("a", "${HOME}"),
            ("seed",): (1, 2),
        }
    )
    assert options == ["-S seed=2"]
    assert by_hand == [
        'data.classes.my class: "a class"',
        "data.classes.003: (none)",
        'data.raw: "${HOME}"',
    ]


def test_stages_that_disagree_are_named(made: Path) -> None:
    lock("finetune", [paths.INDEX], [paths.CLASSIFIER], params={"seed": 43})
    assert "stages were run with seed = 42 and 43: run dvc repro first" in hindrances(stages(), "")


def test_code_that_is_not_in_the_commit_is_named(made: Path) -> None:
    assert hindrances(stages(), "REPOSITORY") == []
    write_text("code = 2\n", Path("tench/code.py"))
    write_text("", Path("stages/new ö.py"))
    write_text("new: 1\n", Path("dvc.yaml"))
    lock_all()  # all ran with it
    assert hindrances(stages(), "REPOSITORY") == [
        "not in the commit, or other than in it: dvc.yaml, stages/new ö.py, tench/code.py: "
        "commit them"
    ]
    commit(made)
    assert hindrances(stages(), "REPOSITORY") == []


def test_results_of_other_code_than_is_committed_are_named(made: Path) -> None:
    write_text("code = 2\n", Path("tench/code.py"))
    commit(made)  # but nothing has run with it
    assert hindrances(stages(), "REPOSITORY") == [
        "tench is not what it was when finetune ran: run dvc repro first"
    ]


def test_results_of_several_runs_are_named(made: Path) -> None:
    lock("split", [paths.PICTURES], [paths.SPLIT], params={"seed": 42})
    write_text("path\nother\n", paths.INDEX)
    assert hindrances(stages(), "REPOSITORY") == [
        "data/split/index.csv is not what it was when finetune ran: run dvc repro first"
    ]
    shutil.rmtree(paths.SPLIT)  # it is in DVC's cache
    assert hindrances(stages(), "REPOSITORY") == []


def test_packages_other_than_in_the_commit_are_named(made: Path) -> None:
    lock("prepare", [], [paths.PREPARED], packages={"keras": "3.12.0"})
    assert (
        'made with other packages than the commit pins: keras "3.12.0" instead of "3.13.0"'
        in hindrances(stages(), "REPOSITORY")
    )


def test_a_commit_nobody_else_has_is_named(made: Path) -> None:
    address = "git@example.com:a/b.git"
    assert hindrances(stages(), address) == [
        "the commit is on no branch of a remote repository known here: push it"
    ]
    git(made, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert hindrances(stages(), address) == []


def test_ones_own_pictures_and_weights_are_needed(made: Path) -> None:
    assert needs(stages()) == ["the pictures, at data/imagenette"]  # nothing locked made them
    own = made / "own"
    write_text("picture", own / "train/dog/a.jpg")
    values = {"data.raw": f"{own}/", "backbone.weights": "my.weights.h5"}
    lock_all(**{"data.raw": str(own)})
    lock("weights", params={"backbone.weights": values["backbone.weights"]})
    assert needs(stages()) == [
        f"the pictures, at {own} (DVC's digest of them: {dvc_digest(own)})",
        "the weights, at my.weights.h5",
    ]
    assert hindrances(stages(), "REPOSITORY") == []
    write_text("more", own / "train/dog/b.jpg")  # raw pictures are not read for the report
    assert hindrances(stages(), "REPOSITORY") == []


def test_a_project_in_a_folder_of_a_repository(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "sub dir").mkdir()
    for name in ("tench", "params.yaml", "packages.yaml"):
        git(made, "mv", name, "sub dir")
    commit(made)
    for name in ("data", "models", "report", "metrics", "dvc.lock"):
        Path(name).rename(f"sub dir/{name}")
    monkeypatch.chdir(made / "sub dir")
    shown = reproduction(stages())
    assert shown is not None
    assert shown["hindrances"] == shown["parameters"]["rows"] == []
    assert "cd 'tench/sub dir'\n" in shown["commands"]


def test_outside_of_git_no_commit_is_named(made: Path) -> None:
    shutil.rmtree(".git")
    assert reproduction(stages()) is None
    publish(ended=True)
    text = paths.OPEN_PAGE.read_text(encoding="utf-8")
    assert "in no git repository" in text
    assert "git clone" not in text


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://me:secret@example.com:8080/a/b.git", "https://example.com:8080/a/b.git"),
        ("https://secret@example.com/a/b", "https://example.com/a/b"),
        ("https://example.com/a/b?private_token=secret#secret", "https://example.com/a/b"),
        ("https://me:se@cret@example.com/a/b", "https://example.com/a/b"),
        ("https://me:sec/ret@example.com/a/b", "REPOSITORY"),
        ("https://me:secret/@example.com/a/b", "REPOSITORY"),
        ("https://me:12?secret@example.com/a/b", "REPOSITORY"),
        ("https://me:secret#@example.com/a/b", "REPOSITORY"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://[secret/a", "REPOSITORY"),
        ("ssh://git:secret@example.com:22/a/b", "ssh://git@example.com:22/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("me:secret@example.com:a/b.git", "REPOSITORY"),
        ("file:///home/me/secret", "REPOSITORY"),
        ("/home/me/secret", "REPOSITORY"),
        ("../secret", "REPOSITORY"),
        ("ext::sh -c secret", "REPOSITORY"),
        ("", "REPOSITORY"),
    ],
)
def test_no_credential_is_shown(remote: str, shown: str) -> None:
    assert public_address(remote) == shown
