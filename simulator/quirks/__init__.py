"""Answers as endpoints really send them: what is odd about an answer that is otherwise right, by name."""
