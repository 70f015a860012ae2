"""The Glue crawler: it catalogs the tables and partitions that it discovers in S3."""
