"""A model over HTTP: an OpenAI-compatible API with continuous batching.

From the inside out: `served_sequence` (one sequence), `request_queue` and `scheduler` (many
sequences in the slots of one model), `schemas` and `responses` (the objects of the API), `requests`
and `request_bodies` (from bytes to a generation job), `endpoints` (one function per path),
`security` and `http_protocol` (access and deadlines), `app` (the application), `serve` (the
process).

All modules but the first three need the extra `serve`.
"""
