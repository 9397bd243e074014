"""What the catalogues say, read from the code."""
