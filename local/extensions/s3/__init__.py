"""S3: bucket keys, and folders that stand in for buckets."""
