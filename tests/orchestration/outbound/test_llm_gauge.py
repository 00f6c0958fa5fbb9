import pytest

from orchestration.outbound.llm_gauge import LEAST, MOST, STEP, TokenGauge
from stages.language_model.tokens import estimate_tokens

TEXT = "Locks lift boats. " * 50


def taught(*calls: tuple[int, int]) -> TokenGauge:
    gauge = TokenGauge()
    for estimated, reported in calls:
        gauge.note("m", estimated, reported)
    return gauge


def test_without_a_report_the_estimate_counts() -> None:
    assert TokenGauge().count("m", TEXT) == estimate_tokens(TEXT)


@pytest.mark.parametrize("ratio", [0.8, 1.2, 1.5, 1.9])
def test_it_settles_at_what_the_server_counts_and_rather_above(ratio: float) -> None:
    correction = taught(*[(1_000, round(1_000 * ratio))] * 80).correction("m")
    assert ratio - 0.02 <= correction < ratio + STEP


def test_it_stays_within_its_bounds() -> None:
    assert taught(*[(1_000, 90_000)] * 80).correction("m") == MOST
    assert taught(*[(1_000, 1)] * 80).correction("m") == LEAST


def test_one_odd_report_changes_little() -> None:
    assert taught(*[(1_000, 1_000)] * 20, (1_000, 2_000)).correction("m") <= 1 + STEP


def test_nothing_is_learned_from_nothing() -> None:
    assert taught((0, 100), (100, 0)).correction("m") == 1


def test_each_model_has_its_own() -> None:
    gauge = taught(*[(1_000, 2_000)] * 80)
    assert (gauge.correction("m"), gauge.correction("other")) == (MOST, 1)
