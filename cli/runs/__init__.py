"""What is known about runs: which runs there are, what each counted, and which one readers see."""
