"""What the Lambdas do: batches, runs, checks, publishing, mail. AWS calls stand at its edge."""
