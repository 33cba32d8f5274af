"""Pictures of figures, drawn in a child process: series in, PNG bytes out.

Owns the child and the directory where matplotlib keeps its list of fonts. matplotlib is never imported in the bot's own
process: it takes a second and 60 MB, and would hold the loop while it draws. Whoever asks for a picture says the same
in words when none is to be had: `Charts.draw` raises ChartError for every way it can go wrong (the extra `charts` is
missing, the child crashed, it took too long), and nothing of the child is left then.
"""

from doradura.charts.chart import Chart, ChartLine
from doradura.charts.painter import ChartError, Charts

__all__ = ["Chart", "ChartError", "ChartLine", "Charts"]
