"""The data contract as code: input files, row rules, KPI tables, reports, and storage layout.

Everything else derives from these definitions. The package uses only the standard library and runs
on Python 3.9 and later, because it ships with both the Lambda functions and the Spark jobs.
"""
