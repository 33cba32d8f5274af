"""The monitoring stack around the bot: Prometheus, Alertmanager and Grafana, and the code that starts them.

The committed files beside this package are valid as they are; `render` adapts them to this installation, and the runner
starts the programs with the result, as containers if an engine answers and natively otherwise. Of the bot it imports
the settings, the data directory's lock and the judgement of which links are public. `python -m stack` is its command
line.
"""
