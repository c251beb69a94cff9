"""Comparisons of two models for tests."""

from __future__ import annotations

import random

from hokusai.zk.field import R
from hokusai.zk.statements import Comparison, Statement


def compare(statement: Statement, rows: int, seed: int = 1, classes: int = 3) -> Comparison:
    """A comparison of two models that are right more often than not."""
    chosen = random.Random(seed)
    classes = min(classes, 1 << statement.bits)

    def predict(right: float) -> list[int]:
        return [y if chosen.random() < right else chosen.randrange(classes) for y in labels]

    labels = [chosen.randrange(classes) for _ in range(rows)]
    salts = (chosen.randrange(R), chosen.randrange(R), chosen.randrange(R))
    return Comparison(labels, predict(0.5), predict(0.8), salts, chosen.randrange(R))
