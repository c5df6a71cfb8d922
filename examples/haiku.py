"""A data set of your own: `python -m bench run quick --plugin examples/haiku.py -t haiku`. Its rows are made up."""

import csv
from pathlib import Path

from bench.contracts import Splits, TextExample
from bench.data.sources import Sources
from bench.data.splits import cut_by_group
from tasks.classification import Classification


class Haiku(Classification):
    name = "haiku"
    summary = "Which season is a haiku about?"
    licence = "CC0"

    def splits(self, sources: Sources) -> Splits:
        with (Path(__file__).parent / "haiku.csv").open(newline="", encoding="utf-8") as file:
            rows = [
                TextExample(str(number), row["text"], row["season"], group=row["poet"])
                for number, row in enumerate(csv.DictReader(file))
            ]
        return cut_by_group(rows, train=0.6, validation=0.2, salt=self.name)
