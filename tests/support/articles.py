"""What tests submit: a page with everything around its article, and a plain text."""

from random import Random

ARTICLE = """<!doctype html>
<html lang="en">
<head>
  <title>The lock keeper of Marlow</title>
  <meta name="author" content="Ada Finch">
  <meta property="article:published_time" content="2026-02-03T08:00:00+00:00">
</head>
<body>
<nav><a href="/">Home</a> <a href="/news">News</a> <a href="/sport">Sport</a></nav>
<aside>Subscribe to our newsletter and never miss a story.</aside>
<article>
<h1>The lock keeper of Marlow</h1>
<p>For thirty-one years Ruth Ellery has opened and closed the gates of Marlow Lock by hand. She knows the river by its
sound, and she says that a rising river is quieter than a falling one. Last winter she was the only person awake when
the water came over the upper gate, and what she did next kept eighty houses dry.</p>
<h2>The flood</h2>
<p>At three in the morning the gauge stood at two metres and ten centimetres, forty more than the evening before. Ellery
opened the sluice on the far bank first, because the near one drains towards the school. Then she rang the Thames
Conservancy, which had no one to send. By dawn the level had fallen by half a metre and the road was passable again.</p>
<p>The inquiry in June found that the new electric gates would have failed, as the cable lay under water by midnight. It
recommended that every lock on the Thames should keep at least one gate that can be worked by hand.</p>
<h2>What she carries</h2>
<p>Her tools have not changed since she began. She keeps them by the door of the hut, in the order in which she needs
them, and nobody else may tidy there:</p>
<ul><li>a rope</li><li>a windlass</li><li>a lamp that needs no battery</li></ul>
<p>Ellery will retire in the spring. Two apprentices have begun to learn the gates, and one of them already claims to
hear the difference between a rising river and a falling one. Ellery is not so sure about that.</p>
</article>
<footer>All rights reserved.</footer>
</body>
</html>"""

TEXT = """The lock keeper of Marlow

For thirty-one years Ruth Ellery has opened and closed the gates of Marlow Lock by hand. Last winter the water came over
the upper gate. Ellery opened the sluice on the far bank first, because the near one drains towards the school. By dawn
the level had fallen by half a metre. The inquiry found that electric gates would have failed. Every lock should keep at
least one gate that can be worked by hand."""

WORDS = ("river", "gate", "water", "turbine", "harbour", "ferry", "tide", "winter", "stone", "bridge", "council")


def text_with(mark: str) -> str:
    """A short text that can be told from others by a mark in its first sentence."""
    return f"The lock keeper writes {mark} into her log book every morning. {TEXT}"


def page_of(chars: int, random: Random) -> str:
    """An HTML page with at least this many characters of running text."""
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < chars:
        sentences = [" ".join(random.choices(WORDS, k=14)).capitalize() + "." for _ in range(6)]
        paragraphs.append(" ".join(sentences))
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<html><head><title>Log</title></head><body><article><h1>Log</h1>{body}</article></body></html>"
