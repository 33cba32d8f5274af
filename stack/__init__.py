"""The monitoring stack around the bot: Prometheus, Alertmanager and Grafana, and what starts them.

The committed files beside this package are valid as they are; `render` turns them into this installation's, the runner
starts the programs with those, as containers where an engine answers and natively where none does. Of the bot it
imports the settings, the data directory's lock and which links are public; `python -m stack` is its command line.
"""
