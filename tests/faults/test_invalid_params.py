"""DVC runs no stage with an unreadable params.yaml."""

from pathlib import Path

from pipeline_clones import CHECKOUT, clone_checkout, run_dvc_failing, stages_run

COMMITTED = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")


DEEP = 500


def test_dvc_starts_no_work_with_parameters_that_are_none(tmp_path: Path) -> None:
    clone_checkout(tmp_path)
    file = tmp_path / "params.yaml"
    for old, new, said in (
        ("seed: 42", "seed: x", "error: params.yaml: seed = 'x'"),
        (
            "seed: 42",
            f"seed: 0x{'f' * 9000}",
            "error: params.yaml: not readable as YAML: an integer",
        ),
        ("raw: data/imagenette", r'raw: "a\nb"', r"error: params.yaml: data.raw = 'a\nb': must be"),
        ("raw: data/imagenette", "raw: [a]", "ERROR: failed to parse 'stages.prepare.deps'"),
        ("seed: 42", "seed: 1\nseed: 2", "ERROR: unable to read: 'params.yaml'"),
        ("seed: 42", "seed: !!python/object/apply:os.abort []", "ERROR: unable to read: 'params."),
        ("seed: 42", "seed: 2001-99-99", "ERROR: unexpected error - month must be in 1..12"),
        ("seed: 42", "seed: " + "[" * DEEP, "ERROR: unexpected error - maximum recursion depth"),
    ):
        file.write_text(COMMITTED.replace(old, new), encoding="utf-8")
        output = run_dvc_failing(tmp_path, "repro")
        assert said in output
        assert stages_run(output) in ([], ["raw"])  # which reads the parameters before all else
        assert not (tmp_path / "data/raw.txt").exists()
