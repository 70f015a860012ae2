"""From the outputs of the two jobs to the run that readers see."""
