"""Charts, drawn in a child process: series in, PNG bytes out.

Owns the child and the directory where matplotlib keeps its list of fonts. The bot's own process never imports
matplotlib, which takes a second and 60 MB, and would block the event loop while it draws. `Charts.draw` raises
ChartError for every failure (the extra `charts` is missing, the child crashed, it took too long), and no process of the
child remains then; whoever asked for a picture then says the same in words.
"""

from doradura.charts.chart import Chart, ChartLine
from doradura.charts.painter import ChartError, Charts

__all__ = ["Chart", "ChartError", "ChartLine", "Charts"]
