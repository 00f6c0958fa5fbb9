"""What the evaluation of extraction rests on: its measures, and its reading of pages and truth."""

import gzip
import json

import pytest

from tests.benchmarks.extraction.measures import Overlap, shingle_f1, word_overlap
from tests.benchmarks.extraction.pages import true_pages


@pytest.mark.parametrize(
    ("found", "truth", "overlap"),
    [
        ("one two", "Two, one!", Overlap(1.0, 1.0, 1.0)),
        ("one one", "one two", Overlap(0.5, 0.5, 0.5)),
        ("one two three four", "one", Overlap(0.25, 1.0, 0.4)),
        ("", "one", Overlap(0.0, 0.0, 0.0)),
        ("one", "two", Overlap(0.0, 0.0, 0.0)),
        (" ", "...", Overlap(1.0, 1.0, 1.0)),
    ],
)
def test_words_count_as_often_as_both_texts_have_them(found, truth, overlap):
    assert word_overlap(found, truth) == overlap


@pytest.mark.parametrize(
    ("found", "truth", "f1"),
    [
        ("a b c d e f", "a b c d e f", 1.0),
        ("d c b a", "a b c d", 0.0),
        ("a b c d", "a b c d e f g h", pytest.approx(2 * 1 / (1 + 5))),
        ("a b", "a b", 1.0),
        ("", "a b", 0.0),
    ],
)
def test_shingles_mind_the_order(found, truth, f1):
    assert shingle_f1(found, truth) == f1


def test_pages_are_read_as_served_and_truth_may_lack_all_but_the_text(tmp_path):
    (tmp_path / "html").mkdir()
    served = "<meta charset=iso-8859-1><p>Schleuse ge\u00f6ffnet.</p>".encode("latin-1")
    (tmp_path / "html" / "7.html.gz").write_bytes(gzip.compress(served))
    truth = json.dumps({"id": "7", "text": "Schleuse geöffnet."}) + "\n"
    (tmp_path / "truth.jsonl.gz").write_bytes(gzip.compress(truth.encode()))

    (page,) = true_pages(tmp_path)

    assert "geöffnet" in page.html
    assert (page.id, page.type, page.url, page.text) == ("7", "article", None, "Schleuse geöffnet.")
