"""The human side: what people do in the web chat and tests ask for, under /sandbox/."""
