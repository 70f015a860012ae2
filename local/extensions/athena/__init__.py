"""Athena: queries in its SQL dialect over the tables of the Glue Data Catalog."""
