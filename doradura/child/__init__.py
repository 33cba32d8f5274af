"""What runs in a child process: looks, fetches, makes. The only place of yt-dlp and PyAV; trio is not known here."""
