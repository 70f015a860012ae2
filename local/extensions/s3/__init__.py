"""S3: the keys of encrypted buckets, and local folders in place of buckets."""
