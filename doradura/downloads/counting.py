"""Counts and logs the outcome of each job, once."""

from __future__ import annotations

import logging

from doradura.downloads.job import JobRun
from doradura.downloads.stages import Cancelled, Delivered, Failed, Outcome
from doradura.media.reasons import Reason
from doradura.metrics import Metrics
from doradura.storage import jobs

log = logging.getLogger(__name__)


class OutcomeCounter:
    """Counts outcomes. The caller makes sure that each job is counted once."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def ended(self, run: JobRun, outcome: Outcome, seconds: float) -> None:
        """Count and log the outcome of a job that ran for so many seconds."""
        metrics, job = self._metrics, run.job
        if isinstance(outcome, Delivered):
            metrics.download_success.labels(**job.variant.labels).inc()
            metrics.download_size.labels(kind=outcome.kind).observe(outcome.size_bytes)
            metrics.site_downloads.labels(site=job.site, outcome="success").inc()
        elif isinstance(outcome, Failed):
            self.failed(job, outcome.reason)
        if run.reached_worker and not isinstance(outcome, Cancelled):
            metrics.download_duration.labels(**job.variant.labels).observe(seconds, {"job": str(job.job_id)})
        log.info(
            "job ended",
            extra={
                "job": job.job_id,
                "user": job.user_id,
                "outcome": type(outcome).__name__.lower(),
                **job.variant.labels,
                "site": job.site,
                "seconds": round(seconds, 2),
                **({"reason": outcome.reason, "detail": outcome.detail} if isinstance(outcome, Failed) else {}),
            },
        )

    def failed(self, job: jobs.Job, reason: Reason) -> None:
        """Count a job that failed."""
        metrics = self._metrics
        metrics.download_failure.labels(format=job.variant.format, reason=reason).inc()
        metrics.site_downloads.labels(site=job.site, outcome="failure").inc()
        if reason.ours:
            metrics.errors.labels(category="download").inc()

    def cancelled(self, job: jobs.Job) -> None:
        """Count a job that was cancelled."""
        self._metrics.download_cancelled.labels(format=job.variant.format).inc()
        self._metrics.site_downloads.labels(site=job.site, outcome="cancelled").inc()
