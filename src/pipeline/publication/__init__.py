"""Publication: from the outputs of the two jobs to the tables and the report that readers see."""
