"""Convert raw text to accepted and rejected rows by the rules of the data contract."""
