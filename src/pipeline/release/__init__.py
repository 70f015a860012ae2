"""Release: the Spark scripts that a deployment installs in the bucket."""
