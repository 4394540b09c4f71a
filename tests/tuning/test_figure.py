from dataclasses import replace

from matplotlib.figure import Figure

from lightning_quicktune.tuning.figure import draw_search


def test_the_legends_of_six_rows_cover_no_curve(make_outcome, tmp_path, monkeypatch):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kwargs: (drawn.append(self), save(self, *args, **kwargs))
    )
    outcome = make_outcome()
    default = replace(outcome.row("recipe"), name="default")
    draw_search(replace(outcome, rows=(*outcome.rows, default)), tmp_path / "search.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    for axes in figure.axes:
        legend = axes.get_legend()
        assert {"your recipe", "strong recipe", "default", "zero-shot"} <= {t.get_text() for t in legend.get_texts()}
        box = legend.get_window_extent()
        assert box.y1 < axes.get_window_extent().y0
        assert min(box.y0, box.x0) >= 0
        assert box.x1 <= figure.bbox.x1
