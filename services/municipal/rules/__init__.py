"""What the municipality decides, without looking anything up."""
