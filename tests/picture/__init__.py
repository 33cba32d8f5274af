"""The picture of the Overview: the committed dashboard, drawn from what a real Prometheus says of a real bot."""
