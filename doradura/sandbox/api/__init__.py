"""The bots' side: the Bot API's calls, from their parameters to their envelopes."""
