"""A second run in another folder on one core."""

from pipeline_clones import STAGES_AFTER_SAMPLE, FinishedRun, RepeatedRun, stages_run


def test_a_run_elsewhere_on_a_single_core_gives_the_same_bytes(
    second_run: RepeatedRun, finished_run: FinishedRun
) -> None:
    assert tuple(stages_run(second_run.output)) == STAGES_AFTER_SAMPLE
    lock = "dvc.lock"  # the digests of every output
    assert (second_run.folder / lock).read_bytes() == (finished_run.folder / lock).read_bytes()
