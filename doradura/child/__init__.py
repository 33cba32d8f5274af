"""What runs in a child process: probing, fetching, making. The only user of yt-dlp and PyAV; it must not know Trio."""
