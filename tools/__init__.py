"""Small commands around the repository and its logs."""
