"""How the register's messages become domain values, and domain values messages."""
