"""Installing the Spark jobs in the bucket when the stack is deployed."""
