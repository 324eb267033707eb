"""A model over HTTP: an OpenAI-compatible API with continuous batching.

From the inside out: `streams` (one text), `scheduler` (many texts in the slots of one model),
`schemas` and `answers` (what is asked and said), `endpoints` (one function a path), `security` and
`protocol` (who may ask, and for how long), `app` (all of it together), `serve` (the process).

Importing the parts needs the extra `serve`, but for the first two.
"""
