"""The two Spark jobs and what they share; runs on Python 3.9 and Spark 3.5.6 and newer.

DataFrame API alone: no UDF, no RDD, no schema inference. Only `storage` touches Hadoop directly.
"""
