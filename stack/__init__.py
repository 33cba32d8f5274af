"""The monitoring stack: the files that ship, and what starts, renders and draws them."""
