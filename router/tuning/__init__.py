"""Shows a person what the scan finds in texts and what policy makes of it. The matched text goes to the terminal only."""
