"""What was rendered or read before: each turn of an agent repeats the whole conversation."""
