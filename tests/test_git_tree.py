"""The git tree id of a folder."""

import shutil
from pathlib import Path

from stand_in import git, write_files

from tench.sources.git_tree import tree_id


def test_tree_id_is_gits(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    write_files(pictures)
    (pictures / "there").symlink_to("a")
    (pictures / "a/loop").symlink_to("..")
    (pictures / "nowhere").symlink_to("gone")
    expected = tree_id(pictures)  # whatever the files' modes are
    for file in pictures.rglob("*"):
        if not file.is_symlink():
            file.chmod(0o755)
    git(pictures, "init", "--quiet")
    git(pictures, "add", ".")
    assert git(pictures, "write-tree") == expected
    shutil.rmtree(pictures / ".git")
    (pictures / "a/.DS_Store").write_bytes(b"Finder was here")
    assert tree_id(pictures) == expected
    (pictures / "mark").write_bytes(b"")
    assert tree_id(pictures, "mark") == expected
    (pictures / "a/1.JPEG").write_bytes(b"other")
    assert tree_id(pictures, "mark") != expected
