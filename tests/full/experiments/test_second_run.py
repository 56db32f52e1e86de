"""A second run in another folder on one core."""

from pipeline_clones import STAGES_AFTER_SAMPLE, FinishedRun, RepeatedRun, stages_run


def test_a_run_elsewhere_on_a_single_core_gives_the_same_bytes(
    twin: RepeatedRun, base: FinishedRun
) -> None:
    assert tuple(stages_run(twin.output)) == STAGES_AFTER_SAMPLE
    lock = "dvc.lock"  # the digests of every output
    assert (twin.folder / lock).read_bytes() == (base.folder / lock).read_bytes()
