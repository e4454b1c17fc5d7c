"""What any bytes may be thrown at, and what must hold whatever they are."""
