"""What goes in, what is refused, what comes out: the one description that everything derives from.

Standard library only, Python 3.9 and newer: it ships with the Lambdas and with the Spark jobs.
"""
