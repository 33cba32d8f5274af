"""Downloads: the queue and everything that happens to a job: admission, attempts, delivery, progress, and probes."""
