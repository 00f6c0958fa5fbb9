import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.offline.sentences import split_sentences


@pytest.mark.parametrize(
    ("language", "paragraph", "sentences"),
    [
        ("en", "One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        ("en", "Mr. T. S. Hall of St. Ives agreed. So did Co. Durham.", None),
        (
            "en",
            "It rose 3.5 per cent to 4.2 in the U.S. economy.",
            ["It rose 3.5 per cent to 4.2 in the U.S. economy."],
        ),
        ("en", "He moved to the U.S. The rest stayed.", ["He moved to the U.S.", "The rest stayed."]),
        ("en", "See e.g. Table 4, No. 7 etc. for more.", ["See e.g. Table 4, No. 7 etc. for more."]),
        ("en", "“Stop!” he said. “Why?” Nobody knew.", ["“Stop!” he said.", "“Why?”", "Nobody knew."]),
        ("en", "It works.[3] Others differ.", ["It works.[3]", "Others differ."]),
        ("en", "Wait… what? Yes.", ["Wait… what?", "Yes."]),
        ("en", "She was 12. Nobody asked.", ["She was 12.", "Nobody asked."]),
        ("de", "Am 3. Oktober kam z. B. Dr. Vogt. Er blieb.", ["Am 3. Oktober kam z. B. Dr. Vogt.", "Er blieb."]),
        ("de", "„Gut!“, sagte sie. Dann ging sie.", ["„Gut!“, sagte sie.", "Dann ging sie."]),
        ("fr", "« Oui ! » dit M. Petit. Il part.", ["« Oui ! » dit M. Petit.", "Il part."]),
        ("es", "¿Vendrá? ¡Claro! El Sr. Ruiz espera.", ["¿Vendrá?", "¡Claro!", "El Sr. Ruiz espera."]),
        (
            "ru",
            "В 1742 г. Москва росла. А. С. Пушкин жил позже.",
            ["В 1742 г. Москва росла.", "А. С. Пушкин жил позже."],
        ),
        ("zh", "下雨了。你来吗？我来！", ["下雨了。", "你来吗？", "我来！"]),
        ("ja", "「行く。」と言った。雨だ。", ["「行く。」と言った。", "雨だ。"]),
        ("ar", "هل جاء؟ نعم جاء. ثم ذهب.", ["هل جاء؟", "نعم جاء.", "ثم ذهب."]),
        ("hi", "वह आया। फिर गया।", ["वह आया।", "फिर गया।"]),
        ("ko", "비가 온다. 우산이 없다.", ["비가 온다.", "우산이 없다."]),
    ],
)
def test_splits_where_a_reader_would(language: str, paragraph: str, sentences: list[str] | None) -> None:
    expected = sentences or ["Mr. T. S. Hall of St. Ives agreed.", "So did Co. Durham."]
    assert split_sentences(paragraph, language) == expected


def test_thai_is_cut_at_spaces_once_a_phrase_is_long_enough() -> None:
    phrase = "นักวิจัยของมหาวิทยาลัยพบวิธีเก็บน้ำฝนไว้ใช้ในฤดูแล้งโดยไม่ต้องใช้เครื่องสูบน้ำราคาแพงอีกต่อไป"
    assert split_sentences(f"{phrase} {phrase} จบ") == [phrase, phrase, "จบ"]


def test_a_long_quotation_with_full_stops_is_still_cut() -> None:
    inside = "長い話である。" * 60
    assert len(split_sentences(f"「{inside}」と言った。")) > 50


def test_text_without_sentence_ends_is_cut_at_pauses() -> None:
    pieces = split_sentences("and then we went on, " * 200)
    assert len(pieces) > 5
    assert all(len(piece) <= 700 for piece in pieces)


@given(st.text(alphabet="Ab1 .!?。「」“”…नाÉอก\u3000", max_size=300))
def test_nothing_but_space_is_lost(paragraph: str) -> None:
    assert "".join("".join(split_sentences(paragraph)).split()) == "".join(paragraph.split())


@given(st.text(max_size=200))
def test_no_sentence_is_blank(paragraph: str) -> None:
    assert all(sentence.strip() for sentence in split_sentences(paragraph) if paragraph.strip())


def test_german_quotation_marks_point_the_other_way() -> None:
    assert split_sentences("Er ging. »Warum?« Keiner sagte es.", "de") == ["Er ging.", "»Warum?«", "Keiner sagte es."]
