"""`./run`: the commands with which people try, use and test the product."""
