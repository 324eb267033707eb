"""The words of the stories, with what the grammar and the world must know about them."""
