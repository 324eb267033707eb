"""What is wrong with a text before hours of training go into it, and the mended text."""
