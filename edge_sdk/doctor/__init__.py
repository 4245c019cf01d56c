"""What stands between this machine, this array and a live stream: one line for each finding, and what to do."""
