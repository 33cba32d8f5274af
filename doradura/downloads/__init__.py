"""Downloads: the table of formats, the queue, the supervisor, the workers and what guards them, the way to the user."""
