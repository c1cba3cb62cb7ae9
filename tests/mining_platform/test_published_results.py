"""The published tables: what is transcribed agrees with itself, and ours find their rows."""

import pytest

from mining_platform.osm_keys import OSM_KEYS
from mining_platform.published_results import DISSING_KALO, PUBLISHED_ABLATION, PublishedScores, ablation_of, published_of

PRINTED = """
1	No	256	Curated	No	0.867 [0.739, 0.960]	0.865	6	0	0.769	1.000
2	Yes	256	Curated	No	0.923 [0.827, 1.000]	0.972	1	2	0.947	0.900
3	No	48	Curated	No	0.711 [0.529, 0.851]	0.850	7	5	0.682	0.750
4	Yes	48	Curated	No	0.788 [0.625, 0.913]	0.782	3	5	0.833	0.750
5	No	256	Curated	Yes	0.728 [0.565, 0.849]	0.866	13	1	0.594	0.950
6	Yes	256	Curated	Yes	0.611 [0.444, 0.744]	0.677	23	1	0.452	0.950
7	No	256	Random	No	0.948 [0.800, 1.000]	0.900	1	0	0.900	1.000
8	Yes	256	Random	No	0.792 [0.533, 0.957]	0.909	3	1	0.727	0.889
9	No	256	Random	Yes	0.129 [0.028, 0.237]	0.069	62	4	0.075	0.556
10	Yes	256	Random	Yes	0.898 [0.727, 1.000]	0.928	2	0	0.818	1.000
"""  # table 1 as the document prints it
ROWS = pytest.mark.parametrize("row", DISSING_KALO.values(), ids=lambda row: f"experiment {row.number}")


def test_the_table_says_what_the_document_prints() -> None:
    def printed(row: PublishedScores) -> str:
        words = ("Yes" if row.has_context else "No", str(row.px), row.negatives.title(), "Yes" if row.is_weighted else "No")
        scores = (f"{row.f1:.3f} [{row.low:.3f}, {row.high:.3f}]", f"{row.pr_auc:.3f}", str(row.fp), str(row.fn))
        return "\t".join([str(row.number), *words, *scores, f"{row.precision:.3f}", f"{row.recall:.3f}"])

    assert [printed(row) for row in DISSING_KALO.values()] == PRINTED.strip().splitlines()


@ROWS
def test_precision_and_recall_follow_from_the_counts(row: PublishedScores) -> None:
    found = row.positives - row.fn
    assert round(found / row.positives, 3) == row.recall
    assert round(found / (found + row.fp), 3) == row.precision


@ROWS
def test_the_printed_f1_is_near_that_of_the_counts_and_not_it(row: PublishedScores) -> None:
    assert row.low <= row.f1 <= row.high
    assert row.f1 == pytest.approx(row.f1_of_counts, abs=0.012)


def test_the_first_experiments_f1_of_counts_is_forty_of_forty_six() -> None:
    assert DISSING_KALO[1].f1_of_counts == 40 / 46


def test_experiments_find_the_row_that_they_repeat_and_others_none() -> None:
    assert published_of("asgm-7") is published_of("sim-asgm-7") is DISSING_KALO[7]
    assert [published_of(name) for name in ("sim-cnn", "asgm-11", "asgm-2-no-highway", "my-asgm-2")] == [None] * 4


def test_an_ablation_names_its_base_and_its_layer() -> None:
    assert ablation_of("sim-asgm-2-no-highway") == ("sim-asgm-2", "highway")
    assert ablation_of("sim-asgm-2") is ablation_of("sim-asgm-2-no-forest") is None


def test_only_highways_have_a_printed_number() -> None:
    assert PUBLISHED_ABLATION["highway"] == 0.587
    assert [PUBLISHED_ABLATION[key] for key in OSM_KEYS if key != "highway"] == [None] * 4
