"""The sample media: made with ffmpeg, looked into, made smaller, served under /media/. Knows no bot."""
