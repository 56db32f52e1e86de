"""The git tree id of a folder."""

import shutil
from pathlib import Path

from imagenette_stand_in import isolated_git_output, write_unsorted_files

from tench.data.sources.git_tree import tree_id


def test_tree_id_agrees_with_git(tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_unsorted_files(images)
    (images / "there").symlink_to("a")
    (images / "a/loop").symlink_to("..")
    (images / "nowhere").symlink_to("gone")
    expected = tree_id(images)  # file modes do not matter
    for file in images.rglob("*"):
        if not file.is_symlink():
            file.chmod(0o755)
    isolated_git_output(images, "init", "--quiet")
    isolated_git_output(images, "add", ".")
    assert isolated_git_output(images, "write-tree") == expected
    shutil.rmtree(images / ".git")
    (images / "a/.DS_Store").write_bytes(b"Finder was here")
    assert tree_id(images) == expected
    (images / "mark").write_bytes(b"")
    assert tree_id(images, "mark") == expected
    (images / "a/1.JPEG").write_bytes(b"other")
    assert tree_id(images, "mark") != expected
