"""What the length of training changes, as Markdown."""

from __future__ import annotations

from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.metadataset.by_length import lengthened, moves
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.wording.markdown import markdown_table, number

HEAD = "## Length of training"


def length_part(table: MetaDataset, arrays: CurveArrays) -> str:
    """Whether configurations, and the values of the best one, change places when is trained longer.

    Args:
        table: The meta-dataset.
        arrays: Its learning curves.
    """
    found = lengthened(table, arrays)
    if not found:
        several = len(set(arrays.datasets)) < len(arrays.tasks)
        few = "too few configurations were trained to the end at both" if several else "each has one length"
        return f"{HEAD}\n\nNo dataset tells what changes when is trained longer: {few}."
    rows = [
        [
            each.dataset,
            f"{each.records[0]} and {each.records[1]}",
            str(each.n_configurations),
            number(each.correlation, 2),
            number(each.regret, 2),
            "yes" if each.best[0] == each.best[1] else "no",
        ]
        for each in found
    ]
    columns = [
        "dataset",
        "records",
        "configurations at both",
        "rank correlation",
        "regret of the shorter one's best",
        "the same is best",
    ]
    domains = {h.name: h.domain for h in table.space.hyperparameters}
    moved = []
    for move in moves(found, arrays, table.space):
        domain = domains[move.name]
        unit = "places" if isinstance(domain, CategoricalDomain) else "decades" if domain.log else "units"
        moved.append([move.name, *map(str, (move.lower, move.same, move.higher)), f"{move.change:+.2f} {unit}"])
    parts = [HEAD, "", markdown_table(columns, rows, right_from=1)]
    if moved:
        heads = ["the best value, in the longer training", "is lower on", "the same on", "higher on", "median change"]
        parts += ["", markdown_table(heads, moved, right_from=1)]
    return "\n".join(parts)
