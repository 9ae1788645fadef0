"""What owners see of their inverters: verdicts, numbers, curves and bars."""
