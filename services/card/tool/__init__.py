"""A workshop for cards at the command line: makes specimens, puts them into readers, shows them, tries their PINs."""
