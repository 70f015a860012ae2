"""The two Spark jobs and the modules that they share.

The package runs on Python 3.9 and later and on Spark 3.5.6 and later. It uses only the DataFrame
API: no UDFs, no RDDs, and no schema inference. Only `spark.storage` uses Hadoop directly.
"""
