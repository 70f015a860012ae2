"""The command `scale`: what a number of rentals or batches needs, takes, and costs on AWS."""
