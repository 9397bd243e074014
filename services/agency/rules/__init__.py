"""What the agency decides, without looking anything up."""
