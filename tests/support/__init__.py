"""What several test folders share: tiny models with answers known by hand, and stores made of them."""
