"""Train the model that judges passages, and say how well it does on pages it was not trained on.

    uv run --with lightgbm==4.7.0 python -m tests.benchmarks.extraction.train --data FOLDER

Prints word F1 by held-out folds, each page judged by the one of five models that has not seen it, and writes
stages/extraction/model.json, trained on all pages. The same pages give the same model.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from stages.contract import Permanent
from stages.extraction.choosing import passages_and_features, shared
from stages.extraction.features import names
from stages.extraction.model import CHOICES, DEPTH, best_choice
from stages.extraction.passages import Passage
from stages.extraction.trees import read_page, readable
from tests.benchmarks.extraction.labels import shares
from tests.benchmarks.extraction.measures import shingle_f1, word_overlap
from tests.benchmarks.extraction.pages import TruePage, true_pages

MODEL = Path("stages/extraction/model.json")
FOLDS = 5
ROUNDS = 500
MAX_ROWS = 300
"""Of one page, drawn at random: no page should count for more than its share."""
WEIGHT = 200.0
"""Of one page."""
PARAMETERS = {
    "objective": "cross_entropy",
    "learning_rate": 0.05,
    "num_leaves": 8,
    "max_depth": DEPTH,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A page as the model sees it."""

    page: TruePage
    passages: list[Passage]
    rows: NDArray[np.float64]
    lengths: NDArray[np.float64]
    targets: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with html/ID.html.gz and truth.jsonl.gz")
    samples = [sample for page in true_pages(parser.parse_args().data) if (sample := _sample(page))]
    _cross_validate(samples)
    MODEL.write_text(json.dumps(_stored(_train(samples)), separators=(",", ":")) + "\n", "utf-8")


def _sample(page: TruePage) -> Sample | None:
    try:
        parsed = read_page(page.html)
    except Permanent:
        return None
    passages, rows = passages_and_features(readable(parsed.tree), parsed, page.url)
    return Sample(
        page=page,
        passages=passages,
        rows=rows,
        lengths=np.array([len(passage.words) for passage in passages], dtype=np.float64),
        targets=np.fromiter(shares(passages, page.text), dtype=np.float64),
    )


def _cross_validate(samples: list[Sample]) -> None:
    scores: dict[str, list[float]] = {}
    shingles = []
    for fold in _folds(samples):
        held = set(map(id, fold))
        booster = _train([sample for sample in samples if id(sample) not in held])
        for sample in fold:
            text = _chosen(sample, booster)
            scores.setdefault(sample.page.type, []).append(word_overlap(text, sample.page.text).f1)
            if sample.page.type == "article":
                shingles.append(shingle_f1(text, sample.page.text))
    print("held out:", {kind: round(fmean(found), 4) for kind, found in sorted(scores.items())})
    print(f"word F1 {fmean(f1 for found in scores.values() for f1 in found):.4f}, shingle F1 {fmean(shingles):.4f}")


def _folds(samples: Sequence[Sample]) -> Iterable[list[Sample]]:
    """Each with its share of every type."""
    drawn = sorted(samples, key=lambda sample: (sample.page.type, Random(sample.page.id).random()))
    return [drawn[start::FOLDS] for start in range(FOLDS)]


def _chosen(sample: Sample, booster: lightgbm.Booster) -> str:
    if not sample.passages:
        return ""
    kept = best_choice(shared(sample.passages, np.asarray(booster.predict(sample.rows))), sample.lengths)
    return "\n".join(passage.text for passage, keep in zip(sample.passages, kept, strict=True) if keep)


def _train(samples: Iterable[Sample]) -> lightgbm.Booster:
    drawing = np.random.default_rng(0)
    rows, targets, weights = [], [], []
    for sample in samples:
        drawn = np.arange(len(sample.passages))
        if len(drawn) > MAX_ROWS:
            drawn = drawing.choice(drawn, MAX_ROWS, replace=False)
        rows.append(sample.rows[drawn])
        targets.append(sample.targets[drawn])
        lengths = sample.lengths[drawn]
        weights.append(WEIGHT * lengths / max(lengths.sum(), 1))
    data = lightgbm.Dataset(np.vstack(rows), np.concatenate(targets), weight=np.concatenate(weights))
    return lightgbm.train(PARAMETERS, data, ROUNDS)


def _stored(booster: lightgbm.Booster) -> dict[str, Any]:
    trees = [_complete(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    return {
        "names": list(names(CHOICES)),
        "features": [tree[0] for tree in trees],
        "bounds": [tree[1] for tree in trees],
        "leaves": [tree[2] for tree in trees],
    }


def _complete(root: dict[str, Any]) -> tuple[list[int], list[float], list[float]]:
    """A tree's features, bounds and leaves, breadth first; below a leaf that is higher up all leaves are like it."""
    level, features, bounds = [root], [], []
    for _ in range(DEPTH):
        features += [node.get("split_feature", 0) for node in level]
        bounds += [float(f"{node.get('threshold', 0.0):.8g}") for node in level]
        level = [node.get(side, node) for node in level for side in ("left_child", "right_child")]
    return features, bounds, [round(node["leaf_value"], 6) for node in level]


if __name__ == "__main__":
    main()
