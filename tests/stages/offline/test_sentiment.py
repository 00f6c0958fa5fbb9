import pytest

from stages.offline.sentiment import judge

GOOD = {
    "en": ["The festival was a wonderful success.", "Visitors were happy and praised the organisers."],
    "de": ["Das Fest war ein großartiger Erfolg.", "Die Gäste waren glücklich und lobten alle."],
    "fr": ["La fête fut un succès magnifique.", "Les visiteurs étaient heureux et ravis."],
    "es": ["La fiesta fue un éxito maravilloso.", "Los visitantes estaban felices y contentos."],
    "ru": ["Праздник прошёл успешно и прекрасно.", "Гости были счастливы и довольны."],
    "zh": ["这次活动非常成功。", "大家都很高兴，也很满意。"],
    "ja": ["祭りは大成功だった。", "来場者は満足し、とても楽しい一日だった。"],
}
BAD = {
    "en": ["The fire was a terrible disaster.", "Two people died and many were injured."],
    "de": ["Der Brand war eine schreckliche Katastrophe.", "Zwei Menschen starben, viele wurden verletzt."],
    "fr": ["L'incendie fut une catastrophe terrible.", "Deux personnes sont mortes dans la douleur."],
    "es": ["El incendio fue un desastre terrible.", "Hubo dos muertos y muchos heridos."],
    "ru": ["Пожар стал ужасной катастрофой.", "Двое погибли, многие ранены."],
    "zh": ["这场灾难非常可怕。", "两人死亡，多人受伤。"],
    "ja": ["火災は悲劇だった。", "二人が死亡し、大きな被害が出た。"],
}


@pytest.mark.parametrize("language", GOOD)
def test_praise_is_positive(language: str) -> None:
    tone = judge(GOOD[language], language)
    assert tone.label == "positive"
    assert tone.score is not None
    assert tone.score > 0


@pytest.mark.parametrize("language", BAD)
def test_complaint_is_negative(language: str) -> None:
    tone = judge(BAD[language], language)
    assert tone.label == "negative"
    assert tone.score is not None
    assert tone.score < 0


@pytest.mark.parametrize(
    ("language", "plain", "negated"),
    [
        ("en", "The bridge is safe.", "The bridge is not safe."),
        ("en", "It works well and is reliable.", "It isn’t very reliable."),
        ("de", "Die Brücke ist sicher.", "Die Brücke ist nicht sicher."),
        ("fr", "Le pont est solide.", "Le pont n'est pas solide."),
        ("es", "El puente es seguro.", "El puente no es seguro."),
        ("ru", "Мост безопасный.", "Мост не безопасный."),
        ("zh", "这座桥很安全。", "这座桥不安全。"),
        ("ja", "この橋は安全だ。", "この橋は安全ではない。"),
    ],
)
def test_a_negation_turns_the_tone(language: str, plain: str, negated: str) -> None:
    assert (judge([plain], language).score or 0) > 0
    assert (judge([negated], language).score or 0) < 0


def test_matter_of_fact_text_is_neutral() -> None:
    tone = judge(["The lock has two gates.", "It is nine metres long.", "Boats use it daily."], "en")
    assert tone.label == "neutral"
    assert tone.score == 0


@pytest.mark.parametrize("language", ["ar", "fi", None])
def test_a_language_without_a_word_list_is_not_judged(language: str | None) -> None:
    tone = judge(["Something."], language)
    assert (tone.label, tone.score) == ("unknown", None)
