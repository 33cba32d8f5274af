"""Downloads: the queue and what becomes of its jobs: admission, attempts, probes, delivery, progress, breakers."""
