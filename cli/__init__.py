"""The `./run` command line: try, operate, and develop the product."""
