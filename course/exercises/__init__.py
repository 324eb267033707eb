"""The exercises, one file a lesson: cases, solutions, typical wrong answers and hints."""
