"""The monitoring stack around the bot: Prometheus, Alertmanager and Grafana, and what starts them.

The committed files beside this package are valid as they are; `render` turns them into this installation's, the runner
starts the programs with those, as containers where an engine answers and natively where none does. The package imports
the bot's settings and nothing else of it; `python -m stack` is its command line.
"""
