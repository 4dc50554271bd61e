"""What the application needs of the world, as Protocols in domain words."""
