"""What a card node decides, without looking anything up."""
